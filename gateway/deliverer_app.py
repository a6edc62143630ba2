"""Composition of a process that delivers. It builds no API and no live connections, so it is smaller than a worker."""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from gateway.auth.unsubscribe_links import UnsubscribeLinks
from gateway.delivery.announcements import Announcements
from gateway.delivery.contexts import Contexts
from gateway.delivery.installed_templates import InstalledTemplates
from gateway.delivery.lane_work import LaneParts
from gateway.delivery.overrides import OverrideCache
from gateway.delivery.parked import ParkedLanes
from gateway.delivery.reports import Reports
from gateway.delivery.runner import DeliveryRunner
from gateway.delivery.senders import clients_of, senders_of
from gateway.delivery.webhook_sender import WebhookSender
from gateway.delivery.webhook_source import WebhookSource
from gateway.delivery.webhook_work import WebhookParts
from gateway.domain.errors import ErrorCode
from gateway.domain.ids import ProjectId
from gateway.runtime.tasks import background_tasks
from gateway.server.metrics_listener import MetricsListener
from gateway.server.metrics_page import MetricsPage
from gateway.server.reporter import Reporter
from gateway.settings import Settings
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.contents import ContentStore
from gateway.store.delivery_configs import CONTROL_DELIVERY, DeliveryConfigStore
from gateway.store.directory import Directory
from gateway.store.formats import FormatWatch
from gateway.store.installations import InstallationStore
from gateway.store.integrations import CONTROL_INTEGRATION, IntegrationStore
from gateway.store.lanes import LaneStore
from gateway.store.library import LIBRARY
from gateway.store.nodes import NodeStore
from gateway.store.outbox import OutboxStore
from gateway.store.overrides import OverrideStore
from gateway.store.project_event_log import EventRetention, ProjectEventLog
from gateway.store.project_events import ProjectEvents
from gateway.store.projects import ProjectStore
from gateway.store.redis.client import FunctionClient, StoreUnavailableError
from gateway.store.redis.subscriber import Subscriber
from gateway.store.redis.topology import Topology
from gateway.store.store_metrics import StoreMetrics
from gateway.store.usage import UsageWriter
from gateway.store.watch import StoreWatch
from gateway.store.webhook_endpoints import CONTROL_WEBHOOKS, WebhookEndpointStore
from gateway.store.webhook_lanes import WebhookLanes
from gateway.store.webhook_messages import WebhookMessageStore
from gateway.telemetry import tallies
from gateway.telemetry.logs import log
from gateway.telemetry.tracing import spans_if

if TYPE_CHECKING:
    from gateway.delivery.spans import DeliverySpans

READY_SECONDS = 0.05
"""How often a starting process checks whether it delivers."""

FLUSH_SECONDS = 2.0
"""How long a stopping process tries to write its last project events."""

NICENESS = 5
"""How much lower than that of the workers the priority of the process is. When processors are short, live events and
requests come first, and a delivery process still has a quarter of one."""


