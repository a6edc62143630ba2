"""The live connections of one worker: the parts, and how they are connected.

    connect   admission: verify → subscribe the user's channel (first connection of the user) → read the log → live
    publish   dispatch: encode once per transport → write to each connection of the user
    repair    replay: sessions with a gap, or all after an interruption, read the log
    renew     renewal: replace the credentials of an open connection
    end       revocation: close connections whose access has ended; drain: close all

Imports within this package point down: hub > admission, renewal, dispatch, drain > replay > revocation >
subscriptions, figures > connection > the rest. A connection reaches the hub through `HubInterface`.
"""

import asyncio
import time
from collections.abc import Callable, Iterator

from gateway.auth.authenticator import Authenticator
from gateway.domain.event import Position
from gateway.domain.principal import Credentials, User
from gateway.domain.session import Session, SessionLimits
from gateway.live import drain
from gateway.live.admission import Admission
from gateway.live.connection import Connection
from gateway.live.connection_tasks import ConnectionTasks
from gateway.live.deadlines import Deadlines
from gateway.live.dispatch import Dispatcher
from gateway.live.figures import LiveFigures
from gateway.live.presence import PresenceAnswers
from gateway.live.renewal import Renewal
from gateway.live.replay import Replay
from gateway.live.revocation import Revocation
from gateway.live.subscriptions import UserSubscriptions
from gateway.runtime.fair_scheduler import FairScheduler
from gateway.runtime.tasks import keep_running
from gateway.settings import Settings
from gateway.store.activity import ActiveUsers
from gateway.store.inbox import InboxStore
from gateway.store.redis.subscriber import Subscriber
from gateway.store.usage_counts import UsageCounts


class Hub:
    """All live connections of one worker. `run` must be running."""

    def __init__(
        self,
        settings: Settings,
        authenticator: Authenticator,
        inboxes: InboxStore,
        activity: ActiveUsers,
        subscriber: Subscriber,
        new_epoch: Callable[[], str],
        worker_id: str,
        scheduler: FairScheduler,
        usage: UsageCounts | None = None,
        dispatcher: Callable[[UserSubscriptions, Replay, InboxStore], Dispatcher] = Dispatcher,
    ):
        self.limits = SessionLimits(
            settings.heartbeat_seconds, settings.authentication_seconds, settings.max_messages_per_minute
        )
        self.max_write_buffer_bytes = settings.max_write_buffer_bytes
        self.max_message_bytes = settings.max_message_bytes
        self.allowed_origins = settings.allowed_origins
        self.access_log = settings.access_log
        self.scheduler = scheduler
        self.figures = LiveFigures(usage or UsageCounts())
        self._worker_id = worker_id
        self.connection_count = 0
        """How many connections this worker has had."""
        self._subscriber = subscriber
        self._tasks = ConnectionTasks()
        self.deadlines: Deadlines[Connection] = Deadlines(settings.heartbeat_seconds)
        self.subscriptions = UserSubscriptions(subscriber, settings.max_connections_per_user)
        self.revocation = Revocation(authenticator, self.subscriptions, self.deadlines)
        self.replay = Replay(inboxes, authenticator, self.subscriptions, self._tasks, new_epoch)
        self._admission = Admission(
            authenticator,
            subscriber,
            self.subscriptions,
            self.replay,
            self.revocation,
            activity,
            settings.allowed_origins,
            self.figures,
        )
        self._renewal = Renewal(authenticator, inboxes, self.revocation, self.deadlines)
        self.dispatcher = dispatcher(self.subscriptions, self.replay, inboxes)
        subscriber.on_messages = self.dispatcher.dispatch
        subscriber.on_resubscribed = self.replay.subscription_interrupted

    async def run(self) -> None:
        """Serve until cancelled."""
        async with self._tasks.running(), asyncio.TaskGroup() as tasks:
            for name, work in (
                ("pubsub-link", self._subscriber.run),
                ("hub-tick", self.deadlines.run),
                ("hub-access", self.revocation.run),
                ("hub-resync", self.replay.run_resyncs),
            ):
                tasks.create_task(keep_running(name, work), name=name)

    def users(self) -> Iterator[User]:
        """Return the users that have an open connection."""
        return self.subscriptions.users()

    def answer_questions(self, answers: PresenceAnswers) -> None:
        """Answer questions about the connections of users."""
        self.dispatcher.on_question = lambda user, message: self._tasks.spawn(answers.answer(user, message), ())

    # -- called by connections: see HubInterface

    @property
    def draining(self) -> bool:
        """Whether this worker is about to stop, and refuses new connections."""
        return self._admission.draining

    def new_session(self, accepted_at: float | None) -> Session:
        """Create the session of a new connection, with an id for logs and for the client."""
        self.connection_count += 1
        connection_id = f"{self._worker_id}-{self.connection_count}"
        return Session(connection_id, self.limits, accepted_at or time.monotonic())

    def admit(self, connection: Connection, credentials: Credentials) -> None:
        """Verify credentials and open the connection's stream. The outcome is performed as effects of its session."""
        self._tasks.spawn(self._admission.admit(connection, credentials), [connection])

    def renew(self, connection: Connection, credentials: Credentials) -> None:
        """Verify fresh credentials of an open connection. The outcome is performed as effects of its session."""
        self._tasks.spawn(self._renewal.renew(connection, credentials), [connection])

    def read_log(self, connection: Connection, after: Position | None) -> None:
        """Read the log after a position for a connection. The reply is performed as effects of its session."""
        self.replay.request(connection, after)

    def leave(self, connection: Connection) -> None:
        """Remove a connection that is closed."""
        self.deadlines.cancel(connection)
        self.subscriptions.leave(connection)

    # -- all connections

    async def drain(self, seconds: float) -> None:
        """Refuse new connections, close all others spread over the given time, and return when they are closed."""
        self._admission.draining = True
        await drain.drain(self.deadlines, seconds)

    async def start_over(self) -> None:
        """Make every client fetch its inbox again and then reconnect, because the store was replaced."""
        for channel in self.subscriptions.channels():
            self.replay.subscription_interrupted(channel)
        await drain.close_after_store_replacement(self.deadlines)
