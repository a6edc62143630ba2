"""Arrival at a constant rate, and a pool of connections."""

import asyncio

import pytest

from loadtest import publisher
from loadtest.publisher import Pool, at_constant_rate
from loadtest.servers.starting import free_port_pair


async def test_each_call_is_due_a_period_after_the_previous_one_however_long_calls_take() -> None:
    due: dict[int, float] = {}

    async def one(number: int, moment: float) -> None:
        due[number] = moment
        await asyncio.sleep(0.02)  # longer than a period, and the next calls do not wait for it

    await at_constant_rate(1000.0, 50, one)
    assert list(due) == list(range(50))
    assert all(abs(due[number] - due[0] - number / 1000) < 1e-6 for number in due)


async def test_a_request_without_a_response_fails() -> None:
    status, problem = await Pool("127.0.0.1", free_port_pair()).request(b"GET / HTTP/1.1\r\n\r\n")
    assert status == 0
    assert problem


@pytest.mark.parametrize(("idle_seconds", "connections"), [(60.0, 1), (-1.0, 3)])
async def test_a_connection_that_was_idle_for_long_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch, idle_seconds: float, connections: int
) -> None:
    monkeypatch.setattr(publisher, "IDLE_SECONDS", idle_seconds)
    accepted: list[_RespondingConnection] = []
    server = await asyncio.get_running_loop().create_server(lambda: _RespondingConnection(accepted), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    pool = Pool(host, port, most=1)  # a dropped connection frees its place
    for _ in range(3):
        assert await pool.request(b"GET / HTTP/1.1\r\n\r\n") == (200, b"")
    assert len(accepted) == connections
    await pool.close()
    await asyncio.gather(*(each.closed for each in accepted))
    server.close()


class _RespondingConnection(asyncio.Protocol):
    """A connection that responds to anything."""

    def __init__(self, accepted: "list[_RespondingConnection]"):
        accepted.append(self)
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set_result(None)
