"""The hub: which connections of this worker belong to which user, and the way from pub/sub to their sockets.

connect   admit: verify → subscribe the user's channel (first connection only) → session reads the log → live
publish   dispatch: one lookup, encode once per transport, write to each connection; nothing awaits. A shared content
          that this worker has not read yet comes from the log instead, and is at hand from then on
repair    read_log: sessions with a gap, or all of them after the link was down, read the log again
"""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from gateway.auth import Authenticator
from gateway.domain.errors import ApiError, CloseCode, ErrorCode, Problem, api_error
from gateway.domain.event import Event, Position
from gateway.domain.guard import UserDeletedError
from gateway.domain.principal import Credentials, Principal, User
from gateway.domain.session import SessionLimits
from gateway.live.connection import CLOSE_SECONDS, Connection, retry_after_ms
from gateway.live.wheel import Wheel
from gateway.settings import Settings
from gateway.store import keys
from gateway.store.client import StoreUnavailableError
from gateway.store.inbox import DELETED_MESSAGE, InboxStore
from gateway.store.pubsub import PubSubLink
from gateway.telemetry import DELIVERED, DELIVERY_SECONDS, RESYNCS, SUBSCRIBED_USERS, log

TICK_SECONDS = 0.25

CONCURRENT_READS = 32
"""Log reads under way at once: a reconnect storm must leave Redis connections for the API."""

READ_RETRY_SECONDS = 0.5

_CLOSE_CODES = {
    ErrorCode.TOKEN_EXPIRED.kind.code: CloseCode.TOKEN_EXPIRED,
    ErrorCode.FORBIDDEN.kind.code: CloseCode.FORBIDDEN,
}


class HasDeadline(Protocol):
    """What is told when its deadline has come."""

    def on_deadline(self, now: float) -> None:
        """Act on it; `now` is monotonic seconds."""


class Feed:
    """One user's open inboxes on this worker."""

    __slots__ = ("channel", "connections", "subscription", "user")

    def __init__(self, user: User, channel: bytes):
        self.user = user
        self.channel = channel
        self.connections: list[Connection] = []
        self.subscription: asyncio.Task[None] | None = None


