"""Responses that the HTTP ingress sends itself, without the API."""

from http import HTTPStatus
from typing import Any

import msgspec

from gateway.domain.errors import ErrorCode
from gateway.live.websocket import PATH as WEBSOCKET_PATH
from gateway.server.request import RefusedRequestError
from gateway.telemetry.metrics import REFUSED


def refusal(refused: RefusedRequestError, headers: list[tuple[bytes, bytes]], *, with_body: bool) -> bytes:
    """Return the bytes of the response to a request that is not valid HTTP or too large, and count it.

    The response announces that the connection closes, because the end of such a request is unknown.
    """
    kind = refused.code.kind
    REFUSED.labels(str(kind.status)).inc()
    body = _errors_body(refused.code, str(refused))
    head = f"HTTP/1.1 {kind.status} {HTTPStatus(kind.status).phrase}\r\nConnection: close\r\n".encode()
    own = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    return b"".join((head, *(b"%b: %b\r\n" % header for header in headers), own, body if with_body else b""))


async def refuse_websocket(scope: Any, receive: Any, send: Any) -> None:
    """Respond with 404 to a WebSocket handshake on a path that serves none (an ASGI application).

    WebSocket clients report the status of the response, and not its body.
    """
    body = _errors_body(ErrorCode.NOT_FOUND, f"WebSockets are served at {WEBSOCKET_PATH}")
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": ErrorCode.NOT_FOUND.kind.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _errors_body(code: ErrorCode, message: str) -> bytes:
    return msgspec.json.encode({"errors": [code.problem(message)]})
