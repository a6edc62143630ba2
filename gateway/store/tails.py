"""The open tails of a worker: streams of what happens in a project, each for one reader."""

import asyncio
import contextlib
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from gateway.domain.ids import ProjectId
from gateway.store.errors import TooManyTailsError
from gateway.store.redis.subscriber import Subscriber

HELD_EVENTS = 1000
"""How many events a tail holds for its reader: at most 0.5 MB."""

TAILS_PER_PROJECT = 10
TAILS = 200
TAILS_PER_ADMIN = 4
"""How many tails of a kind a worker has at most, of a project, in all, and of an admin in all projects: one admin must
not hold those of a project. Each costs a task, and a check of its credentials a second."""


class Tail:
    """One open tail. Call `wait`, then the `take` of its kind."""

    def __init__(self, project_id: ProjectId, admin_id: str = ""):
        self.project_id = project_id
        self.admin_id = admin_id
        """The admin who reads it, "" for a backend."""
        self.is_ending = False
        """Whether the worker is about to stop."""
        self._changed = asyncio.Event()

    def end(self) -> None:
        """Make the reader end."""
        self.is_ending = True
        self._changed.set()

    async def wait(self, seconds: float) -> None:
        """Wait until there is something to take, or for some seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()


T = TypeVar("T", bound=Tail)


class Tails(Generic[T]):
    """All tails of one kind of this worker. `channel_of` returns the pub/sub channel of a project."""

    def __init__(
        self,
        subscriber: Subscriber,
        channel_of: Callable[[ProjectId], str],
        create: Callable[[ProjectId, str], T],
    ):
        self._subscriber = subscriber
        self._channel_of = channel_of
        self._create = create
        self._tails: dict[bytes, set[T]] = {}
        self._count = 0
        self._ending = False

    async def open(self, project_id: ProjectId, admin_id: str = "") -> T:
        """Open a tail, and return it once it receives events. Call `close` afterwards.

        Raises TooManyTailsError and StoreUnavailableError.
        """
        channel = self._channel_of(project_id).encode()
        if self._count >= TAILS or len(self._tails.get(channel, ())) >= TAILS_PER_PROJECT:
            raise TooManyTailsError
        if admin_id and self._count_of(admin_id) >= TAILS_PER_ADMIN:
            raise TooManyTailsError
        tail = self._create(project_id, admin_id)
        self._add(channel, tail)
        try:
            await self._subscriber.subscribe(channel)
        except BaseException:
            self.close(tail)
            raise
        if self._ending:
            tail.end()
        return tail

    def close(self, tail: T) -> None:
        """Close a tail."""
        channel = self._channel_of(tail.project_id).encode()
        tails = self._tails[channel]
        tails.remove(tail)
        self._count -= 1
        if not tails:
            del self._tails[channel]
            self._subscriber.unsubscribe(channel)

    def end_all(self) -> None:
        """End every tail, and those that open from now on, because the worker is about to stop."""
        self._ending = True
        for tails in self._tails.values():
            for tail in tails:
                tail.end()

    def _add(self, channel: bytes, tail: T) -> None:
        self._tails.setdefault(channel, set()).add(tail)
        self._count += 1

    def _of_channel(self, channel: bytes) -> Collection[T]:
        """Return the tails of the project with this channel."""
        return self._tails.get(channel, ())

    def _count_of(self, admin_id: str) -> int:
        """Return how many tails an admin has, in all projects."""
        return sum(tail.admin_id == admin_id for tails in self._tails.values() for tail in tails)
