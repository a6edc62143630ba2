"""Clients that cost little: a load generator has little time per connection, and must still check what it receives.

Each connection is a small asyncio protocol without a task. A subclass divides the byte stream into messages. The client
counts them, responds to heartbeats as a browser does, and records the marks of events.
"""

import asyncio
import base64
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, cast

from loadtest.journal import EventJournal, mark_of


@dataclass
class Address:
    """The server of a client, and the first bytes that the client sends."""

    host: str
    port: int
    request: bytes


class Client(asyncio.Protocol, ABC):
    """An open connection of a user. Subclasses implement a wire format."""

    has_head: ClassVar[bool] = True
    """Whether the server sends an HTTP response head first."""

    def __init__(self, user: str, address: Address, journal: EventJournal | None):
        self.user = user
        self.address = address
        self.journal = journal
        self.first_number = journal.next_number if journal else 0
        self.seen: list[int] = []
        self.out_of_order = 0
        self.messages = 0
        self.bytes_received = 0
        self.heartbeats = 0
        self.resets = 0
        self.closed = False
        self.closing = False
        self.position = ""
        self.last_message = b""
        """The last message of the server. If the server has closed the connection, it is the reason."""
        self.on_message: Callable[[Client, bytes], None] | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport
        self._buffer = b""
        self._has_response = not self.has_head

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request for the stream."""
        self.transport = cast(asyncio.Transport, transport)
        if self.address.request:
            self.transport.write(self.address.request)

    def data_received(self, data: bytes) -> None:
        """Process the complete messages in the buffer."""
        self._buffer = self._buffer + data if self._buffer else data
        self.bytes_received += len(data)
        if not self._has_response:
            head, separator, rest = self._buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            self._has_response = True
            self._buffer = rest
            if head.split(b" ", 2)[1] not in (b"101", b"200"):
                self._fail(ConnectionError(head.decode(errors="replace")))
                return
            self.opened()
        for message in self.take():
            self.messages += 1
            self.last_message = message
            self.received(message)

    def connection_lost(self, exc: Exception | None) -> None:
        """Record the end of the connection. Fail `ready` if the stream was not open yet."""
        self.closed = True
        self._fail(ConnectionError(f"closed before ready: {exc or 'by the server'} {self.last_message[:200]!r}"))

    def cut(self) -> None:
        """Abort the connection."""
        self.closing = True
        self.transport.abort()

    # -- what depends on the wire format and the server

    @abstractmethod
    def take(self) -> list[bytes]:
        """Remove the complete messages from the buffer and return them."""

    def opened(self) -> None:
        """Process the head of the response. Most servers are ready then."""
        self.be_ready()

    def received(self, message: bytes) -> None:
        """Process a message."""
        if self.journal is not None and (number := self.number_of(message)) is not None:
            self.journal.arrived(self, number)
        if self.on_message is not None:
            self.on_message(self, message)

    def number_of(self, message: bytes) -> int | None:
        """Return the number of the event in a message, None if it contains no event."""
        return mark_of(message)

    # -- inside

    def be_ready(self) -> None:
        """Complete `ready`: the stream is open."""
        if not self.ready.done():
            self.ready.set_result(None)

    def _fail(self, problem: Exception) -> None:
        if not self.ready.done():
            self.ready.set_exception(problem)
            self.ready.exception()  # marks it as retrieved, as nothing may await it
            self.transport.abort()


class LineClient(Client):
    """The format of the floors: a message ends with an empty line and has no other framing."""

    has_head = False

    def take(self) -> list[bytes]:
        """Remove complete records from the buffer and return them."""
        *records, self._buffer = self._buffer.split(b"\n\n")
        return records

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Complete `ready` at once: there is no request."""
        super().connection_made(transport)
        self.be_ready()


class SseClient(Client):
    """Server-sent events with one-line data fields. Chunks of the chunked transfer coding must end between records.

    A comment is a heartbeat, with or without an empty line after it.
    """

    def take(self) -> list[bytes]:
        """Remove complete records and the comments after them, and return the data of the records."""
        text = self._buffer
        if b"\r\n\r\n" in text:
            text = text.replace(b"\r\n", b"\n")
        *records, rest = text.split(b"\n\n")
        if _has_comment(rest):
            *comments, rest = _COMMENT.split(rest)
            self.heartbeats += len(comments)
        self._buffer = rest
        return [data for record in records if (data := self._data(record))]

    def _data(self, record: bytes) -> bytes:
        if _has_comment(record):
            self.heartbeats += len(_COMMENT.findall(record + b"\n"))
        at = 5 if record.startswith(b"data:") else record.find(b"\ndata:") + 6
        if at == 5 and not record.startswith(b"data:"):
            return b""
        end = record.find(b"\n", at)
        return record[at:].lstrip() if end < 0 else record[at:end].lstrip()


_COMMENT = re.compile(rb"(?:^|(?<=\n)):[^\n]*\n")


def _has_comment(text: bytes) -> bool:
    """Return whether a text contains a comment. This costs a fiftieth of the regular expression."""
    return text.startswith(b":") or b"\n:" in text


class WebSocketClient(Client):
    """A WebSocket client that reads unmasked frames and responds to pings (RFC 6455, section 5)."""

    def take(self) -> list[bytes]:
        """Remove complete frames, and return the content of data frames."""
        messages, buffer, start = [], self._buffer, 0
        while len(buffer) - start >= 2:
            length, body = buffer[start + 1] & 0x7F, start + 2
            if length == 126:
                length, body = int.from_bytes(buffer[start + 2 : start + 4], "big"), start + 4
            elif length == 127:
                length, body = int.from_bytes(buffer[start + 2 : start + 10], "big"), start + 10
            if len(buffer) < body + length:
                break
            opcode = buffer[start] & 0x0F
            content = buffer[body : body + length]
            if opcode < 8:
                messages.append(content)
            elif opcode == 9:
                self.heartbeats += 1
                self.send(content, opcode=10)
            elif opcode == 8:
                self.last_message = content
            start = body + length
        self._buffer = buffer[start:]
        return messages

    def send(self, content: bytes, opcode: int = 1) -> None:
        """Send a frame of fewer than 126 bytes, masked with zeros, which is a valid mask."""
        assert len(content) < 126
        self.transport.write(bytes((0x80 | opcode, 0x80 | len(content))) + b"\0\0\0\0" + content)


def websocket_head(host: str, path: str, fields: dict[str, str]) -> bytes:
    """Return the opening request of a WebSocket."""
    key = base64.b64encode(b"0123456789abcdef").decode()
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    return request_head("GET", host, path, {**upgrade, **fields})


def request_head(method: str, host: str, path: str, fields: dict[str, str]) -> bytes:
    """Return a request head."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


Make = Callable[[str, EventJournal | None], Client]
"""Creates the client of a user. A target has one such function for each of its transports."""
