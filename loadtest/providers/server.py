"""A bare HTTP/1.1 server for the requests of delivery workers, which can fail in every way that a provider can."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple, cast

import httptools


class ProviderRequest(NamedTuple):
    """A whole request. `arrived` is monotonic seconds. The names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    arrived: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What is written after a request: all of a response, the beginning of one, or nothing.

    It is written `after` some seconds. With `ends`, the connection is then aborted. `on_written` is called once it is
    written, which it is not if the connection has ended before.
    """

    data: bytes
    after: float = 0.0
    ends: bool = False
    on_written: Callable[[], None] | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the client receives a whole response."""
        return bool(self.data) and not self.ends


NOTHING = Reply(b"")
"""The provider hangs: the connection stays open, and no response comes."""

CUT = Reply(b"", ends=True)
"""The provider aborts the connection instead of a response."""

Answer = Callable[[ProviderRequest], Reply]
"""Returns the reply to a request. Called once for each, when its body is complete."""


def response(status: int, body: bytes = b"", **headers: str) -> bytes:
    """Return a response. Underscores in the names of headers stand for hyphens."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Content-Length: {len(body)}"]
    lines += ["Content-Type: application/json"] if body else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def half_of(data: bytes) -> Reply:
    """Return a reply that ends in the middle of its body, or of its head if it has no body."""
    head, separator, body = data.partition(b"\r\n\r\n")
    return Reply(head + separator + body[: len(body) // 2] if body else head[: len(head) // 2], ends=True)


class ProviderServer:
    """Serves one or several providers on a free port of 127.0.0.1."""

    def __init__(self, answer: Answer):
        self.answer = answer
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The address without a slash at its end."""
        assert self._server is not None, "the server is started"
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=1024)

    async def stop(self) -> None:
        """Abort every connection, and stop listening."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    def cut(self) -> None:
        """Abort every connection."""
        for connection in list(self.connections):
            connection.abort()


class _Connection(asyncio.Protocol):
    """A connection of a worker. Requests are answered in order, as HTTP/1.1 requires."""

    def __init__(self, server: ProviderServer):
        self._server = server
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._path = ""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    # -- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()

    # -- called by the parser

    def on_message_begin(self) -> None:
        self._path, self._headers, self._body = "", {}, []

    def on_url(self, url: bytes) -> None:
        self._path += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode()
        request = ProviderRequest(method, self._path, self._headers, b"".join(self._body), time.monotonic())
        reply = self._server.answer(request)
        if reply.after:
            asyncio.get_running_loop().call_later(reply.after, self._write, reply)
        else:
            self._write(reply)

    # -- replying

    def abort(self) -> None:
        """Reset the connection."""
        self._transport.abort()

    def _write(self, reply: Reply) -> None:
        if self._transport.is_closing():
            return
        if reply.data:
            self._transport.write(reply.data)
        if reply.on_written is not None:
            reply.on_written()
        if reply.ends:
            # A partial response is flushed before the connection ends. Without one, it is reset.
            (self._transport.close if reply.data else self._transport.abort)()
