"""What a request cycle of uvicorn's sees of its socket, and the answer to a request that is not taken."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl

from gateway.live.connection import encode_json
from gateway.server.request import RefusedRequestError
from gateway.telemetry.metrics import REFUSED


class JoinedWrites:
    """A transport on which the writes of one turn of the loop leave together, at its end.

    uvicorn writes a response's head and its body apart, which is two system calls (measured: 25 to 40 µs each).
    `on_close` is called instead of closing, when all is written.
    """

    def __init__(self, transport: asyncio.Transport, on_close: Callable[[], None]):
        self._transport = transport
        self._on_close: Callable[[], None] | None = on_close
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Write at the end of this turn."""
        if self._on_close is None:
            return
        if not self._parts:
            asyncio.get_running_loop().call_soon(self.flush)
        self._parts.append(data)

    def flush(self) -> None:
        """Write now."""
        if self._parts:
            data = b"".join(self._parts)
            self._parts.clear()
            self._transport.write(data)

    def close(self) -> None:
        """Write what there is, and no more from here on."""
        self.flush()
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close()

    def forget(self) -> None:
        """Write nothing any more: the socket is gone, or somebody else's."""
        self._parts.clear()
        self._on_close = None

    def is_closing(self) -> bool:
        """Whether nothing is written any more."""
        return self._on_close is None or self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the transport knows of its socket."""
        return self._transport.get_extra_info(name, default)


class HeldReading(FlowControl):
    """Flow control that does not read on while bytes are held that wait for their turn, whoever asks for it."""

    held = False

    def hold(self) -> None:
        """Read no more."""
        self.held = True
        self.pause_reading()

    def release(self) -> None:
        """Read on."""
        self.held = False
        self.resume_reading()

    def resume_reading(self) -> None:
        """Read on, unless bytes are held."""
        if not self.held:
            super().resume_reading()


def refusal(refused: RefusedRequestError, headers: list[tuple[bytes, bytes]], *, with_body: bool) -> bytes:
    """Build the answer to a request that is not taken, the last one on its connection."""
    kind = refused.code.kind
    REFUSED.labels(str(kind.status)).inc()
    body = encode_json({"errors": [refused.code.problem(str(refused))]})
    head = f"HTTP/1.1 {kind.status} {HTTPStatus(kind.status).phrase}\r\nConnection: close\r\n".encode()
    own = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    return b"".join((head, *(b"%b: %b\r\n" % header for header in headers), own, body if with_body else b""))
