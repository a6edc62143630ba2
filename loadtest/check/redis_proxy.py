"""A proxy before Redis that replies to some commands with errors, whether Redis has executed them or not."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum

from loadtest.check.proxy import CHUNK_BYTES, ENDED, ProxiedConnection, Proxy

Command = Sequence[bytes]


class When(Enum):
    """Whether Redis executes a command to which the proxy replies with an error."""

    INSTEAD = "instead"
    AFTERWARDS = "afterwards"
    NEVER = "never"
    """Redis executes it, and the connection is lost before the reply."""


Choose = Callable[[Command], tuple[When, bytes] | None]
"""Returns when to reply and the error, such as `-OOM no memory`, or None for the reply of Redis."""


class RedisProxy(Proxy):
    """A proxy whose `choose` selects the reply to each command."""

    def __init__(self, targets: Sequence[int]):
        super().__init__(targets)
        self.choose: Choose = lambda command: None

    async def _forward(
        self,
        connection: ProxiedConnection,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        replies = _Replies(connection, client[1])
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._forward_commands(connection, client[0], server[1], replies), name="proxy-to-server")
            tasks.create_task(self._forward_replies(connection, server[0], replies), name="proxy-to-client")

    async def _forward_commands(
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
                if self._silent or connection.lost_data:
                    connection.lost_data = True
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
        if not connection.lost_data:
            with contextlib.suppress(*ENDED):
                writer.close()

    async def _forward_replies(
        self, connection: ProxiedConnection, reader: asyncio.StreamReader, replies: "_Replies"
    ) -> None:
        buffer = bytearray()
        with contextlib.suppress(*ENDED):
            while data := await reader.read(CHUNK_BYTES):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                if self._silent or connection.lost_data:
                    connection.lost_data = True
                    continue
                buffer += data
                while (end := _end(buffer, 0)) >= 0:
                    replies.receive(bytes(buffer[:end]))
                    del buffer[:end]
                await replies.writer.drain()
        if not connection.lost_data:
            with contextlib.suppress(*ENDED):
                replies.writer.close()


class _Replies:
    """The replies to one client, in the order of its commands."""

    def __init__(self, connection: ProxiedConnection, writer: asyncio.StreamWriter):
        self.writer = writer
        self._connection = connection
        self._lost = False
        self._expected: deque[tuple[When, bytes] | None] = deque()

    def expect(self, words: Command, chosen: tuple[When, bytes] | None) -> None:
        self._expected.append(chosen)
        if chosen is None and words[0].endswith(b"SUBSCRIBE"):
            self._expected.extend([None] * (len(words) - 2))  # each pub/sub channel has its own confirmation
        self._send_own()

    def receive(self, reply: bytes) -> None:
        if self._lost:
            return
        if _is_published(reply):
            self.writer.write(reply)  # it is not the reply to a command
            return
        chosen = self._expected.popleft() if self._expected else None
        if chosen is not None and chosen[0] is When.NEVER:
            self._lost = True
            self._connection.abort()
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
    """Return the end of the RESP2 value that begins at `start`, -1 while it is incomplete."""
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
