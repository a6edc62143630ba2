"""Responses that wait for clients to read them: their memory is bounded, and the largest holder loses responses."""

import asyncio
import re
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.server.pending_responses import CHECK_INTERVAL_SECONDS, GRACE_SECONDS, PendingResponses
from tests.servers import ADMIN, Gateway, running_gateway, user_headers

LATER = GRACE_SECONDS + CHECK_INTERVAL_SECONDS


class Connection:
    """A connection, as far as `PendingResponses` needs one; it is its own transport."""

    def __init__(self, size: int):
        self.size = size
        self.aborted = False

    @property
    def transport(self) -> Any:
        return self

    def get_write_buffer_size(self) -> int:
        return self.size

    def abort(self) -> None:
        self.aborted = True


def test_responses_within_the_bound_may_stay_pending() -> None:
    pending, connections = PendingResponses(100), [Connection(50), Connection(50)]
    for number, connection in enumerate(connections):
        pending.add(connection, "a", number * LATER)
    assert not any(connection.aborted for connection in connections)


def test_the_client_that_holds_the_most_loses_its_longest_pending_responses() -> None:
    pending, other, connections = PendingResponses(100), Connection(30), [Connection(25) for _ in range(4)]
    pending.add(other, "b", 1)
    for connection in connections:
        pending.add(connection, "a", 1 + LATER)
    pending.add(Connection(1), "a", 1 + 2 * LATER)
    assert [connection.aborted for connection in connections] == [True, True, False, False]
    assert not other.aborted


def test_a_response_is_not_cut_off_within_the_grace_period() -> None:
    pending, connections = PendingResponses(100), [Connection(99), Connection(99)]
    for connection in connections:
        pending.add(connection, "a", 1)
    assert not any(connection.aborted for connection in connections)


@pytest.mark.parametrize("how", ["read", "closed"])
def test_a_response_that_was_read_or_whose_connection_closed_does_not_count(how: str) -> None:
    pending, early, late = PendingResponses(100), Connection(99), Connection(99)
    pending.add(early, "a", 1)
    if how == "read":
        early.size = 0
    else:
        pending.remove(early)
    pending.add(late, "a", 1 + LATER)
    assert not early.aborted
    assert not late.aborted


@pytest.fixture(scope="module")
def unlimited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory: Path = tmp_path_factory.mktemp("unlimited")
    with running_gateway(directory / "data", INBOX_RATE_LIMIT_READS="0") as gateway:
        yield gateway


def requested(gateway: Gateway, user: str, client: str) -> socket.socket:
    """Request a user's list on a socket with a small receive buffer, and read none of the response."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", gateway.port))
    headers = user_headers(user) | {"Host": "inbox", "X-Forwarded-For": client}
    lines = ["GET /notifications HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    sock.sendall("\r\n".join([*lines, "", ""]).encode())
    return sock


def response_has_begun(sock: socket.socket) -> bool:
    """Wait for the first bytes of a response, without reading them."""
    readable, _, _ = select.select([sock], [], [], 30)
    return bool(readable)


def given_up(gateway: Gateway) -> bool:
    """Return whether any response was cut off."""
    return re.search("^inbox_answers_given_up_total [1-9]", httpx.get(f"{gateway.url}/metrics").text, re.M) is not None


def response_is_complete(sock: socket.socket) -> bool:
    """Read a response, and return whether all of it arrived."""
    sock.setblocking(True)
    sock.settimeout(10)
    with sock.makefile("rb") as file:
        head = iter(file.readline, b"\r\n")
        (length,) = (int(line.split()[1]) for line in head if line.startswith(b"content-length:"))
        return len(file.read(length)) == length


async def test_a_client_that_reads_none_of_many_responses_loses_some_and_other_clients_lose_none(
    unlimited: Gateway, user: str
) -> None:
    async with httpx.AsyncClient(base_url=unlimited.url, timeout=30) as http:
        body = {"notification": {"title": "x", "content": "x" * 3_000_000, "recipients": [{"external_id": user}]}}
        for _ in range(3):
            assert (await http.post("/notifications", json=body, headers=ADMIN)).status_code == 201
        other, greedy = requested(unlimited, user, "192.0.2.1"), list[socket.socket]()
        try:
            async with asyncio.timeout(60):
                while not await asyncio.to_thread(given_up, unlimited):
                    greedy.append(requested(unlimited, user, "192.0.2.2"))
                    # Valkey would write no reply for long while it processes more and more of these requests.
                    assert await asyncio.to_thread(response_has_begun, greedy[-1])
            assert await asyncio.to_thread(response_is_complete, other)
        finally:
            for sock in (other, *greedy):
                sock.close()
