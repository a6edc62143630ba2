"""Requests as bytes, and their responses, on real sockets."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator, Sequence

from tests.fuzz.target import Conversation, FuzzResponse
from tests.servers import Gateway

PATIENCE_SECONDS = 60.0


@contextlib.contextmanager
def conversation(gateway: Gateway) -> Iterator[Conversation]:
    """Connect until the block ends."""
    with socket.create_connection(("127.0.0.1", gateway.port), PATIENCE_SECONDS) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Conversation(sock)


def request(
    method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"", version: str = "1.1"
) -> bytes:
    """Return the bytes of a request. A body gets a Content-Length unless the headers frame it."""
    headers = {"Host": "inbox", **(headers or {})}
    if body and "Transfer-Encoding" not in headers and "Content-Length" not in headers:
        headers["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/{version}\r\n{head}\r\n".encode("latin-1") + body


def sending(user: str, title: str = "Hello") -> bytes:
    """Return the body of a request that sends a notification."""
    return json.dumps({"notification": {"title": title, "recipients": [{"external_id": user}]}}).encode()


PING = request("GET", "/healthz")


def statuses(gateway: Gateway, packets: Sequence[bytes], methods: Sequence[str], pause: float = 0.002) -> list[int]:
    """Send packets, read a response for each method, then check that nothing more is received."""
    with conversation(gateway) as peer:
        for number, part in enumerate(packets):
            if number:
                time.sleep(pause)  # so that the gateway reads the packets one by one, in most cases
            peer.send(part)
        responses = [read_response(peer, method) for method in methods]
        peer.finish()
        assert peer.next_response(lambda _: "GET") is None
    return [response.status for response in responses]


def read_response(peer: Conversation, method: str = "GET") -> FuzzResponse:
    """Read the next response."""
    response = peer.next_response(lambda _: method)
    assert response is not None, "the connection ended"
    return response


UPGRADES = {
    "h2c": {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAARAAAAAAAIAAAAA"},
    "h2c only": {"Connection": "Upgrade", "Upgrade": "h2c"},
    "TLS": {"Upgrade": "TLS/1.2", "connection": "keep-alive, upgrade"},
    "anything": {"Upgrade": "x", "Connection": "UPGRADE"},
    "websocket": {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"},
}
WEBSOCKET = {**UPGRADES["websocket"], "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}


def read_head(peer: Conversation) -> FuzzResponse:
    """Read the head of a response, and no body."""
    while b"\r\n\r\n" not in peer.received:
        data = peer.sock.recv(65536)
        assert data, "the connection ended"
        peer.received += data
    head, _, peer.received = peer.received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return FuzzResponse(
        int(status.split(" ")[1]), {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in lines}, b""
    )
