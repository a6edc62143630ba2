"""The hub: which connections of this worker belong to which user, and the way from pub/sub to their sockets.

connect   admit: verify → subscribe the user's channel (first connection only) → session reads the log → live
publish   dispatch: one lookup, encode once per transport, write to each connection; nothing awaits. A shared content
          that this worker has not read yet comes from the log instead, and is at hand from then on
repair    read_log: sessions with a gap, or all of them after the link was down, read the log again
end       what a connection rests on ends: access.py
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from itertools import islice
from typing import Any

from gateway.auth.authenticator import Authenticator
from gateway.domain.errors import ApiError, CloseCode, ErrorCode, api_error
from gateway.domain.event import Event, Position
from gateway.domain.guard import Guard, TokenRevokedError, UserDeletedError
from gateway.domain.principal import Credentials, User, UserPrincipal
from gateway.domain.session import ReadLog, SessionLimits
from gateway.live.connection import CLOSE_SECONDS, NO_TOKEN, Connection, Token, retry_after_ms
from gateway.live.revocation import CHECKS_IN_ONE_GO, Revocation, close_deleted, close_revoked, end
from gateway.live.user_subscription import UserSubscription
from gateway.runtime.deadlines import TICK_SECONDS, pass_deadlines
from gateway.runtime.fair_scheduler import FairScheduler
from gateway.runtime.tasks import keep_running
from gateway.runtime.timer_wheel import TimerWheel
from gateway.settings import Settings
from gateway.store import keys
from gateway.store.activity import ActiveUsers
from gateway.store.event_log import RESYNC_MESSAGE
from gateway.store.inbox import InboxStore
from gateway.store.redis.problems import StoreDataError, StoreUnavailableError
from gateway.store.redis.subscriber import Subscriber
from gateway.telemetry.logs import log
from gateway.telemetry.metrics import DELIVERED, DELIVERY_SECONDS, RESYNCS, SUBSCRIBED_USERS

CLOCK_JUMP_SECONDS = 0.5
"""Of the wall clock, against the one that only goes forward: one that is merely corrected gains far less in a tick."""

CONCURRENT_READS = 32
"""Log reads under way at once: a reconnect storm must leave Redis connections for the API."""

CONCURRENT_ADMISSIONS = 64
"""Connections let in at once. When all clients come back together the others wait their turn here, not for Redis, whose
answers would then come later than a call may take; and whoever calls the API meanwhile waits for these few only."""

READ_RETRY_SECONDS = 0.5

START_OVER_SECONDS = 1.0
"""Between telling open inboxes that the store is another one and ending them."""

_CLOSE_CODES: dict[ErrorCode | None, CloseCode] = {
    ErrorCode.TOKEN_EXPIRED: CloseCode.TOKEN_EXPIRED,
    ErrorCode.TOKEN_REVOKED: CloseCode.TOKEN_REVOKED,
    ErrorCode.FORBIDDEN: CloseCode.FORBIDDEN,
    ErrorCode.TOO_MANY_NEW_USERS: CloseCode.TOO_MANY_NEW_USERS,
    ErrorCode.ORIGIN_NOT_ALLOWED: CloseCode.FORBIDDEN,
}


class Hub:
    """All open inboxes of one worker. `run` must be running."""

    def __init__(
        self,
        settings: Settings,
        authenticator: Authenticator,
        inboxes: InboxStore,
        activity: ActiveUsers,
        link: Subscriber,
        new_epoch: Callable[[], str],
        worker_id: str,
        scheduler: FairScheduler,
    ):
        self.limits = SessionLimits(
            settings.heartbeat_seconds, settings.authentication_seconds, settings.max_messages_per_minute
        )
        self.max_write_buffer_bytes = settings.max_write_buffer_bytes
        self.max_message_bytes = settings.max_message_bytes
        self.allowed_origins = settings.allowed_origins
        self.access_log = settings.access_log
        self.draining = False
        self.wheel: TimerWheel[Connection] = TimerWheel(time.monotonic())
        self.scheduler = scheduler
        self._max_connections_per_user = settings.max_connections_per_user
        self._authenticator = authenticator
        self._inboxes = inboxes
        self._activity = activity
        self._link = link
        self._new_epoch = new_epoch
        self._worker_id = worker_id
        self._connection_count = 0
        self._subscriptions: dict[bytes, UserSubscription] = {}
        self.revocation = Revocation(authenticator, self._subscriptions, self._schedule)
        self._reads: dict[tuple[UserSubscription, Position | None], list[Connection]] = {}
        self._read_slots = asyncio.Semaphore(CONCURRENT_READS)
        self._admissions = asyncio.Semaphore(CONCURRENT_ADMISSIONS)
        self._tasks: asyncio.TaskGroup | None = None
        self._interrupted: dict[UserSubscription, None] = {}
        self._interruption = asyncio.Event()
        link.on_messages = self.dispatch
        link.on_resubscribed = self._resync

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            for name, work in (
                ("pubsub-link", self._link.run),
                ("hub-tick", self._tick),
                ("hub-revocation", self.revocation.run),
                ("hub-resync", self._resync_in_turn),
            ):
                self._tasks.create_task(keep_running(name, work), name=name)

    def users(self) -> Iterator[User]:
        """Give the users who are connected."""
        return (subscription.user for subscription in self._subscriptions.values())

    def next_connection_id(self) -> str:
        """Name a connection, for logs and for the client."""
        self._connection_count += 1
        return f"{self._worker_id}-{self._connection_count}"

    # -- a connection's way in and out

    def admit(self, connection: Connection, credentials: Credentials) -> None:
        """Verify credentials and open the connection's stream; the answer comes as effects of its session."""
        self._spawn(self._admit_in_turn(connection, credentials), [connection])

    def renew(self, connection: Connection, credentials: Credentials) -> None:
        """Verify fresh credentials of a connection that is open."""
        self._spawn(self._renew(connection, credentials), [connection])

    def leave(self, connection: Connection) -> None:
        """Forget a connection that is gone."""
        if connection.slot is not None:
            self.wheel.cancel(connection, connection.slot)
        subscription, connection.subscription = connection.subscription, None
        if subscription is None:
            return
        subscription.connections.remove(connection)
        if not subscription.connections:
            self._drop(subscription)

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

    def dispatch(self, channel: bytes, messages: Sequence[bytes]) -> None:
        """Write what was published of a user, and came together, to every open inbox. The hot path."""
        subscription = self._subscriptions.get(channel)
        if subscription is None:
            return
        run: list[Event] = []
        for message in messages:
            complete = self._inboxes.expand_cached(message) if b"\0" in message else message
            try:
                event = None if message.startswith(b"!") else Event.decode(complete or message)
                if event is not None and complete and (not run or event.position.follows(run[-1].position)):
                    run.append(event)
                    continue
                self._deliver(subscription, run)
                run = []
                if message == RESYNC_MESSAGE:
                    self._resync(channel)
                elif event is None:
                    close_revoked(subscription, message)
                elif complete:
                    run.append(event)
                else:
                    for connection in subscription.connections:
                        connection.event_published(event.position)
            except ValueError:
                # Nobody but our functions should publish here; the log is right whatever was said.
                log.error("foreign_message", channel=channel)
        self._deliver(subscription, run)

    def _deliver(self, subscription: UserSubscription, run: Sequence[Event]) -> None:
        """Write events without a gap to every open inbox: encoded once per transport, one write for each connection."""
        if not run:
            return
        before, last = run[0].position.before, run[-1].position
        frames: dict[str, bytes] = {}
        reached = 0
        for connection in subscription.connections:
            frame = frames.get(connection.name)
            if frame is None:
                frame = frames[connection.name] = b"".join(map(connection.encode_event, run))
            if connection.deliver(before, last, frame):
                reached += 1
        DELIVERED.inc(reached * len(run))
        DELIVERY_SECONDS.observe(max(0.0, time.time() - run[0].published_ms / 1000))

    def read_log(self, connection: Connection, after: Position | None) -> None:
        """Read the log for a session. Sessions of one user that ask the same in one go share the read."""
        read = self._share_read(connection, after)
        if read is not None:
            self._spawn(*read)

    # -- another store

    async def start_over(self) -> None:
        """Tell every open inbox to fetch, and then to come back: its user may be another one in this store."""
        connections = list(self.wheel)
        for channel in tuple(self._subscriptions):
            self._resync(channel)
        await asyncio.sleep(START_OVER_SECONDS)
        for number, connection in enumerate(connections):
            if not connection.session.closed:
                connection.perform(connection.session.close(CloseCode.TRY_AGAIN_LATER, retry_after_ms()))
            if number % CHECKS_IN_ONE_GO == CHECKS_IN_ONE_GO - 1:
                await asyncio.sleep(0.1)

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
            connection.perform(connection.session.close(CloseCode.DRAINING, retry))
            if number % 32 == 31:
                await asyncio.sleep(32 * pause)
        while len(self.wheel) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        for connection in list(self.wheel):
            connection.transport.abort()

    # -- inside

    def _spawn(self, work: Coroutine[Any, Any, None], connections: Sequence[Connection]) -> None:
        """Start a task that `connections` wait for."""
        assert self._tasks is not None, "Hub.run is not running"
        self._tasks.create_task(self._guarded(work, connections))

    async def _guarded(self, work: Coroutine[Any, Any, None], connections: Sequence[Connection]) -> None:
        try:
            await work
        except Exception:
            # Trouble of some connections must not end the others; those it is about would wait for ever.
            log.exception("live_task_failed")
            for connection in connections:
                connection.perform(connection.session.close(CloseCode.INTERNAL_ERROR, retry_after_ms()))

    async def _admit_in_turn(self, connection: Connection, credentials: Credentials) -> None:
        async with self._admissions:
            if connection.session.closed:
                return  # it gave up meanwhile
            if not self._link.healthy:
                # Nobody can be let in: those behind need not wait to be told.
                connection.perform(
                    connection.session.refused(CloseCode.TRY_AGAIN_LATER, retry_after_ms=retry_after_ms())
                )
                return
            await self._admit(connection, credentials)

    async def _admit(self, connection: Connection, credentials: Credentials) -> None:
        session = connection.session
        try:
            principal = await self._authenticator.user(credentials, address=connection.client_address)
            if not connection.project_found(principal.project.allowed_origins or self.allowed_origins):
                raise api_error(ErrorCode.ORIGIN_NOT_ALLOWED)
            if self.draining:
                connection.perform(session.refused(CloseCode.DRAINING, retry_after_ms=retry_after_ms()))
                return
            connection.authenticated(principal)
            if not await self._join(connection, principal):
                connection.perform(session.refused(CloseCode.TOO_MANY_CONNECTIONS))
                return
            # What was heard of the project before we joined was not told to us.
            self.revocation.check_credential(connection, await self._authenticator.current(principal.project))
        except ApiError as error:
            code = _CLOSE_CODES.get(error.code, CloseCode.UNAUTHORIZED)
            retry = error.retry_after_seconds
            connection.perform(session.refused(code, error.problems[0], retry and 1000 * retry))
        except StoreUnavailableError as problem:
            connection.perform(session.refused(_try_again(problem), retry_after_ms=retry_after_ms()))
        else:
            self._activity.seen(principal.user)
            for effect in session.authenticated(principal.token_expires_at):
                assert isinstance(effect, ReadLog), "all that a session asks for now"
                read = self._share_read(connection, effect.after)
                if read is not None:
                    await self._guarded(*read)  # here: another task would only cost

    async def _join(self, connection: Connection, principal: UserPrincipal) -> bool:
        """Put the connection into its user's subscription, subscribed; False when the user has too many."""
        user = principal.user
        if connection.session.closed:
            return True
        channel = keys.user(user.project_id, user.id).encode()
        subscription = self._subscriptions.get(channel)
        if subscription is None:
            subscription = self._subscriptions[channel] = UserSubscription(user, principal.project.api_key, channel)
            SUBSCRIBED_USERS.inc()
            subscription.confirmed = asyncio.get_running_loop().create_future()
        elif len(subscription.connections) >= self._max_connections_per_user:
            return False
        subscription.connections.append(connection)
        connection.subscription = subscription
        if len(subscription.connections) == 1 and subscription.confirmed is not None:
            await self._subscribe(subscription, subscription.confirmed)
        elif subscription.confirmed is not None:
            await asyncio.shield(subscription.confirmed)
        if subscription is not self._subscriptions.get(channel):
            raise StoreUnavailableError(detail="the subscription failed")
        return True

    async def _subscribe(self, subscription: UserSubscription, done: "asyncio.Future[None]") -> None:
        """Subscribe for the first connection, and for whoever comes meanwhile."""
        subscribed = False
        try:
            with contextlib.suppress(StoreUnavailableError):
                await self._link.subscribe(subscription.channel)
                subscribed = True
        finally:
            if not subscribed:  # whatever the reason: who waits must not take it for subscribed
                self._drop(subscription)
            subscription.confirmed = None
            if not done.done():
                done.set_result(None)

    def _drop(self, subscription: UserSubscription) -> None:
        if self._subscriptions.get(subscription.channel) is subscription:
            del self._subscriptions[subscription.channel]
            SUBSCRIBED_USERS.dec()
            self._link.unsubscribe(subscription.channel)

    async def _renew(self, connection: Connection, credentials: Credentials) -> None:
        session = connection.session
        before = (connection.authenticated_by, connection.token, session.credential_expires_at)
        try:
            principal = await self._authenticator.user(credentials)
            if session.closed or connection.subscription is None:
                return  # it ended meanwhile
            if principal.user.id != connection.subscription.user.id:
                connection.perform(session.close(CloseCode.UNAUTHORIZED))
                return
            # From here on we hear of what ends the new credentials; what was said before, the store knows.
            connection.authenticated(principal)
            await self._inboxes.use(principal.user, Guard(None, principal.token_id, principal.token_issued_at))
            project = await self._authenticator.current(principal.project)
        except ApiError as error:
            self._renewal_refused(connection, before, error)
        except (TokenRevokedError, UserDeletedError):
            self._renewal_refused(connection, before, api_error(ErrorCode.TOKEN_REVOKED))
        except StoreUnavailableError as problem:
            self._renewal_refused(connection, before, api_error(problem.code, problem.cause))
        else:
            if session.closed:
                return  # its deadline is that of the cut, or it has none any more
            connection.perform(session.renewed(principal.token_expires_at))
            self._schedule(connection)
            self.revocation.check_credential(connection, project)

    def _renewal_refused(self, connection: Connection, before: tuple[str, Token, int | None], error: ApiError) -> None:
        """Go on with the credentials as they were, which may have ended while they did not count."""
        session = connection.session
        if session.closed:
            return
        connection.perform(session.renewal_refused(error.problems[0]))
        if (connection.authenticated_by, connection.token) != before[:2]:
            connection.authenticated_by, connection.token = before[:2]
            session.credential_ends(before[2])
            connection.perform(session.resync())
            if connection.subscription is not None:
                self.revocation.project_changed(connection.subscription.api_key)

    def _schedule(self, connection: Connection) -> None:
        """Set the deadline of a connection anew."""
        now = time.monotonic()
        when = connection.session.next_deadline(now, time.time())
        connection.slot = self.wheel.schedule(connection, when, connection.slot)

    def _share_read(
        self, connection: Connection, after: Position | None
    ) -> tuple[Coroutine[Any, Any, None], list[Connection]] | None:
        """Join the read that others of the user wait for, or give one to run, and the list of who waits for it."""
        subscription = connection.subscription
        if subscription is None:
            return None
        waiting = self._reads.get((subscription, after))
        if waiting is not None:
            waiting.append(connection)
            return None
        waiting = self._reads[(subscription, after)] = [connection]
        return self._read_log(subscription, after), waiting

    async def _read_log(self, subscription: UserSubscription, after: Position | None) -> None:
        async with self._read_slots:
            # Nobody may join from here on: the answer would be older than their question.
            connections = self._reads.pop((subscription, after))
            try:
                tokens = tuple({connection.token for connection in connections} - {NO_TOKEN})
                page = await self._inboxes.read_log(subscription.user, after, self._new_epoch(), tokens=tokens)
            except StoreUnavailableError as problem:
                self._read_failed(connections, problem)
                return
            except UserDeletedError as deleted:
                await self._authenticator.forget(deleted.user)
                close_deleted(connections)
                return
        for connection in connections:
            if connection.token in page.revoked:
                end(connection, CloseCode.TOKEN_REVOKED, ErrorCode.TOKEN_REVOKED)
            else:
                connection.perform(connection.session.log_read(page))

    def _read_failed(self, connections: list[Connection], problem: StoreUnavailableError) -> None:
        for connection in connections:
            connection.perform(connection.session.log_unavailable(retry_after_ms(), _try_again(problem)))
        self._spawn(self._retry(connections), connections)

    async def _retry(self, connections: list[Connection]) -> None:
        await asyncio.sleep(READ_RETRY_SECONDS * random.uniform(0.5, 1.5))
        for connection in connections:
            connection.perform(connection.session.resync())

    def _resync(self, channel: bytes) -> None:
        """Have the log read for every session of a user whose subscription was interrupted."""
        subscription = self._subscriptions.get(channel)
        if subscription is not None:
            self._interrupted[subscription] = None
            self._interruption.set()

    async def _resync_in_turn(self) -> None:
        """Read the logs of users whose subscriptions were interrupted, some at a time, until cancelled.

        All at once, which is after a Redis was away, nothing else would have a turn for as long as that takes.
        """
        while True:
            await self._interruption.wait()
            self._interruption.clear()
            while self._interrupted:
                subscriptions = list(islice(self._interrupted, CONCURRENT_READS))
                reads = [read for subscription in subscriptions for read in self._reads_to_resync(subscription)]
                for subscription in subscriptions:
                    del self._interrupted[subscription]
                await asyncio.gather(*(self._guarded(*read) for read in reads))

    def _reads_to_resync(
        self, subscription: UserSubscription
    ) -> Iterator[tuple[Coroutine[Any, Any, None], list[Connection]]]:
        RESYNCS.inc()
        for connection in subscription.connections:
            effects = connection.session.resync()
            if connection.backlog is not None:
                connection.perform(effects)  # it reads when its peer has
                continue
            for effect in effects:
                assert isinstance(effect, ReadLog), "all that a session asks for then"
                read = self._share_read(connection, effect.after)
                if read is not None:
                    yield read

    async def _tick(self) -> None:
        ahead = time.time() - time.monotonic()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            if abs(time.time() - now - ahead) > CLOCK_JUMP_SECONDS:
                ahead = time.time() - now
                await self._clock_jumped()
            pass_deadlines(self.wheel.due(now), now)

    async def _clock_jumped(self) -> None:
        """Set every deadline anew: a token may have expired by now, or not for a while yet."""
        log.warning("clock_jumped")
        for number, connection in enumerate(list(self.wheel)):
            if not connection.session.closed:
                self._schedule(connection)
            if number % CHECKS_IN_ONE_GO == CHECKS_IN_ONE_GO - 1:
                await asyncio.sleep(0)


def _try_again(problem: StoreUnavailableError) -> CloseCode:
    """Return the code with which a connection ends that the store kept from opening; it may come back."""
    return CloseCode.INTERNAL_ERROR if isinstance(problem, StoreDataError) else CloseCode.TRY_AGAIN_LATER
