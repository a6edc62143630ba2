"""Composition: builds one worker, from its settings to its server. Nothing else in the gateway builds collaborators."""

import asyncio
import contextlib
import secrets
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.api.admin.parts import AdminParts
from gateway.api.binding import Api, ApiBuilder
from gateway.api.v1.imports import read_row
from gateway.auth.authenticator import Authenticator
from gateway.auth.inbox_tokens import InboxTokens
from gateway.delivery.senders import clients_of, senders_of
from gateway.domain.limits import Limit
from gateway.domain.outbound import OPERATOR
from gateway.domain.principal import Project, User
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.domain.proxy import Proxies
from gateway.domain.request_id import RequestIds
from gateway.jobs.broadcasts import Broadcaster
from gateway.jobs.deletion import ProjectDeletion
from gateway.jobs.events import JobEvents
from gateway.jobs.imports import Importer
from gateway.jobs.retention import RetentionLookup, Sweeper, SweepScheduler
from gateway.jobs.runner import JobRunner
from gateway.live import websocket
from gateway.live.dispatch import Dispatcher
from gateway.live.hub import Hub
from gateway.live.presence import PresenceAnswers
from gateway.runtime.fair_scheduler import FairScheduler
from gateway.runtime.outbound import OutboundHttp
from gateway.runtime.random_ids import new_epoch
from gateway.runtime.tasks import background_tasks
from gateway.sending.deliverer import Deliverer
from gateway.sending.inbox_rules import InboxRules
from gateway.sending.outbox import OutboxSender
from gateway.server.connection_events import ConnectionEventPublisher
from gateway.server.control_messages import ControlMessages
from gateway.server.ingress import HttpIngress
from gateway.server.metrics_listener import MetricsListener
from gateway.server.metrics_page import MetricsPage
from gateway.server.readiness import Readiness
from gateway.server.store_events import Restore, StoreEvents
from gateway.server.worker_reporter import WorkerReporter
from gateway.server.worker_server import WorkerServer
from gateway.settings import Settings
from gateway.store.activity import ActiveUsers
from gateway.store.audience import AudienceStore
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.connection_tails import ConnectionTails
from gateway.store.contents import ContentStore
from gateway.store.deferred_publications import DeferredPublications
from gateway.store.deletion import UserDeletion
from gateway.store.delivery_configs import DeliveryConfigStore
from gateway.store.directory import Directory
from gateway.store.erasure import Eraser
from gateway.store.event_log import LogRetention
from gateway.store.followed_inboxes import FollowedInboxes
from gateway.store.formats import FormatWatch
from gateway.store.idempotency import IdempotencyStore
from gateway.store.installations import InstallationStore
from gateway.store.integrations import IntegrationStore
from gateway.store.job_queue import JobQueue
from gateway.store.jobs import JobKind, JobStore
from gateway.store.lanes import LaneStore
from gateway.store.leftovers import Leftovers
from gateway.store.libraries import LibraryCleaner
from gateway.store.library import LIBRARY
from gateway.store.nodes import NodeStore
from gateway.store.presence import PresenceQuestions
from gateway.store.profiles import ProfileStore
from gateway.store.project_event_log import EventRetention, ProjectEventLog
from gateway.store.project_event_tails import EventTails
from gateway.store.project_events import ProjectEvents
from gateway.store.projects import ProjectStore
from gateway.store.quotas import Quotas, UsedFigures
from gateway.store.recipient_states import RecipientStates
from gateway.store.redis.client import FunctionClient, StoreUnavailableError
from gateway.store.redis.subscriber import Subscriber
from gateway.store.redis.topology import Topology
from gateway.store.store_metrics import StoreMetrics
from gateway.store.subscriptions import SubscriptionStore
from gateway.store.sweeps import SweepStore
from gateway.store.tokens import TokenStore
from gateway.store.trimming import ItemTrimmer
from gateway.store.usage import UsageWriter
from gateway.store.usage_counts import Milestone
from gateway.store.watch import StoreWatch
from gateway.store.webhook_endpoints import WebhookEndpointStore
from gateway.store.webhook_lanes import WebhookLanes
from gateway.telemetry import tallies
from gateway.telemetry.tracing import spans_if

if TYPE_CHECKING:
    from gateway.jobs.spans import JobSpans

SUBSCRIPTION_SECONDS = 2.0
"""The time that a worker waits for its subscription to Redis before it accepts connections."""


