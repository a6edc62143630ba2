"""The only place that builds things: one worker, from its settings to a running server."""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

from gateway.api.core.bodies import BodyBudget
from gateway.api.core.operation import Services
from gateway.api.core.routing import application
from gateway.api.operations import OPERATIONS
from gateway.api.v1.imports import read_row
from gateway.auth.authenticator import Authenticator
from gateway.auth.workspaces import WorkspaceAuthenticator, WorkspaceTokens
from gateway.domain.principal import ProjectId, UserId
from gateway.domain.proxy import Proxies
from gateway.domain.request_id import RequestIds
from gateway.jobs.broadcasts import Broadcaster
from gateway.jobs.deletion import Deletion
from gateway.jobs.imports import Importer
from gateway.jobs.retention import Retentions, Sweeper, SweepScheduler
from gateway.jobs.runner import JobRunner
from gateway.live import websocket
from gateway.live.hub import Hub
from gateway.runtime.fair_scheduler import FairScheduler
from gateway.runtime.tasks import keep_running
from gateway.sending.deliverer import Deliverer
from gateway.sending.sender import Sender
from gateway.server.ingress import HttpIngress
from gateway.server.worker_server import WorkerServer
from gateway.settings import Settings
from gateway.store.activity import ActiveUsers
from gateway.store.admin_limits import AdminLimits
from gateway.store.categories import CategoryStore
from gateway.store.contents import ContentStore
from gateway.store.deletion import UserDeletion
from gateway.store.devices import DeviceStore
from gateway.store.directory import CONTROL_USER, Directory
from gateway.store.erasure import Eraser
from gateway.store.formats import FormatWatch
from gateway.store.idempotency import IdempotencyStore
from gateway.store.inbox import InboxStore, Retention
from gateway.store.jobs import CONTROL_JOBS, JobKind, JobQueue, JobStore
from gateway.store.library import LIBRARY
from gateway.store.preferences import PreferenceStore
from gateway.store.profiles import ProfileStore
from gateway.store.projects import CONTROL_PROJECT, CONTROL_PROJECT_DELETED, ProjectStore
from gateway.store.redis.client import FunctionClient, StoreUnavailableError
from gateway.store.redis.subscriber import Subscriber
from gateway.store.redis.topology import Topology
from gateway.store.reminders import Reminders
from gateway.store.subscriptions import SubscriptionStore
from gateway.store.sweeps import SweepStore
from gateway.store.tokens import TokenStore
from gateway.store.watch import StoreWatch
from gateway.store.workspaces import WorkspaceStore
from gateway.telemetry.logs import log

RESTORE_SECONDS = 0.5

HEAR_SECONDS = 2.0
"""How long a worker waits for Redis before it takes connections."""


def new_epoch() -> str:
    """Name the life of a new log: short, because it is in every position, and never used before."""
    return f"{random.getrandbits(32):08x}"


Restore = Callable[[ProjectStore], Awaitable[None]]
"""Brings back the projects that the settings name, when the store has lost all of its."""


