"""A proxy before Redis that replies to some commands itself, with errors, whether Redis has executed them or not."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum

from loadtest.check.proxy import CHUNK_BYTES, ENDED, ProxiedConnection, Proxy

Command = Sequence[bytes]


class When(Enum):
    """Whether a command that the proxy replies to with an error has been executed."""

    INSTEAD = "instead"
    AFTERWARDS = "afterwards"
    NEVER = "never"
    """It has been executed, and the connection is lost before the reply."""


Choose = Callable[[Command], tuple[When, bytes] | None]
"""Returns the error to reply with, such as `-OOM no memory`, or None for the reply of Redis."""


class RedisProxy(Proxy):
    """A proxy whose `choose` decides what to do with each command."""

    def __init__(self, targets: Sequence[int]):
        super().__init__(targets)
        self.choose: Choose = lambda command: None

    async def _pass_on(
        self,
        connection: ProxiedConnection,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        replies = _Replies(connection, client[1])
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._ask(connection, client[0], server[1], replies), name="proxy-to-server")
            tasks.create_task(self._reply(connection, server[0], replies), name="proxy-to-client")

    async def _ask(
        self,
        connection: ProxiedConnection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        replies: "_Replies",
    ) -> None:
        buffer = bytearray()
        with contextlib.suppress(*ENDED):
            while data := await reader.read(CHUNK_BYTES):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                if self._silent or connection.swallowed:
                    connection.swallowed = True
                    continue
                buffer += data
                while (end := _end(buffer, 0)) >= 0:
                    raw = bytes(buffer[:end])
                    del buffer[:end]
                    words = _words(raw)
                    chosen = self.choose(words)
                    if chosen is None or chosen[0] is not When.INSTEAD:
                        writer.write(raw)
                    replies.expect(words, chosen)
                await writer.drain()
        if not connection.swallowed:
            with contextlib.suppress(*ENDED):
                writer.close()

    async def _reply(self, connection: ProxiedConnection, reader: asyncio.StreamReader, replies: "_Replies") -> None:
        buffer = bytearray()
        with contextlib.suppress(*ENDED):
            while data := await reader.read(CHUNK_BYTES):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                if self._silent or connection.swallowed:
                    connection.swallowed = True
                    continue
                buffer += data
                while (end := _end(buffer, 0)) >= 0:
                    replies.receive(bytes(buffer[:end]))
                    del buffer[:end]
                await replies.writer.drain()
        if not connection.swallowed:
            with contextlib.suppress(*ENDED):
                replies.writer.close()


class _Replies:
    """The replies to one client, in the order of its commands."""

    def __init__(self, connection: ProxiedConnection, writer: asyncio.StreamWriter):
        self.writer = writer
        self._link = connection
        self._lost = False
        self._expected: deque[tuple[When, bytes] | None] = deque()

    def expect(self, words: Command, chosen: tuple[When, bytes] | None) -> None:
        self._expected.append(chosen)
        if chosen is None and words[0].endswith(b"SUBSCRIBE"):
            self._expected.extend([None] * (len(words) - 2))  # each channel has a confirmation of its own
        self._send_own()

    def receive(self, reply: bytes) -> None:
        if self._lost:
            return
        if _is_published(reply):
            self.writer.write(reply)  # no reply to a command
            return
        chosen = self._expected.popleft() if self._expected else None
        if chosen is not None and chosen[0] is When.NEVER:
            self._lost = True
            self._link.abort()
            return
        self.writer.write(reply if chosen is None else chosen[1] + b"\r\n")
        self._send_own()

    def _send_own(self) -> None:
        while (
            not self._lost and self._expected and self._expected[0] is not None and self._expected[0][0] is When.INSTEAD
        ):
            chosen = self._expected.popleft()
            assert chosen is not None
            self.writer.write(chosen[1] + b"\r\n")


def _is_published(reply: bytes) -> bool:
    return reply.startswith(b"*3\r\n$8\r\nsmessage\r\n")


def _end(buffer: bytearray, start: int) -> int:
    """Return the end of the RESP2 value that begins at `start`; -1 while it is incomplete."""
    line = buffer.find(b"\r\n", start)
    if line < 0:
        return -1
    kind, text = buffer[start : start + 1], buffer[start + 1 : line]
    if kind == b"$":
        end = line + 2 + (int(text) + 2 if int(text) >= 0 else 0)
        return end if end <= len(buffer) else -1
    end = line + 2
    if kind == b"*":
        for _ in range(max(0, int(text))):
            end = _end(buffer, end)
            if end < 0:
                return -1
    return end


def _words(raw: bytes) -> list[bytes]:
    """Return the words of a complete command."""
    words, at = [], raw.index(b"\r\n") + 2
    while at < len(raw):
        line = raw.index(b"\r\n", at)
        size = int(raw[at + 1 : line])
        words.append(raw[line + 2 : line + 2 + size])
        at = line + size + 4
    return words
