"""The small server of metrics and probes."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from gateway.server import metrics_listener
from gateway.server.metrics_listener import MAX_HEAD_BYTES, MetricsListener
from gateway.telemetry.exposition import MetricsText


async def metrics(accept: str) -> MetricsText:
    return MetricsText(f"accept {accept}\n".encode(), "text/x")


class Served:
    """A listener that runs, and what its process says of its readiness."""

    def __init__(self) -> None:
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.reason = ""
        self.listener = MetricsListener(self.sock, metrics, lambda: self.reason)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self.sock.getsockname())

    async def send(self, request: bytes) -> tuple[str, str]:
        """Send a request, and return the head and the body of the response."""
        reader, writer = await self.connect()
        response = b""
        with contextlib.suppress(ConnectionError):
            writer.write(request)
            response = await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        head, _, body = response.decode().partition("\r\n\r\n")
        return head, body

    async def get(self, path: str, more: str = "") -> tuple[str, str]:
        return await self.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode())


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    served = Served()
    with served.sock:
        running = asyncio.create_task(served.listener.run())
        yield served
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def test_the_metrics_are_in_the_format_that_the_client_accepts(served: Served) -> None:
    head, body = await served.get("/metrics?a=b", "ACCEPT: application/x\r\nUser-Agent: t\r\n")
    assert head.startswith("HTTP/1.1 200 OK\r\ncontent-type: text/x\r\n")
    assert f"content-length: {len(body)}\r\n" in head
    assert head.endswith("connection: close")
    assert body.split() == ["accept", "application/x"]


async def test_probes_say_whether_the_process_is_ready(served: Served) -> None:
    assert (await served.get("/healthz"))[1] == '{"status": "ok"}'
    assert (await served.get("/readyz"))[1] == '{"status": "ready"}'
    served.reason = "draining"
    head, body = await served.get("/readyz")
    assert head.startswith("HTTP/1.1 503 ")
    assert body == '{"status": "not ready", "reason": "draining"}'


async def test_a_head_is_requested_without_a_body(served: Served) -> None:
    head, body = await served.send(b"HEAD /healthz HTTP/1.0\r\n\r\n")
    assert "content-length: 16" in head
    assert body == ""


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /notifications HTTP/1.1\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * (2 * MAX_HEAD_BYTES) + b"\r\n\r\n", 400),
    ],
)
async def test_anything_else_is_refused(served: Served, request_: bytes, status: int) -> None:
    head, _ = await served.send(request_)
    assert head.startswith(f"HTTP/1.1 {status} ")


async def test_a_client_that_sends_nothing_is_disconnected(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_listener, "HEAD_SECONDS", 0.05)
    assert await served.send(b"GET /metrics") == ("", "")


async def test_clients_that_send_nothing_keep_no_probe_from_its_response(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_listener, "MAX_CONNECTIONS", 2)
    silent = [await served.connect() for _ in range(2)]
    while len(served.listener._open) < 2:
        await asyncio.sleep(0)
    assert (await served.get("/healthz"))[1] == '{"status": "ok"}'
    (first, _), (second, writer) = silent
    with contextlib.suppress(ConnectionError):
        assert await first.read() == b""  # the oldest was disconnected
    writer.write(b"GET /healthz HTTP/1.1\r\n\r\n")
    assert (await second.readline()).startswith(b"HTTP/1.1 200 ")
    for _, each in silent:
        each.close()
    while served.listener._open:
        await asyncio.sleep(0.001)