class Worker:
    """Everything one worker process is made of. `running` must be entered inside the event loop."""

    def __init__(self, settings: Settings, restore: Restore | None = None):
        worker_id = secrets.token_hex(3)
        self.settings = settings
        self._restore = restore
        client = FunctionClient(Topology(settings), LIBRARY)
        self.client = client
        self.projects = ProjectStore(client, settings.secret_key)
        directory = Directory(client, time.monotonic)
        tokens = TokenStore(client)
        authenticator = Authenticator(self.projects, directory, tokens, time.time, settings.new_user_limits)
        retention = Retention(settings.log_retention_events, settings.log_retention_seconds)
        contents = ContentStore(client)
        inboxes = InboxStore(client, retention, contents)
        subscriptions = SubscriptionStore(client)
        categories = CategoryStore(client, time.monotonic)
        self.subscriber = Subscriber(settings, client, worker_id)
        # By a client that is not refused, when all others are.
        self._looking = FunctionClient(Topology(settings), LIBRARY)
        self.formats = FormatWatch(self._looking)
        self.reminders = Reminders(client)
        self.idempotency = IdempotencyStore(client)
        self.jobs = self._build_jobs(settings, retention, directory, contents)
        self.sweeps = SweepScheduler(self.projects, SweepStore(client), JobStore(client), settings.item_retention)
        self.watch = StoreWatch(client)
        self.watch.on_empty = self._on_empty_store
        self.watch.on_known_store = self.projects.learn_known
        self.watch.on_other_store = self._on_other_store
        self.projects.receives_changes = lambda: self.subscriber.healthy
        self.subscriber.on_control = self._on_control
        self._directory = directory
        self.activity = ActiveUsers(client)
        scheduler = FairScheduler()
        self.hub = Hub(
            settings, authenticator, inboxes, self.activity, self.subscriber, new_epoch, worker_id, scheduler
        )
        proxies = Proxies(settings.trusted_proxies, settings.public_url)
        self.ingress = HttpIngress(
            self.hub,
            proxies,
            RequestIds(f"r{worker_id}{secrets.token_hex(3)}"),
            scheduler,
            head_seconds=settings.authentication_seconds,
            body_seconds=settings.body_seconds,
        )
        services = Services(
            settings,
            proxies,
            authenticator,
            WorkspaceAuthenticator(WorkspaceTokens(settings.secret_key), WorkspaceStore(client)),
            self.projects,
            tokens,
            self.activity,
            directory,
            inboxes,
            ProfileStore(client),
            UserDeletion(client),
            AdminLimits(client),
            Sender(Deliverer(directory, inboxes), directory, categories, JobStore(client)),
            self.idempotency,
            categories,
            PreferenceStore(client, retention),
            subscriptions,
            DeviceStore(client),
            JobStore(client),
            BodyBudget(settings.max_body_bytes),
            new_epoch,
            self._not_ready,
        )
        for each in (client, self.background):
            each.on_unpublished = self.reminders.note
            each.refusal = lambda: self.formats.problem
        self.asgi = application(OPERATIONS, services, self._lifespan, websocket.PATH)

    def _build_jobs(
        self, settings: Settings, retention: Retention, directory: Directory, contents: ContentStore
    ) -> JobRunner:
        # On a connection of their own, so that neither requests wait behind thousands of a broadcast's calls, nor the
        # record of what is done, without which the next step does not begin.
        self.background = client = FunctionClient(Topology(settings), LIBRARY)
        inboxes, profiles = InboxStore(client, retention, contents), ProfileStore(client)
        queue, jobs = JobQueue(self.client), JobStore(self.client)
        retentions = Retentions(self.projects, settings.item_retention)
        broadcaster = Broadcaster(
            jobs,
            directory,
            Deliverer(directory, inboxes),
            profiles,
            contents,
            SubscriptionStore(client),
            retentions.of_project,
        )
        sweeper = Sweeper(retentions, SweepStore(self.client), directory, inboxes, new_epoch)
        return JobRunner(
            queue,
            {
                JobKind.BROADCAST: broadcaster.work,
                JobKind.IMPORT: Importer(queue, directory, profiles, read_row).work,
                JobKind.DELETE_PROJECT: Deletion(Eraser(client, UserDeletion(client))).work,
                JobKind.RETENTION: sweeper.work,
            },
        )

    def server(self, ready_fd: int | None = None) -> WorkerServer:
        """Build the server that serves this worker's application and live connections."""
        return WorkerServer(self.asgi, self.ingress, self.settings, ready_fd)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Connect, serve the live side in the background, and take everything down at the end."""
        with contextlib.suppress(StoreUnavailableError):
            await self.formats.look()
            await self.client.load()  # later calls load it too: Redis may come up after us
        tasks = [
            asyncio.create_task(keep_running("hub", self.hub.run), name="hub"),
            asyncio.create_task(keep_running("http-deadlines", self.ingress.run), name="http-deadlines"),
            asyncio.create_task(keep_running("jobs", self.jobs.run), name="jobs"),
            asyncio.create_task(keep_running("store-watch", self.watch.run), name="store-watch"),
            asyncio.create_task(keep_running("sweeps", self.sweeps.run), name="sweeps"),
            asyncio.create_task(keep_running("formats", self.formats.run), name="formats"),
            asyncio.create_task(keep_running("reminders", self.reminders.run), name="reminders"),
            asyncio.create_task(keep_running("idempotency", self.idempotency.run), name="idempotency"),
        ]
        counting = partial(self.activity.run, self.hub.users)
        activity = asyncio.create_task(keep_running("active-users", counting), name="active_users")
        try:
            with contextlib.suppress(TimeoutError):
                # Who comes a moment before we hear Redis would be sent away. If it does not come up they are, in time.
                async with asyncio.timeout(HEAR_SECONDS):
                    while not self.subscriber.healthy:
                        await asyncio.sleep(0.01)
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.activity.stop(activity)
            self._looking.close()
            self.background.close()
            self.client.close()

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Any) -> AsyncIterator[None]:
        async with self.running():
            yield

    def _on_control(self, message: bytes) -> None:
        """Forget what another node says has changed; everything when some message may have been missed."""
        match message.decode(errors="replace").split(" "):
            case [word] if word == CONTROL_JOBS:
                self.jobs.wake()
            case [word, project_id, user_id] if word == CONTROL_USER:
                self._directory.forget_cached(ProjectId(project_id), UserId(user_id))
            case [word, api_key] if word == CONTROL_PROJECT:
                self.projects.cache.forget(api_key)
                self.hub.revocation.project_changed(api_key)
            case [word, api_key, project_id] if word == CONTROL_PROJECT_DELETED:
                self.projects.cache.forget_deleted(api_key)
                self.hub.revocation.project_changed(api_key)
                self.activity.forget(ProjectId(project_id))
            case _:
                self._forget_all()

    def _forget_all(self) -> None:
        self._directory.forget_all()
        self.projects.cache.forget_all()
        self.hub.revocation.all_projects_changed()
        self.jobs.wake()

    async def _on_empty_store(self) -> None:
        self._forget_all()
        if self._restore is not None:
            await asyncio.sleep(random.uniform(0, RESTORE_SECONDS))  # one worker of all is to be first
            await self._restore(self.projects)

    async def _on_other_store(self) -> None:
        log.warning("store_replaced", store=self.watch.store_name)
        self._forget_all()
        await self.hub.start_over()

    def _not_ready(self) -> str:
        if self.hub.draining:
            return "draining"
        if self.formats.problem is not None:
            return "store_format_unknown"
        problem = self.watch.problem
        if problem is not None and problem.answered:
            return problem.code.kind.code
        return "" if self.subscriber.healthy else "redis_unavailable"
