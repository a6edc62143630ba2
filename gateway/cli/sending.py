"""Sending from a process that is no worker: the parts of a worker that a send needs, for one command."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import click

from gateway.api.v1.sending import command_of
from gateway.domain.errors import ApiError
from gateway.domain.event import Position
from gateway.domain.ids import UserId
from gateway.domain.limits import Limit
from gateway.domain.notification import Filter, read_item_id
from gateway.domain.principal import Project, User
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.runtime.random_ids import new_epoch, new_uuid
from gateway.runtime.tasks import background_tasks
from gateway.sending.deliverer import Deliverer
from gateway.sending.errors import RecipientConflictError
from gateway.sending.inbox_rules import InboxRules
from gateway.sending.outbox import OutboxSender
from gateway.sending.plans import new_send_plan
from gateway.sending.recipients import conflict_message
from gateway.sending.sender import Sender
from gateway.settings import Settings
from gateway.store.categories import CategoryStore
from gateway.store.contents import ContentStore
from gateway.store.delivery_configs import DeliveryConfigStore
from gateway.store.directory import Directory
from gateway.store.event_log import LogRetention, Moment
from gateway.store.followed_inboxes import FollowedInboxes
from gateway.store.jobs import JobStore
from gateway.store.lanes import LaneStore
from gateway.store.overrides import OverrideStore
from gateway.store.presence import PresenceQuestions
from gateway.store.project_event_log import EventRetention, ProjectEventLog
from gateway.store.project_events import ProjectEvents
from gateway.store.quotas import Quotas, UsedFigures
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.subscriber import Subscriber
from gateway.store.usage import UsageWriter
from gateway.store.webhook_endpoints import WebhookEndpointStore
from gateway.store.webhook_lanes import WebhookLanes

REPORT_SECONDS = 1.0
"""How long open inboxes get to report that they have it, which takes them milliseconds."""

ASK_SECONDS = 0.1
"""How often they are asked."""


class Sent(NamedTuple):
    """What became of a notification: in how many `open` inboxes it was shown within the time of the command."""

    project: Project
    notification_id: str
    user_id: UserId
    is_new: bool
    in_inbox: bool
    open: int
    shown: int


class ShellSender:
    """Sends notifications as a worker does, and writes their events and figures before it returns.

    Methods raise StoreUnavailableError.
    """

    def __init__(self, settings: Settings, client: FunctionClient):
        self._client = client
        self._retention = settings.item_retention
        self._directory = Directory(client, time.monotonic)
        contents, lanes = ContentStore(client), LaneStore(client)
        webhooks = WebhookLanes(lanes, WebhookEndpointStore(client, settings.secret_key))
        log_retention = LogRetention(settings.log_retention_events, settings.log_retention_seconds)
        self._inboxes = FollowedInboxes(client, log_retention, contents, webhooks)
        kept = EventRetention(settings.project_events, settings.project_events_seconds)
        self._events = ProjectEvents(ProjectEventLog(client, kept))
        self._events.webhooks = webhooks
        self._usage = UsageWriter(client, self._events.usage)
        self._outbox = OutboxSender(self._inboxes, lanes)
        rules = InboxRules(DeliveryConfigStore(client), self._events)
        figures = UsedFigures(client, self._directory)
        self._quotas = quotas = Quotas(figures, self._events)
        self._directory.is_full = quotas.is_full
        self._directory.full_error = partial(quotas.refusal, limit=Limit.USERS)
        self._sender = Sender(
            Deliverer(self._directory, self._inboxes, rules, self._outbox),
            self._directory,
            CategoryStore(client, time.monotonic),
            JobStore(client),
            OverrideStore(client),
            rules.events,
            quotas,
        )
        self._created: set[UserId] = set()
        self._directory.on_created = self._note_created

    def _note_created(self, user: User) -> None:
        self._created.add(user.id)
        self._events.note(user.project_id, ProjectEvent(ProjectEventType.USER_CREATED, user.id))

    async def send(self, project: Project, fields: Mapping[str, Any], wait_seconds: float) -> Sent:
        """Send a notification to the one user that the checked fields name, and see which open inboxes have it.

        Raises ClickException if the external id and the email are of two users, or a limit of the project is reached.
        """
        command = command_of(fields)
        plan = new_send_plan(Moment(int(time.time() * 1000), new_epoch()))
        keep = project.item_retention(self._retention)
        self._quotas.note(project)
        await self._quotas.refresh()
        try:
            await self._sender.send(project.id, command, plan, keep, False)
        except ApiError as refusal:
            await self._events.flush()
            raise click.ClickException(str(refusal)) from None
        except RecipientConflictError as conflict:
            raise click.ClickException(conflict_message("", conflict.indexes[0])) from None
        user = await self._directory.resolve(project.id, command.recipients[0].identity)
        await self._events.flush()
        await self._usage.write()
        await self._outbox.flush()
        in_inbox = await self._inboxes.get(user, read_item_id(plan.id)) is not None
        is_open, shown = await self._shown(user, wait_seconds) if in_inbox else (0, 0)
        return Sent(project, plan.id, user.id, user.id in self._created, in_inbox, is_open, shown)

    async def _shown(self, user: User, wait_seconds: float) -> tuple[int, int]:
        """Return how many inboxes of a user are open, and how many of these have all of its events.

        With `wait_seconds`, it returns as soon as one has them.
        """
        position = (await self._inboxes.list_page(user, Filter(), 1, 1)).position
        deadline = time.monotonic() + max(wait_seconds, REPORT_SECONDS)
        async with self._questions() as questions:
            while True:
                found = await questions.ask(user)
                connections = [each for answer in found.answers for each in answer.connections]
                shown = sum(_has(each.position, position) for each in connections)
                is_done = shown == len(connections) and (shown or not wait_seconds)
                if is_done or time.monotonic() > deadline:
                    return sum(answer.total for answer in found.answers), shown
                await asyncio.sleep(ASK_SECONDS)

    @contextlib.asynccontextmanager
    async def _questions(self) -> AsyncIterator[PresenceQuestions]:
        """Yield what asks workers about connections, with a subscription to their answers."""
        name = f"send-{new_uuid()}"
        subscriber = Subscriber(self._client, name)
        questions = PresenceQuestions(self._client, subscriber, name)
        subscriber.on_messages = lambda channel, messages: questions.on_messages(messages)
        async with background_tasks({"subscriber": subscriber.run}):
            deadline = time.monotonic() + REPORT_SECONDS
            while not subscriber.healthy and time.monotonic() < deadline:
                await asyncio.sleep(0.01)
            yield questions


def _has(shown: str, position: Position | None) -> bool:
    """Return whether an inbox that was sent the events up to `shown` has those up to a position."""
    found = Position.parse(shown)
    return found is not None and position is not None and found.epoch == position.epoch and found >= position
