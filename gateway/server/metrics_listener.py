"""A small HTTP server on an address of its own, with the metrics and the probes and nothing else.

Workers have it beside the server of the API if INBOX_METRICS_PORT is set, and so has a process that delivers on a
machine of its own, which loads no API. Each connection gets one response.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from gateway.domain.readiness import readiness
from gateway.telemetry.exposition import MetricsText

HEAD_SECONDS = 10.0
"""The time that a client has to send the head of its request, and then to read the response."""

MAX_HEAD_BYTES = 16 * 1024
MAX_CONNECTIONS = 64
"""How many clients are served at a time. With one more, the client that has been connected longest is disconnected, so
that clients that send nothing keep no probe from its response."""

_JSON = "application/json"


class MetricsListener:
    """The server on a listening socket. `run` must be running.

    `metrics` returns the metrics for an Accept header, `not_ready` the reason why the process should get no work, "" if
    there is none.
    """

    def __init__(
        self, sock: socket.socket, metrics: Callable[[str], Awaitable[MetricsText]], not_ready: Callable[[], str]
    ):
        self._sock = sock
        self._metrics = metrics
        self._not_ready = not_ready
        self._open: dict[asyncio.StreamWriter, None] = {}
        """The connections, oldest first."""

    async def run(self) -> None:
        """Serve until cancelled."""
        # A copy, because the server closes its socket, and this may be started again after a failure.
        server = await asyncio.start_server(self._serve, sock=self._sock.dup(), limit=MAX_HEAD_BYTES)
        async with server:
            await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = None
        if len(self._open) > MAX_CONNECTIONS:
            oldest = next(iter(self._open))
            del self._open[oldest]
            oldest.transport.abort()
        try:
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                await self._respond(reader, writer)
        finally:
            self._open.pop(writer, None)
            if writer.transport.get_write_buffer_size():
                writer.transport.abort()  # the client reads nothing
            else:
                writer.close()

    async def _respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(HEAD_SECONDS):
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.LimitOverrunError:
                head = b""
        status, content_type, body = await self._response(head)
        lines = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            f"content-type: {content_type}",
            f"content-length: {len(body)}",
            *("cache-control: no-store", "x-content-type-options: nosniff", "connection: close", "", ""),
        ]
        writer.write("\r\n".join(lines).encode() + (b"" if head.startswith(b"HEAD ") else body))
        async with asyncio.timeout(HEAD_SECONDS):
            await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
            await reader.read(1)  # until the client has read it and closes, or the time is over

    async def _response(self, head: bytes) -> tuple[int, str, bytes]:
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _json(400, {"error": "this is not a request of HTTP/1.1, or its head is too large"})
        if words[0] not in ("GET", "HEAD"):
            return _json(405, {"error": "only GET and HEAD"})
        match words[1].partition("?")[0]:
            case "/metrics":
                text = await self._metrics(_accept(lines))
                return 200, text.content_type, text.body
            case "/healthz":
                return _json(200, {"status": "ok"})
            case "/readyz":
                reason = self._not_ready()
                return _json(503 if reason else 200, readiness(reason))
        return _json(404, {"error": "there are /metrics, /healthz and /readyz here"})


def _accept(lines: list[str]) -> str:
    pairs = (line.partition(":") for line in lines)
    return ",".join(value for name, _, value in pairs if name.lower() == "accept")


def _json(status: int, fields: Mapping[str, str]) -> tuple[int, str, bytes]:
    return status, _JSON, json.dumps(fields).encode()
