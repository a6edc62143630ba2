"""Lean raw clients: what a load generator can afford to do per connection, and still check what it gets."""

import asyncio
import base64
import hashlib
import hmac
from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A gateway and a project on it, HMACs required."""

    host: str
    port: int
    api_key: str
    api_secret: str

    def user_headers(self, external_id: str) -> dict[str, str]:
        """Give the headers that make a request a user's."""
        mac = base64.b64encode(hmac.digest(self.api_secret.encode(), external_id.encode(), hashlib.sha256)).decode()
        return {
            "X-MAGICBELL-API-KEY": self.api_key,
            "X-MAGICBELL-USER-EXTERNAL-ID": external_id,
            "X-MAGICBELL-USER-HMAC": mac,
        }


class Client(asyncio.Protocol, ABC):
    """One open inbox that counts its events and notices a wrong offset."""

    path: str
    extra_headers = ""

    def __init__(self, target: Target, external_id: str):
        self._request = (
            f"GET {self.path} HTTP/1.1\r\nHost: {target.host}\r\n{self.extra_headers}"
            + "".join(f"{name}: {value}\r\n" for name, value in target.user_headers(external_id).items())
            + "\r\n"
        ).encode()
        self._buffer = b""
        self._answered = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.events = 0
        self.wrong = 0
        self.last_offset: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        assert isinstance(transport, asyncio.WriteTransport) or hasattr(transport, "write")
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count what came."""
        self._buffer += data
        if not self._answered:
            head, separator, rest = self._buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            self._answered = True
            self._buffer = rest
            if head.split(b" ", 2)[1] not in (b"101", b"200"):
                self.ready.set_exception(ConnectionError(head.decode()))
                return
        for text in self.take_messages():
            self._message(text)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the opening if it was not done."""
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("closed before ready"))

    @abstractmethod
    def take_messages(self) -> list[bytes]:
        """Take the whole messages out of the buffer, as JSON."""

    def _message(self, text: bytes) -> None:
        if text.startswith(b'{"type":"ready"'):
            self.ready.set_result(None)
        elif not text.startswith(b'{"type":"event"'):
            return
        else:
            self.events += 1
        position = text[text.index(b'"position":"') + 12 : text.index(b'"', text.index(b'"position":"') + 12)]
        offset = int(position.rpartition(b".")[2])
        if self.last_offset is not None and offset != self.last_offset + 1:
            self.wrong += 1
        self.last_offset = offset


class WebSocketClient(Client):
    """A WebSocket client that reads unmasked frames (RFC 6455, section 5.2)."""

    path = "/realtime/ws"
    extra_headers = (
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
    )

    def take_messages(self) -> list[bytes]:
        """Take whole frames."""
        messages, buffer, start = [], self._buffer, 0
        while len(buffer) - start >= 2:
            length, body = buffer[start + 1] & 0x7F, start + 2
            if length == 126:
                length, body = int.from_bytes(buffer[start + 2 : start + 4]), start + 4
            elif length == 127:
                length, body = int.from_bytes(buffer[start + 2 : start + 10]), start + 10
            if len(buffer) < body + length:
                break
            messages.append(buffer[body : body + length])
            start = body + length
        self._buffer = buffer[start:]
        return messages


class SseClient(Client):
    """A server-sent-events client that reads one-line data fields."""

    path = "/realtime/sse"

    def take_messages(self) -> list[bytes]:
        """Take whole records."""
        *records, self._buffer = self._buffer.split(b"\n\n")
        return [record.partition(b"data: ")[2] for record in records if b"data: " in record]


TRANSPORTS: dict[str, type[Client]] = {"websocket": WebSocketClient, "sse": SseClient}