class Deliverer:
    """The parts of one process that delivers."""

    def __init__(self, settings: Settings, metrics_sock: socket.socket | None = None):
        """Create them. `metrics_sock` is the listening socket of metrics and probes, if there is one."""
        self.settings = settings
        self._metrics_sock = metrics_sock
        self._draining = False
        process_id = secrets.token_hex(3)
        self.spans = spans_if(settings.traces, process_id, "deliverer")
        self.client = client = FunctionClient(Topology(settings), LIBRARY)
        # A separate client, because the other refuses every call while the format of the store is unknown.
        self._format_client = FunctionClient(Topology(settings), LIBRARY)
        self.formats = FormatWatch(self._format_client)
        client.refusal = lambda: self.formats.problem
        self.watch = StoreWatch(client)
        self.subscriber = Subscriber(client, process_id)
        self.subscriber.on_control = self._control
        self._integrations = IntegrationStore(client, settings.secret_key)
        self._configs = DeliveryConfigStore(client)
        self._webhook_endpoints = WebhookEndpointStore(client, settings.secret_key)
        for cache in (self._integrations, self._configs, self._webhook_endpoints):
            cache.receives_changes = self.subscriber.is_healthy
        retention = EventRetention(settings.project_events, settings.project_events_seconds)
        self._event_log = ProjectEventLog(client, retention)
        self.events = ProjectEvents(self._event_log)
        self.usage = UsageWriter(client, self.events.usage)
        self._reporter = Reporter(NodeStore(client), process_id, "deliverer")
        self.clients = clients_of(settings)
        lanes = LaneStore(client)
        self._parked = ParkedLanes(lanes)
        installations = InstallationStore(client, settings.secret_key)
        projects = ProjectStore(client, settings.secret_key)
        projects.on_read = self._event_log.note
        self.runner = DeliveryRunner(
            LaneParts(
                lanes,
                OutboxStore(client, ContentStore(client), ChannelTokenStore(client)),
                Contexts(
                    projects,
                    self._integrations,
                    self._configs,
                    repeats_unknown=settings.delivery_repeats_unknown,
                    unsubscribe=UnsubscribeLinks(settings.secret_key, settings.public_url),
                ),
                OverrideCache(OverrideStore(client)),
                senders_of(settings, self.clients, installations),
                Reports(self.events),
                InstalledTemplates(installations),
                spans := self._delivery_spans(),
            ),
            self._webhooks(lanes, spans),
        )
        self._announcements = Announcements(lanes, self.subscriber, self.runner.announced, self.runner.wake)

    def _delivery_spans(self) -> "DeliverySpans | None":
        if self.spans is None:
            return None
        from gateway.delivery.spans import DeliverySpans
        from gateway.store.span_contexts import SpanContexts

        return DeliverySpans(self.spans, SpanContexts(self.client))

    def _webhooks(self, lanes: LaneStore, spans: "DeliverySpans | None") -> WebhookParts:
        client, endpoints = self.client, self._webhook_endpoints
        self.events.webhooks = webhooks = WebhookLanes(lanes, endpoints)
        messages, directory = WebhookMessageStore(client), Directory(client, time.monotonic)
        source = WebhookSource(
            endpoints, messages, ContentStore(client), self._event_log, directory, webhooks.wake, time.time
        )
        sender = WebhookSender(endpoints, messages, self.clients.tenants, self.events, time.time, spans=spans)
        return WebhookParts(lanes, source, sender)

    def _control(self, message: bytes) -> None:
        """Apply a control message to the caches. The kinds that concern no cache here are ignored."""
        match message.decode(errors="replace").split(" "):
            case [word, project_id] if word == CONTROL_DELIVERY:
                self._configs.forget(ProjectId(project_id))
            case [word, project_id, name] if word == CONTROL_INTEGRATION:
                self._integrations.forget(ProjectId(project_id), name)
                self.runner.wake()
            case [word, project_id] if word == CONTROL_WEBHOOKS:
                self._webhook_endpoints.forget(ProjectId(project_id))
            case [""]:
                self._configs.forget_all()
                self._integrations.forget_all()
                self._webhook_endpoints.forget_all()

    @property
    def is_ready(self) -> bool:
        """Return whether it claims what is due."""
        return self.runner.claimed_at > 0.0 and self.formats.problem is None

    def reason_not_ready(self) -> str:
        """Return the code of the reason why it does not deliver now, "" if it does."""
        if self._draining:
            return "draining"
        if self.formats.problem is not None:
            return ErrorCode.STORE_FORMAT_UNKNOWN.kind.code
        problem = self.watch.problem
        if problem is not None and problem.replied:
            return problem.code.kind.code
        return "" if self.is_ready and self.subscriber.healthy else ErrorCode.REDIS_UNAVAILABLE.kind.code

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver until the block ends. Then finish what is being sent, and close all connections."""
        with contextlib.suppress(StoreUnavailableError):
            await self.formats.check()
            await self.client.load()  # later calls load it too, if Redis comes up after this process
        try:
            async with background_tasks(self._background_work()):
                yield
                self._draining = True
                await self.runner.drain(self.settings.drain_seconds)
                with contextlib.suppress(TimeoutError, StoreUnavailableError):
                    async with asyncio.timeout(FLUSH_SECONDS):
                        await self.events.flush()
                        await self.usage.write()
                        await self._reporter.end()
            await self.clients.close()
        finally:
            for client in (self._format_client, self.client):
                client.close()
            if self.spans is not None:
                await self.spans.close()

    def _background_work(self) -> dict[str, Callable[[], Awaitable[None]]]:
        work: dict[str, Callable[[], Awaitable[None]]] = {}
        if self._metrics_sock is not None:
            page = MetricsPage(StoreMetrics(self.client), "delivery-1")
            work["metrics-listener"] = MetricsListener(self._metrics_sock, page.read, self.reason_not_ready).run
        return work | {
            "subscriber": self.subscriber.run,
            "deliveries": self.runner.run,
            "announcements": self._announcements.run,
            "parked-lanes": self._parked.run,
            "store-watch": self.watch.run,
            "formats": self.formats.run,
            "project-events": self.events.run,
            "usage": self.usage.run,
            "reports": self._reporter.run,
            "tallies": tallies.run,
        }

    async def serve(self, ready_fd: int | None = None) -> None:
        """Deliver until SIGTERM or SIGINT. Once it delivers, write one byte to `ready_fd` and close it."""
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        async with self.running():
            reporting = asyncio.create_task(self._report_ready(ready_fd), name="readiness")
            await stopped.wait()
            reporting.cancel()

    async def _report_ready(self, ready_fd: int | None) -> None:
        started = time.monotonic()
        while not self.is_ready:
            await asyncio.sleep(READY_SECONDS)
        if ready_fd is None:
            log.info("delivery_ready", seconds=round(time.monotonic() - started, 2))
            return
        with contextlib.suppress(OSError):  # the supervisor has died, and this process is about to
            os.write(ready_fd, b"1")
        os.close(ready_fd)


def run(settings: Settings, ready_fd: int | None = None, metrics_sock: socket.socket | None = None) -> None:
    """Run a process that delivers until a signal ends it. Live events on the same cores come first."""
    os.nice(NICENESS)
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):  # it does not exist for Windows
        from uvloop import new_event_loop as factory
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(Deliverer(settings, metrics_sock).serve(ready_fd))
