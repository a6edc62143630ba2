"""The cycle of a request whose operation is known and whose body is complete: one task, and one write.

What uvicorn's cycle does for any ASGI application (`uvicorn_internals.RequestCycle`) is here a function call: the
endpoint returns its response, which is written with its head at once.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from gateway.api.core.endpoint import Endpoint
from gateway.server.coalesced_writes import CoalescedWrites
from gateway.server.request import Fields
from gateway.telemetry.logs import log

_STATUS_LINES = {each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in HTTPStatus}

_CONNECTION_CLOSE = b"connection: close\r\n"


class Flow(Protocol):
    """The part of uvicorn's flow control that makes responses wait."""

    write_paused: bool

    async def drain(self) -> None:
        """Wait until the client has read enough of what was written."""


class DirectCycle:
    """One request and its response. `run` is to be the request's task.

    It has what the HTTP protocol uses of a `RequestCycle` once the body of a request is complete.
    """

    __slots__ = (
        "_body",
        "_default_head",
        "_flow",
        "_is_disconnected",
        "_on_response",
        "_output",
        "headers",
        "keep_alive",
    )

    body_is_full = False

    def __init__(
        self,
        headers: Fields,
        body: bytes,
        default_head: bytes,
        output: CoalescedWrites,
        flow: Flow,
        on_response: Callable[[], None],
        *,
        keep_alive: bool,
    ):
        """Create it. `default_head` has the lines that are in the head of every response."""
        self.headers = headers
        self.keep_alive = keep_alive
        self._body = body
        self._default_head = default_head
        self._output = output
        self._flow = flow
        self._on_response: Callable[[], None] | None = on_response
        self._is_disconnected = False

    async def run(self, endpoint: Endpoint, scope: dict[str, Any]) -> None:
        """Run the endpoint, and write its response unless the client has disconnected."""
        try:
            response = await endpoint(Request(scope, self._receive))
        except BaseException as failure:  # the endpoint lets only a cancellation pass: the server ends
            log.error("request_failed", exc_info=failure)
            response = Response("Internal Server Error", 500, {"connection": "close"}, "text/plain")
        if self._flow.write_paused and not self._is_disconnected:
            await self._flow.drain()
        on_response, self._on_response = self._on_response, None  # it refers to the connection, which refers to this
        if not self._is_disconnected and on_response is not None:
            self._write(response)
            on_response()

    def connection_lost(self) -> None:
        """Write nothing more."""
        self._is_disconnected = True

    async def _receive(self) -> dict[str, Any]:
        """Return the body as an ASGI message."""
        return {"type": "http.request", "body": self._body, "more_body": False}

    def _write(self, response: Response) -> None:
        lines = [_STATUS_LINES[response.status_code], self._default_head]
        closes = False
        for name, value in response.raw_headers:
            lines += (name, b": ", value, b"\r\n")
            closes = closes or (name == b"connection" and value == b"close")
        if closes:
            self.keep_alive = False
        elif not self.keep_alive:
            lines.append(_CONNECTION_CLOSE)
        lines += (b"\r\n", bytes(response.body))
        self._output.write(b"".join(lines))
        if not self.keep_alive:
            self._output.close()