class Worker:
    """The parts of one worker process. The lifespan of its server runs them, inside the event loop.

    `restore` is called when the store has lost all of its projects. `restart` has the supervisor replace all workers;
    it is None for a worker without one. `metrics_sock` is the listening socket of metrics, if they have their own.
    """

    def __init__(
        self,
        settings: Settings,
        restore: Restore | None = None,
        restart: Callable[[], None] | None = None,
        metrics_sock: socket.socket | None = None,
    ):
        worker_id = secrets.token_hex(3)
        self.settings = settings
        self._restart = restart
        self._metrics_sock = metrics_sock
        self.spans = spans_if(settings.traces, worker_id, "worker")
        self.client = client = self._new_client(carries=True)
        # A separate client, because the others refuse every call while the format of the store is unknown.
        self._format_client = FunctionClient(Topology(settings), LIBRARY)
        # A separate client for the calls of jobs. On the client above, requests would wait behind thousands of calls of
        # a broadcast. So would the record of a finished step, without which a job's next step does not begin.
        self._job_client = self._new_client(carries=False)
        self.projects = ProjectStore(client, settings.secret_key)
        self._directory = Directory(client, time.monotonic)
        self._log_retention = LogRetention(settings.log_retention_events, settings.log_retention_seconds)
        self._contents = contents = ContentStore(client)
        self.webhook_endpoints = WebhookEndpointStore(client, settings.secret_key)
        self.webhook_lanes = WebhookLanes(LaneStore(client), self.webhook_endpoints)
        self._inboxes = FollowedInboxes(client, self._log_retention, contents, self.webhook_lanes)
        retention = EventRetention(settings.project_events, settings.project_events_seconds)
        self.event_log = ProjectEventLog(client, retention)
        self.events = ProjectEvents(self.event_log)
        self.events.webhooks = self.webhook_lanes
        self._inboxes.on_seen = partial(self.events.usage.reached, milestone=Milestone.SEEN)
        self._authenticator = Authenticator(
            self.projects,
            self._directory,
            TokenStore(client),
            time.time,
            settings.new_user_limits,
            InboxTokens(ChannelTokenStore(client), self._directory),
        )
        self.activity = ActiveUsers(client)
        self.subscriber = Subscriber(client, worker_id)
        self.tails = EventTails(self.subscriber)
        self.outbound = OutboundHttp(settings.outbound_rules)
        ca_file = Path(settings.provider_ca_file) if settings.provider_ca_file else None
        self._operators_outbound = OutboundHttp(OPERATOR, ca_file=ca_file)
        self.provider_clients = clients_of(settings)
        self._directory.on_created = self._user_created
        self.quotas = Quotas(UsedFigures(client, self._directory), self.events)
        self.projects.on_read = self._project_read
        self.projects.before_use = self.quotas.prepare
        self._directory.is_full = self.quotas.is_full
        self._directory.full_error = partial(self.quotas.refusal, limit=Limit.USERS)
        self.projects.receives_changes = self.subscriber.is_healthy
        self.delivery_configs = DeliveryConfigStore(client)
        self.integrations = IntegrationStore(client, settings.secret_key)
        self.integrations.on_changed = self.delivery_configs.forget
        self.outbox = OutboxSender(self._inboxes, LaneStore(client))
        for cache in (self.delivery_configs, self.integrations, self.webhook_endpoints):
            cache.receives_changes = self.subscriber.is_healthy
        self.idempotency = IdempotencyStore(client)
        self.sweeps = SweepScheduler(self.projects, SweepStore(client), JobStore(client), settings.item_retention)
        self.jobs = self._build_jobs(contents)
        scheduler = FairScheduler()
        self.hub = Hub(
            settings,
            self._authenticator,
            self._inboxes,
            self.activity,
            self.subscriber,
            new_epoch,
            worker_id,
            scheduler,
            self.events.usage,
            self._dispatcher,
        )
        self.usage = UsageWriter(client, self.events.usage)
        self.reporter = WorkerReporter(NodeStore(client), worker_id, self.hub, self.usage)
        self.hub.answer_questions(
            PresenceAnswers(client, worker_id, self.hub.figures, shows_peers=not settings.trusted_proxies)
        )
        self.connection_tails = ConnectionTails(self.subscriber, self.hub.figures.watch)
        self._connection_events = ConnectionEventPublisher(client, self.hub.figures)
        self.questions = PresenceQuestions(client, self.subscriber, worker_id)
        self._proxies = self.reporter.proxies = Proxies(settings.trusted_proxies, settings.public_url)
        self.formats = FormatWatch(self._format_client)
        self.watch = StoreWatch(client)
        self.deferred_publications = DeferredPublications(client)
        self._readiness = Readiness(self.hub, self.formats, self.watch, self.subscriber)
        self._metrics = MetricsPage(StoreMetrics(client), "gateway-1")
        self._connect_store(restore)
        api = self._build_api()
        self.asgi = api.asgi
        self.ingress = HttpIngress(
            self.hub,
            self._proxies,
            RequestIds(f"r{worker_id}{secrets.token_hex(3)}"),
            scheduler,
            head_seconds=settings.authentication_seconds,
            body_seconds=settings.body_seconds,
            direct_routes=api.direct_routes,
        )
        self.ingress.on_drain = self._end_tails

    def _resubscribed(self, channel: bytes) -> None:
        self.hub.replay.subscription_interrupted(channel)
        self.tails.interrupted(channel)

    def _end_tails(self) -> None:
        self.tails.end_all()
        self.connection_tails.end_all()

    def _other_messages(self, channel: bytes, messages: Sequence[bytes]) -> None:
        if channel == self.questions.channel:
            self.questions.on_messages(messages)
        elif not self.connection_tails.dispatch(channel, messages):
            self.tails.dispatch(channel, messages)

    def _project_read(self, project: Project) -> None:
        self.quotas.note(project)
        self.event_log.note(project)

    def _user_created(self, user: User) -> None:
        self.quotas.created(user)
        self.events.note(user.project_id, ProjectEvent(ProjectEventType.USER_CREATED, user.id))

    def _new_client(self, *, carries: bool) -> FunctionClient:
        """Return a client of its own connections. `carries`: whether its calls carry the trace of a request on."""
        topology = Topology(self.settings)
        if self.spans is None:
            return FunctionClient(topology, LIBRARY)
        from gateway.store.traced_client import TracedClient

        client = TracedClient(topology, LIBRARY, self.spans, carries=carries)
        client.has_webhooks = lambda project_id: not self.webhook_lanes.is_unused(project_id)
        return client

    def _dispatcher(self, *parts: Any) -> Dispatcher:
        if self.spans is None:
            return Dispatcher(*parts)
        from gateway.live.traced_dispatch import TracedDispatcher

        return TracedDispatcher(self.spans, *parts)

    def _job_spans(self) -> "JobSpans | None":
        if self.spans is None:
            return None
        from gateway.jobs.spans import JobSpans
        from gateway.store.span_contexts import SpanContexts

        return JobSpans(self.spans, SpanContexts(self.client))

    def _build_jobs(self, contents: ContentStore) -> JobRunner:
        client = self._job_client
        inboxes = FollowedInboxes(client, self._log_retention, contents, self.webhook_lanes)
        profiles, outbox = ProfileStore(client), OutboxSender(inboxes, LaneStore(client))
        queue, jobs = JobQueue(self.client), JobStore(self.client)
        retentions = RetentionLookup(self.projects, self.settings.item_retention)
        broadcaster = Broadcaster(
            jobs,
            self._directory,
            Deliverer(self._directory, inboxes, InboxRules(self.delivery_configs, self.events), outbox),
            profiles,
            contents,
            SubscriptionStore(client),
            retentions.of_project,
            AudienceStore(self.client),
            RecipientStates(client),
        )
        trimmer = ItemTrimmer(client, self._log_retention)
        sweeper = Sweeper(retentions, SweepStore(self.client), self._directory, trimmer, new_epoch)
        return JobRunner(
            queue,
            {
                JobKind.BROADCAST: broadcaster.work,
                JobKind.IMPORT: Importer(queue, self._directory, profiles, read_row).work,
                JobKind.DELETE_PROJECT: ProjectDeletion(Eraser(client, UserDeletion(client))).work,
                JobKind.RETENTION: sweeper.work,
            },
            events=JobEvents(jobs, self.events),
            spans=self._job_spans(),
        )

    def _connect_store(self, restore: Restore | None) -> None:
        """Connect the reports of the store to the parts that react to them."""
        control = ControlMessages(
            self._directory,
            self.projects,
            self.hub.revocation,
            self.activity,
            self.delivery_configs,
            self.integrations,
            self.webhook_endpoints,
            self._contents,
            self.jobs.wake,
            self.events.usage,
        )
        self.subscriber.on_control = control.apply
        self.hub.dispatcher.on_other = self._other_messages
        self.subscriber.on_resubscribed = self._resubscribed
        events = StoreEvents(control, self.hub, self.projects, restore)
        self.watch.on_known_store = self.projects.remember_all
        self.watch.on_empty = events.emptied
        self.watch.on_other_store = events.replaced
        for client in (self.client, self._job_client):
            client.on_unpublished = self.deferred_publications.note
            client.refusal = lambda: self.formats.problem

    def _build_api(self) -> Api:
        builder = ApiBuilder(
            settings=self.settings,
            client=self.client,
            proxies=self._proxies,
            authenticator=self._authenticator,
            log_retention=self._log_retention,
            projects=self.projects,
            directory=self._directory,
            delivery_configs=self.delivery_configs,
            outbox=self.outbox,
            integrations=self.integrations,
            webhook_endpoints=self.webhook_endpoints,
            webhook_lanes=self.webhook_lanes,
            outbound=self.outbound,
            operators_outbound=self._operators_outbound,
            inboxes=self._inboxes,
            contents=self._contents,
            activity=self.activity,
            event_log=self.event_log,
            events=self.events,
            quotas=self.quotas,
            tails=self.tails,
            questions=self.questions,
            connection_tails=self.connection_tails,
            idempotency=self.idempotency,
            admin=AdminParts(self.settings, self.client, self._operators_outbound),
            senders=senders_of(
                self.settings, self.provider_clients, InstallationStore(self.client, self.settings.secret_key)
            ),
            not_ready=self._readiness.reason_not_ready,
            read_metrics=self._metrics.read,
            new_epoch=new_epoch,
            spans=self.spans,
            restart=self._restart,
        )
        return builder.build(self._lifespan, websocket.PATH)

    def server(self, ready_fd: int | None = None) -> WorkerServer:
        """Build the server that serves this worker's application and live connections."""
        return WorkerServer(self.asgi, self.ingress, self.settings, ready_fd)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the background tasks of this worker until the block ends, then close its connections to Redis."""
        with contextlib.suppress(StoreUnavailableError):
            await self.formats.check()
            await self.client.load()  # later calls load it too, if Redis comes up after this worker
        try:
            async with background_tasks(self._background_work()):
                await self._await_subscription()
                yield
            await self.activity.add()
            await self.events.flush()
            await self.usage.write()
            with contextlib.suppress(StoreUnavailableError):
                await self.reporter.end()
            await self.outbox.flush()
            await self.outbound.close()
            await self._operators_outbound.close()
            await self.provider_clients.close()
        finally:
            for client in (self._format_client, self._job_client, self.client):
                client.close()
            if self.spans is not None:
                await self.spans.close()

    def _background_work(self) -> dict[str, Callable[[], Awaitable[None]]]:
        work: dict[str, Callable[[], Awaitable[None]]] = {}
        if self._metrics_sock is not None:
            listener = MetricsListener(self._metrics_sock, self._metrics.read, self._readiness.reason_not_ready)
            work["metrics-listener"] = listener.run
        return work | {
            "hub": self.hub.run,
            "http-deadlines": self.ingress.run,
            "jobs": self.jobs.run,
            "store-watch": self.watch.run,
            "sweeps": self.sweeps.run,
            "formats": self.formats.run,
            "deferred-publications": self.deferred_publications.run,
            "idempotency": self.idempotency.run,
            "libraries": LibraryCleaner(self.client, after_deletion=Leftovers(self.client).erase).run,
            "project-events": self.events.run,
            "usage": self.usage.run,
            "quotas": self.quotas.run,
            "reports": self.reporter.run,
            "connection-events": self._connection_events.run,
            "active-users": partial(self.activity.run, self.hub.users),
            "tallies": tallies.run,
        }

    async def _await_subscription(self) -> None:
        """Wait until control messages are received, for SUBSCRIPTION_SECONDS at most.

        A client that connects earlier would be refused. While Redis is down, clients are refused with a time to retry.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SUBSCRIPTION_SECONDS):
                while not self.subscriber.healthy:
                    await asyncio.sleep(0.01)

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Any) -> AsyncIterator[None]:
        async with self.running():
            yield
