"""A proxy before Redis that answers some commands itself, with errors, whether Redis has carried them out or not."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum

from loadtest.check.proxy import CHUNK_BYTES, ENDED, Link, Proxy

Command = Sequence[bytes]


class When(Enum):
    """Whether a command that is answered with an error has been done."""

    INSTEAD = "instead"
    AFTERWARDS = "afterwards"
    NEVER = "never"
    """It has been, and the connection is lost with its answer."""


Choose = Callable[[Command], tuple[When, bytes] | None]
"""Returns what a command is to be answered with, such as `-OOM no memory`, or None for Redis's own answer."""


class RedisProxy(Proxy):
    """A proxy whose `choose` decides on each command."""

    def __init__(self, targets: Sequence[int]):
        super().__init__(targets)
        self.choose: Choose = lambda command: None

    async def _pass_on(
        self,
        link: Link,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        answers = _Answers(link, client[1])
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._ask(link, client[0], server[1], answers), name="proxy-to-server")
            tasks.create_task(self._answer(link, server[0], answers), name="proxy-to-client")

    async def _ask(
        self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: "_Answers"
    ) -> None:
        buffer = bytearray()
        with contextlib.suppress(*ENDED):
            while data := await reader.read(CHUNK_BYTES):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                if self._silent or link.swallowed:
                    link.swallowed = True
                    continue
                buffer += data
                while (end := _end(buffer, 0)) >= 0:
                    raw = bytes(buffer[:end])
                    del buffer[:end]
                    words = _words(raw)
                    chosen = self.choose(words)
                    if chosen is None or chosen[0] is not When.INSTEAD:
                        writer.write(raw)
                    answers.expect(words, chosen)
                await writer.drain()
        if not link.swallowed:
            with contextlib.suppress(*ENDED):
                writer.close()

    async def _answer(self, link: Link, reader: asyncio.StreamReader, answers: "_Answers") -> None:
        buffer = bytearray()
        with contextlib.suppress(*ENDED):
            while data := await reader.read(CHUNK_BYTES):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                if self._silent or link.swallowed:
                    link.swallowed = True
                    continue
                buffer += data
                while (end := _end(buffer, 0)) >= 0:
                    answers.came(bytes(buffer[:end]))
                    del buffer[:end]
                await answers.writer.drain()
        if not link.swallowed:
            with contextlib.suppress(*ENDED):
                answers.writer.close()


class _Answers:
    """What one client is answered, in the order in which it asked."""

    def __init__(self, link: Link, writer: asyncio.StreamWriter):
        self.writer = writer
        self._link = link
        self._lost = False
        self._expected: deque[tuple[When, bytes] | None] = deque()

    def expect(self, words: Command, chosen: tuple[When, bytes] | None) -> None:
        self._expected.append(chosen)
        if chosen is None and words[0].endswith(b"SUBSCRIBE"):
            self._expected.extend([None] * (len(words) - 2))  # each channel is confirmed by itself
        self._give_own()

    def came(self, answer: bytes) -> None:
        if self._lost:
            return
        if _is_published(answer):
            self.writer.write(answer)  # nobody asked for it
            return
        chosen = self._expected.popleft() if self._expected else None
        if chosen is not None and chosen[0] is When.NEVER:
            self._lost = True
            self._link.abort()
            return
        self.writer.write(answer if chosen is None else chosen[1] + b"\r\n")
        self._give_own()

    def _give_own(self) -> None:
        while (
            not self._lost and self._expected and self._expected[0] is not None and self._expected[0][0] is When.INSTEAD
        ):
            chosen = self._expected.popleft()
            assert chosen is not None
            self.writer.write(chosen[1] + b"\r\n")


def _is_published(answer: bytes) -> bool:
    return answer.startswith(b"*3\r\n$8\r\nsmessage\r\n")


def _end(buffer: bytearray, start: int) -> int:
    """Return where a value of RESP2 ends that begins at `start`; -1 while it is not whole."""
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
    """Return the words of a whole command."""
    words, at = [], raw.index(b"\r\n") + 2
    while at < len(raw):
        line = raw.index(b"\r\n", at)
        size = int(raw[at + 1 : line])
        words.append(raw[line + 2 : line + 2 + size])
        at = line + size + 4
    return words
