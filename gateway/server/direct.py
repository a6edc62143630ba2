"""The cycle of a request whose operation is known and whose body is complete: no task, and one write.

What uvicorn's cycle does for any ASGI application (`uvicorn_internals.RequestCycle`) is here a function call: the
endpoint returns its response, which is written with its head at once.
"""

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Protocol

from starlette.responses import Response

from gateway.api.core.endpoint import Endpoint
from gateway.api.core.requests import ApiRequest
from gateway.runtime.driven import Driver
from gateway.server.coalesced_writes import CoalescedWrites
from gateway.telemetry.logs import log

_STATUS_LINES = {each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in HTTPStatus}

_CONNECTION_CLOSE = b"connection: close\r\n"


class Flow(Protocol):
    """The part of uvicorn's flow control that makes responses wait."""

    write_paused: bool

    async def drain(self) -> None:
        """Wait until the client has read enough of what was written."""


class DefaultHead:
    """The lines in the head of every response, formatted again when uvicorn replaces their headers: once a second."""

    __slots__ = ("_headers", "_lines")

    def __init__(self) -> None:
        self._headers: Sequence[tuple[bytes, bytes]] | None = None
        self._lines = b""

    def lines(self, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        """Return the lines of these headers."""
        if headers is not self._headers:
            self._headers = headers
            self._lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        return self._lines


class DirectCycle(Driver[Response]):
    """One request and its response. It stands for the request's task where uvicorn keeps tasks until they are done.

    It has what the HTTP protocol uses of a `RequestCycle` once the body of a request is complete.
    """

    __slots__ = ("_default_lines", "_flow", "_is_disconnected", "_on_response", "_output", "_request", "keep_alive")

    body_is_full = False

    def __init__(
        self,
        endpoint: Endpoint,
        request: ApiRequest,
        default_lines: bytes,
        output: CoalescedWrites,
        flow: Flow,
        on_response: Callable[["DirectCycle"], None],
        *,
        keep_alive: bool,
    ):
        """Create it. Call `advance` to begin. `default_lines` are those of `DefaultHead`.

        `on_response` is called when the cycle is over, whether the response was written or the client has disconnected.
        """
        super().__init__(endpoint(request))
        self.keep_alive = keep_alive
        self._request = request
        self._default_lines = default_lines
        self._output = output
        self._flow = flow
        self._on_response = on_response
        self._is_disconnected = False

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """The headers of the request."""
        return self._request.fields

    @property
    def is_disconnected(self) -> bool:
        """Whether the client disconnected before the response was written."""
        return self._is_disconnected

    def connection_lost(self) -> None:
        """Write nothing more. The operation continues: it may have changed something already."""
        self._is_disconnected = True

    def returned(self, result: Response) -> None:
        """Write the response of the endpoint, once the client has read enough of earlier ones."""
        if self._flow.write_paused and not self._is_disconnected:
            asyncio.get_running_loop().create_task(self._write_later(result))
        else:
            self._end(result)

    def raised(self, failure: BaseException) -> None:
        """Write an error response. The endpoint lets only a cancellation pass: the server ends."""
        log.error("request_failed", exc_info=failure)
        self.returned(Response("Internal Server Error", 500, {"connection": "close"}, "text/plain"))

    async def _write_later(self, response: Response) -> None:
        await self._flow.drain()
        self._end(response)

    def _end(self, response: Response) -> None:
        if not self._is_disconnected:
            self._write(response)
        self._request.body = None  # the connection keeps its last cycle
        self._on_response(self)

    def _write(self, response: Response) -> None:
        request_id = self._request.request_id.encode()
        lines = [_STATUS_LINES[response.status_code], self._default_lines, b"x-request-id: ", request_id, b"\r\n"]
        closes = False
        for name, value in response.raw_headers:
            lines += (name, b": ", value, b"\r\n")
            closes = closes or (name == b"connection" and value == b"close")
        if closes:
            self.keep_alive = False
        elif not self.keep_alive:
            lines.append(_CONNECTION_CLOSE)
        lines += (b"\r\n", response.body)  # type: ignore[arg-type] # starlette allows a memoryview, which joins as well
        self._output.write_whole(b"".join(lines))
        if not self.keep_alive:
            self._output.close()
