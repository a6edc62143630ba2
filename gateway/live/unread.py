"""Answers that wait for their clients to read them, and how much memory they hold together.

A client may read as slowly as it likes. So one that asks for many large answers, and reads some bytes of each now and
then, would hold as much memory as it wants. When all together hold too much, the answers of the client that holds most
are given up, the longest waiting first, until the rest is within the bound.
"""

import asyncio
from collections import defaultdict
from typing import NamedTuple, Protocol

from gateway.telemetry.metrics import ANSWERS_GIVEN_UP

MOST_BYTES = 128 * 1024 * 1024
"""What they may hold on one worker; as much as bodies that are under way."""

PATIENCE_SECONDS = 1.0
"""How long an answer is not given up: most clients have read even a large one by then."""

PAUSE_SECONDS = 0.1
"""Between two looks at all of them, which take some ms."""


class Reader(Protocol):
    """A connection whose client reads an answer."""

    @property
    def transport(self) -> asyncio.Transport:
        """Its socket."""


class _Answer(NamedTuple):
    client: str
    size: int
    since: float


class UnreadAnswers:
    """The answers of one worker that wait. Times are monotonic seconds."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._answers: dict[Reader, _Answer] = {}
        self._held = 0
        self._looked_at = 0.0

    def add(self, reader: Reader, client: str, now: float) -> None:
        """Count what waits for a client, which is named by its address. Call `remove` when it has read that."""
        self.remove(reader)
        size = reader.transport.get_write_buffer_size()
        self._answers[reader] = _Answer(client, size, now)
        self._held += size
        if self._held > self._most and now - self._looked_at >= PAUSE_SECONDS:
            self._looked_at = now
            self._give_up_some(now)

    def remove(self, reader: Reader) -> None:
        """Count it no more."""
        answer = self._answers.pop(reader, None)
        if answer is not None:
            self._held -= answer.size

    def _give_up_some(self, now: float) -> None:
        readers: defaultdict[str, list[Reader]] = defaultdict(list)
        held: defaultdict[str, int] = defaultdict(int)
        for reader, answer in self._answers.items():
            # Part of it may have been read since it was counted.
            left = self._answers[reader] = answer._replace(size=reader.transport.get_write_buffer_size())
            readers[left.client].append(reader)
            held[left.client] += left.size
        self._held = sum(held.values())
        for client in readers:
            readers[client].reverse()  # the longest waiting is the last
        while self._held > self._most:
            client = max(held, key=held.__getitem__)
            if not readers[client] or now - self._answers[readers[client][-1]].since < PATIENCE_SECONDS:
                break
            reader = readers[client].pop()
            held[client] -= self._answers[reader].size
            self.remove(reader)
            ANSWERS_GIVEN_UP.inc()
            reader.transport.abort()