class Hub:
    """All open inboxes of one worker. `run` must be running."""

    def __init__(
        self,
        settings: Settings,
        authenticator: Authenticator,
        inboxes: InboxStore,
        link: PubSubLink,
        new_epoch: Callable[[], str],
        worker_id: str,
    ):
        self.limits = SessionLimits(
            settings.heartbeat_seconds, settings.authentication_seconds, settings.max_messages_per_minute
        )
        self.max_write_buffer_bytes = settings.max_write_buffer_bytes
        self.max_message_bytes = settings.max_message_bytes
        self.allowed_origins = settings.allowed_origins
        self.access_log = settings.access_log
        self.draining = False
        self.wheel: Wheel[Connection] = Wheel(time.monotonic())
        self.unfinished_heads: Wheel[HasDeadline] = Wheel(time.monotonic())
        self._max_connections_per_user = settings.max_connections_per_user
        self._authenticator = authenticator
        self._inboxes = inboxes
        self._link = link
        self._new_epoch = new_epoch
        self._worker_id = worker_id
        self._connection_count = 0
        self._feeds: dict[bytes, Feed] = {}
        self._reads: dict[tuple[Feed, Position | None], list[Connection]] = {}
        self._read_slots = asyncio.Semaphore(CONCURRENT_READS)
        self._tasks: asyncio.TaskGroup | None = None
        link.on_message = self.dispatch
        link.on_resubscribed = self._resync

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            self._tasks.create_task(self._link.run(), name="pubsub-link")
            self._tasks.create_task(self._tick(), name="hub-tick")

    def next_connection_id(self) -> str:
        """Name a connection, for logs and for the client."""
        self._connection_count += 1
        return f"{self._worker_id}-{self._connection_count}"

    # -- a connection's way in and out

    def admit(self, connection: Connection, credentials: Credentials) -> None:
        """Verify credentials and open the connection's stream; the answer comes as effects of its session."""
        self._spawn(self._admit(connection, credentials), "admit", [connection])

    def renew(self, connection: Connection, credentials: Credentials) -> None:
        """Verify fresh credentials of a connection that is open."""
        self._spawn(self._renew(connection, credentials), "renew", [connection])

    def leave(self, connection: Connection) -> None:
        """Forget a connection that is gone."""
        self.wheel.cancel(connection, connection.slot)
        feed, connection.feed = connection.feed, None
        if feed is None:
            return
        feed.connections.remove(connection)
        if not feed.connections:
            self._drop(feed)

    def schedule_first_heartbeat(self, connection: Connection) -> int:
        """Set the first heartbeat at a random moment, so that connections opened together spread out."""
        session = connection.session
        now = time.monotonic()
        first = now + random.uniform(0.2, 1.0) * self.limits.heartbeat_seconds
        return self.wheel.schedule(connection, min(first, session.next_deadline(now, time.time())), connection.slot)

    def schedule_cut(self, connection: Connection) -> int:
        """Cut a connection that is closing if its peer does not let it go in time."""
        return self.wheel.schedule(connection, time.monotonic() + CLOSE_SECONDS, connection.slot)

    # -- events

    def dispatch(self, channel: bytes, message: bytes) -> None:
        """Write a published event to every open inbox of its user. The hot path."""
        feed = self._feeds.get(channel)
        if feed is None:
            return
        if message == DELETED_MESSAGE:
            self._user_deleted(feed.connections)
            return
        complete = self._inboxes.expand_cached(message) if b"\0" in message else message
        try:
            event = Event.decode(message if complete is None else complete)
        except ValueError:
            # Nobody but our functions should publish here; the log is right whatever was said.
            log.error("foreign_message", channel=channel)
            return
        if complete is None:
            for connection in feed.connections:
                connection.read_logged(event.position)
            return
        frames: dict[str, bytes] = {}
        delivered = 0
        for connection in feed.connections:
            frame = frames.get(connection.name)
            if frame is None:
                frame = frames[connection.name] = connection.encode_event(event)
            delivered += connection.deliver(event.position, frame)
        DELIVERED.inc(delivered)
        DELIVERY_SECONDS.observe(max(0.0, time.time() - event.published_ms / 1000))

    def read_log(self, connection: Connection, after: Position | None) -> None:
        """Read the log for a session. Sessions of one user that ask the same in one go share the read."""
        feed = connection.feed
        if feed is None:
            return
        waiting = self._reads.get((feed, after))
        if waiting is not None:
            waiting.append(connection)
            return
        waiting = self._reads[(feed, after)] = [connection]
        self._spawn(self._read_log(feed, after), "read-log", waiting)

    # -- shutdown

    async def drain(self, seconds: float) -> None:
        """Say goodbye to every connection, spread over the given time, and wait until they are gone."""
        self.draining = True
        connections = list(self.wheel)
        random.shuffle(connections)
        pause = 0.8 * seconds / max(1, len(connections))
        deadline = time.monotonic() + seconds
        for number, connection in enumerate(connections):
            retry = random.randint(100, max(200, int(1000 * seconds)))
            connection.carry_out(connection.session.close(CloseCode.DRAINING, retry))
            if number % 32 == 31:
                await asyncio.sleep(32 * pause)
        while len(self.wheel) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        for connection in list(self.wheel):
            connection.transport.abort()

    # -- inside

    def _spawn(self, work: Coroutine[Any, Any, None], name: str, connections: Sequence[Connection]) -> None:
        """Start a task that `connections` wait for."""
        assert self._tasks is not None, "Hub.run is not running"
        self._tasks.create_task(self._guarded(work, connections), name=name)

    async def _guarded(self, work: Coroutine[Any, Any, None], connections: Sequence[Connection]) -> None:
        try:
            await work
        except Exception:
            # Trouble of some connections must not end the others; those it is about would wait for ever.
            log.exception("live_task_failed")
            for connection in connections:
                connection.carry_out(connection.session.close(CloseCode.INTERNAL_ERROR, retry_after_ms()))

    async def _admit(self, connection: Connection, credentials: Credentials) -> None:
        session = connection.session
        try:
            principal = await self._authenticator.user(credentials)
            assert principal.user is not None
            if self.draining:
                connection.carry_out(session.refused(CloseCode.DRAINING, retry_after_ms=retry_after_ms()))
                return
            if not await self._join(connection, principal.user):
                connection.carry_out(session.refused(CloseCode.TOO_MANY_CONNECTIONS))
                return
        except ApiError as error:
            code = _CLOSE_CODES.get(error.code, CloseCode.UNAUTHORIZED)
            connection.carry_out(session.refused(code, error.problems[0]))
        except StoreUnavailableError:
            connection.carry_out(session.refused(CloseCode.TRY_AGAIN_LATER, retry_after_ms=retry_after_ms()))
        else:
            connection.carry_out(session.authenticated(principal.expires_at))

    async def _join(self, connection: Connection, user: User) -> bool:
        """Put the connection into its user's feed, subscribed; False when the user has too many."""
        if connection.session.closed:
            return True
        channel = keys.user(user.project_id, user.id).encode()
        feed = self._feeds.get(channel)
        if feed is None:
            feed = self._feeds[channel] = Feed(user, channel)
            SUBSCRIBED_USERS.inc()
            assert self._tasks is not None
            feed.subscription = self._tasks.create_task(self._subscribe(feed), name="subscribe")
        elif len(feed.connections) >= self._max_connections_per_user:
            return False
        feed.connections.append(connection)
        connection.feed = feed
        if feed.subscription is not None:
            await asyncio.shield(feed.subscription)
            if feed is not self._feeds.get(channel):
                raise StoreUnavailableError("the subscription failed")
        return True

    async def _subscribe(self, feed: Feed) -> None:
        try:
            await self._link.subscribe(feed.channel)
        except StoreUnavailableError:
            self._drop(feed)
        feed.subscription = None

    def _drop(self, feed: Feed) -> None:
        if self._feeds.get(feed.channel) is feed:
            del self._feeds[feed.channel]
            SUBSCRIBED_USERS.dec()
            self._link.unsubscribe(feed.channel)

    async def _renew(self, connection: Connection, credentials: Credentials) -> None:
        try:
            verified: Principal | Problem = await self._authenticator.user(credentials)
        except ApiError as error:
            verified = error.problems[0]
        except StoreUnavailableError:
            verified = api_error(ErrorCode.REDIS_UNAVAILABLE).problems[0]
        session, feed = connection.session, connection.feed
        if session.closed or feed is None:
            return  # it ended meanwhile
        if isinstance(verified, Problem):
            connection.carry_out(session.renewal_refused(verified))
            return
        if verified.user is None or verified.user.id != feed.user.id:
            connection.carry_out(session.close(CloseCode.UNAUTHORIZED))
            return
        connection.carry_out(session.renewed(verified.expires_at))
        now = time.monotonic()
        connection.slot = self.wheel.schedule(connection, session.next_deadline(now, time.time()), connection.slot)

    async def _read_log(self, feed: Feed, after: Position | None) -> None:
        async with self._read_slots:
            # Nobody may join from here on: the answer would be older than their question.
            connections = self._reads.pop((feed, after))
            try:
                page = await self._inboxes.read_log(feed.user, after, self._new_epoch())
            except StoreUnavailableError:
                self._read_failed(connections)
                return
            except UserDeletedError as deleted:
                await self._authenticator.forget(deleted.user)
                self._user_deleted(connections)
                return
        for connection in connections:
            connection.carry_out(connection.session.log_read(page))

    def _user_deleted(self, connections: Sequence[Connection]) -> None:
        for connection in tuple(connections):
            session = connection.session
            # Who is only just coming in was led by an outdated name, and finds the right user the next time.
            code = CloseCode.USER_DELETED if session.ready else CloseCode.TRY_AGAIN_LATER
            connection.carry_out(session.close(code, retry_after_ms()))

    def _read_failed(self, connections: list[Connection]) -> None:
        for connection in connections:
            connection.carry_out(connection.session.log_unavailable(retry_after_ms()))
        self._spawn(self._retry(connections), "retry-read", connections)

    async def _retry(self, connections: list[Connection]) -> None:
        await asyncio.sleep(READ_RETRY_SECONDS * random.uniform(0.5, 1.5))
        for connection in connections:
            connection.carry_out(connection.session.resync())

    def _resync(self, channel: bytes) -> None:
        """Read the log for every session of a user whose subscription was interrupted."""
        feed = self._feeds.get(channel)
        if feed is not None:
            RESYNCS.inc()
            for connection in feed.connections:
                connection.carry_out(connection.session.resync())

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            for connection in self.wheel.due(now):
                connection.on_deadline(now)
            for unfinished in self.unfinished_heads.due(now):
                unfinished.on_deadline(now)
