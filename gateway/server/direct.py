"""The cycle of a request whose operation is known and whose body is complete: one task, and one write.

What uvicorn's cycle does for any ASGI application (`uvicorn_internals.RequestCycle`) is here a function call: the
endpoint returns its response, which is written with its head at once.
"""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Protocol

from starlette.responses import Response

from gateway.api.core.endpoint import Endpoint
from gateway.api.core.requests import ApiRequest
from gateway.server.coalesced_writes import CoalescedWrites
from gateway.telemetry.faults import log_fault

_STATUS_LINES = {each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in HTTPStatus}

_CONNECTION_CLOSE = (b"connection", b"close")


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


class DirectCycle:
    """One request and its response. `run` is to be the request's task.

    It has what the HTTP protocol uses of a `RequestCycle` once the body of a request is complete.
    """

    __slots__ = ("_default_lines", "_flow", "_is_disconnected", "_on_response", "_output", "_request", "keep_alive")

    body_is_full = False

    def __init__(
        self,
        request: ApiRequest,
        default_lines: bytes,
        output: CoalescedWrites,
        flow: Flow,
        on_response: Callable[[], None],
        *,
        keep_alive: bool,
    ):
        """Create it. `default_lines` are those of `DefaultHead`."""
        self.keep_alive = keep_alive
        self._request = request
        self._default_lines = default_lines
        self._output = output
        self._flow = flow
        self._on_response: Callable[[], None] | None = on_response
        self._is_disconnected = False

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """The headers of the request."""
        return self._request.fields

    async def run(self, endpoint: Endpoint) -> None:
        """Run the endpoint, and write its response unless the client has disconnected."""
        try:
            response = await endpoint(self._request)
        except BaseException as failure:  # the endpoint lets only a cancellation pass: the server ends
            log_fault("request_failed", failure)
            response = Response("Internal Server Error", 500, {"connection": "close"}, "text/plain")
        if self._flow.write_paused and not self._is_disconnected:
            await self._flow.drain()
        self._request.body = None  # the connection keeps its last cycle
        on_response, self._on_response = self._on_response, None  # it refers to the connection, which refers to this
        if not self._is_disconnected and on_response is not None:
            self._write(response)
            on_response()

    def connection_lost(self) -> None:
        """Write nothing more. The operation continues: it may have changed something already."""
        self._is_disconnected = True

    def _write(self, response: Response) -> None:
        headers = response.raw_headers
        request_id = self._request.request_id.encode()
        first = b"%b%bx-request-id: %b" % (_STATUS_LINES[response.status_code], self._default_lines, request_id)
        lines = [first, *map(b": ".join, headers)]
        if _CONNECTION_CLOSE in headers:
            self.keep_alive = False
        elif not self.keep_alive:
            lines.append(b": ".join(_CONNECTION_CLOSE))
        lines += (b"", response.body)  # type: ignore[arg-type] # starlette allows a memoryview, which joins as well
        self._output.write_whole(b"\r\n".join(lines))
        if not self.keep_alive:
            self._output.close()
