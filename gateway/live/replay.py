"""Log reads: a session receives the events that it missed from its user's event log.

Sessions of one user that request the same position share a read. The number of reads that are under way is bounded. A
read that fails is repeated after a pause. When the subscription of a user was interrupted, which shows when the
connection to Redis is back, all sessions of the user read again.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from itertools import islice
from typing import Any

from gateway.auth.authenticator import Authenticator
from gateway.domain.errors import CloseCode, ErrorCode
from gateway.domain.event import Position
from gateway.domain.guard import UserDeletedError
from gateway.live.connection import Connection
from gateway.live.connection_tasks import ConnectionTasks
from gateway.live.credential import NO_TOKEN
from gateway.live.pacing import retry_after_ms
from gateway.live.revocation import close_connections_of_deleted_user, end_access
from gateway.live.subscriptions import UserSubscriptions
from gateway.live.user_subscription import UserSubscription
from gateway.store.inbox import InboxStore
from gateway.store.redis.problems import StoreDataError, StoreUnavailableError
from gateway.telemetry.metrics import RESYNCS

CONCURRENT_READS = 32
"""The most log reads under way at once: a reconnect storm must leave Redis connections for the API."""

READ_RETRY_SECONDS = 0.5
"""The mean pause before a read that failed is repeated."""

LogRead = tuple[Coroutine[Any, Any, None], Sequence[Connection]]
"""A read that has not started, and the connections that wait for it."""


class Replay:
    """Reads the event log for the sessions of one worker. `run_resyncs` must be running."""

    def __init__(
        self,
        inboxes: InboxStore,
        authenticator: Authenticator,
        subscriptions: UserSubscriptions,
        tasks: ConnectionTasks,
        new_epoch: Callable[[], str],
    ):
        self._inboxes = inboxes
        self._authenticator = authenticator
        self._subscriptions = subscriptions
        self._tasks = tasks
        self._new_epoch = new_epoch
        self._waiting: dict[tuple[UserSubscription[Connection], Position | None], list[Connection]] = {}
        self._slots = asyncio.Semaphore(CONCURRENT_READS)
        self._collected: list[LogRead] | None = None
        self._interrupted: dict[UserSubscription[Connection], None] = {}
        self._interruption = asyncio.Event()

    @property
    def pending(self) -> int:
        """How many reads and resynchronizations have not started."""
        return len(self._waiting) + len(self._interrupted)

    def request(self, connection: Connection, after: Position | None) -> None:
        """Read the log after a position for a connection, in a new task unless one already waits to read the same."""
        subscription = connection.subscription
        if subscription is None:
            return
        waiting = self._waiting.get((subscription, after))
        if waiting is not None:
            waiting.append(connection)
            return
        waiting = self._waiting[(subscription, after)] = [connection]
        read = self._read(subscription, after)
        if self._collected is None:
            self._tasks.spawn(read, waiting)
        else:
            self._collected.append((read, waiting))

    def collect(self, action: Callable[[], None]) -> list[Coroutine[Any, Any, None]]:
        """Call `action`, and return the reads that it requests for the caller to await, instead of starting tasks.

        A caller that already runs in a task does not need another one.
        """
        self._collected = collected = list[LogRead]()
        try:
            action()
        finally:
            self._collected = None
        return [self._tasks.guard(*read) for read in collected]

    async def _read(self, subscription: UserSubscription[Connection], after: Position | None) -> None:
        async with self._slots:
            # No connection may join from here on: the reply could be older than its request.
            connections = self._waiting.pop((subscription, after))
            seen_at, subscription.seen_at = subscription.seen_at, 0
            try:
                tokens = tuple({connection.token for connection in connections} - {NO_TOKEN})
                page = await self._inboxes.read_log(
                    subscription.user, after, self._new_epoch(), tokens=tokens, seen_at=seen_at
                )
            except StoreUnavailableError as problem:
                subscription.seen_at = seen_at
                self._read_failed(connections, problem)
                return
            except UserDeletedError as deleted:
                await self._authenticator.forget(deleted.user)
                close_connections_of_deleted_user(connections)
                return
        for connection in connections:
            if connection.token in page.revoked:
                end_access(connection, CloseCode.TOKEN_REVOKED, ErrorCode.TOKEN_REVOKED)
            else:
                connection.perform(connection.session.log_read(page))

    def _read_failed(self, connections: list[Connection], problem: StoreUnavailableError) -> None:
        for connection in connections:
            connection.perform(connection.session.log_unavailable(retry_after_ms(), store_close_code(problem)))
        self._tasks.spawn(self._retry(connections), connections)

    async def _retry(self, connections: list[Connection]) -> None:
        await asyncio.sleep(READ_RETRY_SECONDS * random.uniform(0.5, 1.5))
        for connection in connections:
            connection.perform(connection.session.resync())

    # -- after an interruption

    def subscription_interrupted(self, channel: bytes) -> None:
        """Read the log again for every session of a user: events may have been published meanwhile."""
        subscription = self._subscriptions.get(channel)
        if subscription is not None:
            self._interrupted[subscription] = None
            self._interruption.set()

    async def run_resyncs(self) -> None:
        """Read the logs of users whose subscriptions were interrupted, until cancelled.

        At most `CONCURRENT_READS` are read at a time. After an outage of Redis all users are affected at once, and no
        other task would run until all of their sessions had been resynchronized.
        """
        while True:
            await self._interruption.wait()
            self._interruption.clear()
            while self._interrupted:
                subscriptions = list(islice(self._interrupted, CONCURRENT_READS))
                for subscription in subscriptions:
                    del self._interrupted[subscription]
                await asyncio.gather(*self.collect(partial(_resync, subscriptions)))


def _resync(subscriptions: Sequence[UserSubscription[Connection]]) -> None:
    for subscription in subscriptions:
        RESYNCS.inc()
        for connection in subscription.connections:
            connection.perform(connection.session.resync())


def store_close_code(problem: StoreUnavailableError) -> CloseCode:
    """Return the close code for a connection that cannot open because of the store.

    Clients reconnect after either code.
    """
    return CloseCode.INTERNAL_ERROR if isinstance(problem, StoreDataError) else CloseCode.TRY_AGAIN_LATER
