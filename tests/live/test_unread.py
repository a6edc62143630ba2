"""Answers that nobody reads hold so much memory at most, and who reads loses none for it."""

import asyncio
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.live.unread import PATIENCE_SECONDS, PAUSE_SECONDS, UnreadAnswers
from tests.servers import ADMIN, Gateway, running_gateway, user_headers

LATER = PATIENCE_SECONDS + PAUSE_SECONDS


class Peer:
    """A connection, as far as `UnreadAnswers` knows one; it is its own transport."""

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


def test_what_is_within_the_bound_may_wait() -> None:
    unread, peers = UnreadAnswers(100), [Peer(50), Peer(50)]
    for number, peer in enumerate(peers):
        unread.add(peer, "a", number * LATER)
    assert not any(peer.aborted for peer in peers)


def test_the_client_that_holds_most_loses_what_waits_longest() -> None:
    unread, innocent, peers = UnreadAnswers(100), Peer(30), [Peer(25) for _ in range(4)]
    unread.add(innocent, "b", 1)
    for peer in peers:
        unread.add(peer, "a", 1 + LATER)
    unread.add(Peer(1), "a", 1 + 2 * LATER)
    assert [peer.aborted for peer in peers] == [True, True, False, False]
    assert not innocent.aborted


def test_an_answer_has_a_moment_to_be_read() -> None:
    unread, peers = UnreadAnswers(100), [Peer(99), Peer(99)]
    for peer in peers:
        unread.add(peer, "a", 1)
    assert not any(peer.aborted for peer in peers)


@pytest.mark.parametrize("how", ["read", "gone"])
def test_what_was_read_does_not_count(how: str) -> None:
    unread, early, late = UnreadAnswers(100), Peer(99), Peer(99)
    unread.add(early, "a", 1)
    if how == "read":
        early.size = 0
    else:
        unread.remove(early)
    unread.add(late, "a", 1 + LATER)
    assert not early.aborted
    assert not late.aborted


@pytest.fixture(scope="module")
def unlimited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory: Path = tmp_path_factory.mktemp("unlimited")
    with running_gateway(directory / "data", INBOX_RATE_LIMIT_READS="0") as gateway:
        yield gateway


def asked(gateway: Gateway, user: str, client: str) -> socket.socket:
    """Ask for a user's list on a socket that takes little of it."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", gateway.port))
    headers = user_headers(user) | {"Host": "inbox", "X-Forwarded-For": client}
    lines = ["GET /notifications HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    sock.sendall("\r\n".join([*lines, "", ""]).encode())
    return sock


def given_up(gateway: Gateway) -> bool:
    """Whether the answer to anybody was."""
    return re.search("^inbox_answers_given_up_total [1-9]", httpx.get(f"{gateway.url}/metrics").text, re.M) is not None


def whole_answer(sock: socket.socket) -> bool:
    """Read an answer, and return whether all of it came."""
    sock.setblocking(True)
    sock.settimeout(10)
    with sock.makefile("rb") as file:
        head = iter(file.readline, b"\r\n")
        (length,) = (int(line.split()[1]) for line in head if line.startswith(b"content-length:"))
        return len(file.read(length)) == length


async def test_one_client_that_does_not_read_many_answers_loses_some_and_others_lose_none(
    unlimited: Gateway, user: str
) -> None:
    async with httpx.AsyncClient(base_url=unlimited.url, timeout=30) as http:
        body = {"notification": {"title": "x", "content": "x" * 3_000_000, "recipients": [{"external_id": user}]}}
        for _ in range(3):
            assert (await http.post("/notifications", json=body, headers=ADMIN)).status_code == 201
        innocent, greedy = asked(unlimited, user, "192.0.2.1"), list[socket.socket]()
        try:
            async with asyncio.timeout(60):
                while not await asyncio.to_thread(given_up, unlimited):
                    greedy.append(asked(unlimited, user, "192.0.2.2"))
            assert await asyncio.to_thread(whole_answer, innocent)
        finally:
            for sock in (innocent, *greedy):
                sock.close()
