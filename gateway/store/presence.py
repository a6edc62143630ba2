"""Questions about the live connections of a user, which the workers that have any answer.

A question is published on the user's pub/sub channel. Redis says how many workers received it, so the asking worker
knows how many answers to expect. A worker without connections of the user is not asked. Nothing is stored.

    !presence CHANNEL NUMBER      the question on the user's channel; the answers go to CHANNEL
    NUMBER JSON                   an answer: the connections of the user on one worker
"""

import asyncio
import contextlib
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.subscriber import Subscriber
from gateway.telemetry.logs import log

QUESTION_MESSAGE = b"!presence "

ANSWER_SECONDS = 0.5
"""How long answers are awaited. A worker answers in milliseconds, unless it is very busy."""

MAX_CONNECTIONS = 100
"""How many connections of a user one answer has."""


class ConnectionFacts(msgspec.Struct, frozen=True):
    """A live connection of a user, as its worker describes it.

    `since` is unix seconds. `network` is that of the peer, "" where a proxy hides it. `position` is that of the last
    event that was sent, "" while the log is read for the first time.
    """

    connection_id: str
    transport: str
    since: int
    state: str
    origin: str = ""
    network: str = ""
    position: str = ""
    proof: str = ""


class WorkerAnswer(msgspec.Struct, frozen=True):
    """The connections of a user on one worker, at most MAX_CONNECTIONS; `total` is how many there are."""

    worker: str
    total: int
    connections: Sequence[ConnectionFacts] = ()


class Presence(NamedTuple):
    """The answers of workers, and how many did not answer in time."""

    answers: Sequence[WorkerAnswer]
    silent_workers: int


class PresenceQuestions:
    """Asks all workers. `on_messages` must be called with what arrives on `channel`."""

    def __init__(self, client: FunctionClient, subscriber: Subscriber, worker_id: str):
        self.channel = keys.answers(worker_id).encode()
        self._client = client
        self._subscriber = subscriber
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Queue[bytes]] = {}

    async def ask(self, user: User) -> Presence:
        """Return the live connections of a user. Raises StoreUnavailableError."""
        number = next(self._numbers)
        answers = self._waiting[number] = asyncio.Queue()
        try:
            await self._subscriber.subscribe(self.channel)
            question = b"%b%b %d" % (QUESTION_MESSAGE, self.channel, number)
            asked = await self._client.command("SPUBLISH", keys.user(user.project_id, user.id), question)
            found: list[WorkerAnswer] = []
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_SECONDS):
                    while len(found) < asked:
                        found.append(msgspec.json.decode(await answers.get(), type=WorkerAnswer))
            return Presence(sorted(found, key=lambda each: each.worker), asked - len(found))
        finally:
            del self._waiting[number]
            if not self._waiting:
                self._subscriber.unsubscribe(self.channel)

    def on_messages(self, messages: Sequence[bytes]) -> None:
        """Note answers. Those that come too late are ignored."""
        for message in messages:
            number, _, answer = message.partition(b" ")
            try:
                waiting = self._waiting.get(int(number))
            except ValueError:
                log.error("foreign_message", channel=self.channel)
                continue
            if waiting is not None:
                waiting.put_nowait(answer)


def read_question(message: bytes) -> tuple[str, bytes]:
    """Return the channel and the number of a question. Raises ValueError for any other message."""
    _, channel, number = message.split(b" ")
    return channel.decode(), number
