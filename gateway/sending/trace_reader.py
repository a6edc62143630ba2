"""Reads what is known of one notification and one user, of which `domain/trace.py` makes the answer.

Nothing is stored for it besides what exists anyway: the item, the records of its deliveries, the events of the project,
and the record of a broadcast. So a trace tells less of a notification whose item is gone, and nothing of one that is
older than the events.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from gateway.domain.condition import ConditionError
from gateway.domain.delivery import NotificationDeliveries
from gateway.domain.delivery_config import DEFAULT, DEFAULT_KEY, DeliveryConfig
from gateway.domain.guard import UserDeletedError
from gateway.domain.notification import UNCATEGORIZED, ItemId, State
from gateway.domain.preferences import ALL_CATEGORIES, Channel, Preference, Status
from gateway.domain.principal import User
from gateway.domain.trace_facts import BroadcastFacts, Occurrence, TraceFacts
from gateway.sending.plans import decode_broadcast
from gateway.sending.recipients import Audience
from gateway.sending.trace_events import TraceEvents
from gateway.store.delivery_configs import DeliveryConfigStore, SavedConfig
from gateway.store.event_log import LogRetention
from gateway.store.inbox import InboxStore
from gateway.store.item_history import ItemHistory
from gateway.store.jobs import JobKind, JobStore
from gateway.store.lanes import LaneStore
from gateway.store.outbox import OutboxStore
from gateway.store.preferences import PreferenceStore
from gateway.store.project_event_log import ProjectEventLog
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.problems import decoding
from gateway.store.subscriptions import SubscriptionStore
from gateway.store.user_pages import UserPages, UserSummary

_REACHED_AT_ONCE = 5_000
_MAX_REACHED = 100_000
"""How many recipients of a broadcast are searched for the user."""

_PHONE_DIGITS = 7


class _Item(msgspec.Struct):
    """An item as the store returns it. Times are unix seconds."""

    category: str = ""
    topic: str | None = None
    sent_at: int | None = None
    seen_at: int | None = None
    read_at: int | None = None
    archived_at: int | None = None


_decode_item = msgspec.json.Decoder(_Item).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceReader:
    """Reads the facts of traces from the stores. Methods raise StoreUnavailableError."""

    inboxes: InboxStore
    outboxes: OutboxStore
    lanes: LaneStore
    history: ItemHistory
    events: TraceEvents
    jobs: JobStore
    configs: DeliveryConfigStore
    preferences: PreferenceStore
    subscriptions: SubscriptionStore
    users: UserPages
    unix: Callable[[], float] = time.time

    async def facts(self, user: User, notification_id: UUID, *, deleted_ms: int | None = None) -> TraceFacts:
        """Return what is known. `deleted_ms` is when the user was deleted, None for a user who exists."""
        project_id, item_id = user.project_id, ItemId(notification_id.bytes)
        item, deliveries, item_deleted_ms = None, None, None
        if deleted_ms is None:
            item = await self._item(user, item_id)
            try:
                deliveries = await self.outboxes.read(user, item_id)
                item_deleted_ms = await self.history.deleted_ms(user, item_id) if item is None else None
            except UserDeletedError:
                deleted_ms = int(self.unix() * 1000)
        (summary,) = await self.users.summaries([user])
        broadcast, shown = await self._broadcast(user, notification_id, summary, is_wanted=item is None)
        events = await self.events.read(user, notification_id)
        content = item or _unlisted(deliveries) or shown or _kept_out(events.occurrences)
        known = content or _Item()
        config, conditions = _config(await self.configs.read(project_id), known.category)
        return TraceFacts(
            now_ms=int(self.unix() * 1000),
            who=_who(user, summary),
            sent_ms=_sent_ms(known, notification_id),
            item=State(item.seen_at, item.read_at, item.archived_at) if item is not None else None,
            deleted_ms=item_deleted_ms,
            stored=events.stored,
            others=events.others,
            recipients=events.recipients,
            is_content_known=content is not None,
            category=known.category,
            topic=known.topic or "",
            user_created_ms=summary.created_at * 1000 if summary.created_at is not None else None,
            user_deleted_ms=deleted_ms or events.user_deleted_ms,
            preference=await self._preference(user, known.category, is_deleted=deleted_ms is not None),
            preferences_changed_ms=await self._preferences_changed_ms(user, notification_id, events.occurrences),
            subscription=await self._subscription(user, known, is_deleted=deleted_ms is not None),
            config=config,
            conditions=conditions,
            deliveries=deliveries if deliveries is None or _tells(deliveries) else None,
            lanes={each.lane.route: each for each in await self.lanes.of_project(project_id)},
            broadcast=broadcast,
            occurrences=events.occurrences,
        )

    async def _item(self, user: User, item_id: ItemId) -> _Item | None:
        try:
            encoded = await self.inboxes.get(user, item_id)
        except UserDeletedError:
            return None
        if encoded is None:
            return None
        with decoding("a notification"):
            return _decode_item(encoded)

    async def _preference(self, user: User, category: str, *, is_deleted: bool) -> Preference:
        if is_deleted:
            return Preference()
        return (await self.preferences.read(user)).get(category, Preference())

    async def _preferences_changed_ms(
        self, user: User, notification_id: UUID, occurrences: Sequence[Occurrence]
    ) -> int | None:
        """Return when the user changed preferences, if a preference kept the notification out."""
        if not any(each.rule == "preference" for each in occurrences):
            return None
        return await self.events.preferences_changed_ms(user, notification_id)

    async def _subscription(self, user: User, known: _Item, *, is_deleted: bool) -> Status | None:
        if is_deleted or not known.topic:
            return None
        found = await self.subscriptions.of_topic(user, known.topic)
        subscription = found.get(known.category) or found.get(ALL_CATEGORIES)
        return subscription.status if subscription is not None else None

    # ---- broadcasts

    async def _broadcast(
        self, user: User, notification_id: UUID, summary: UserSummary, *, is_wanted: bool
    ) -> tuple[BroadcastFacts | None, _Item | None]:
        """Return the broadcast that sent it, with what it shows; None for both if none did."""
        record = await self.jobs.read(JobKind.BROADCAST, user.project_id, str(notification_id))
        if record is None:
            return None, None
        with decoding("a broadcast"):
            plan = decode_broadcast(record.payload)
        shown = _Item(plan.shown.stored_category, plan.shown.topic or None, plan.moment.now_ms // 1000)
        named = [each for each in plan.recipients if each.is_named]
        names = {user.external_id, user.email} - {None}
        audience = _audience(plan.recipients)
        total = record.counts.get("total", 0)
        return (
            BroadcastFacts(
                record.created_ms,
                record.status,
                total,
                record.counts.get("failures", 0),
                await self._is_reached(user, notification_id) if is_wanted else True,
                any({each.identity.external_id, each.identity.email} & names for each in named),
                audience is not None and audience.matches(_profile(user, summary)),
                audience is not None and audience.subscribers,
            ),
            shown,
        )

    async def _is_reached(self, user: User, notification_id: UUID) -> bool | None:
        first, total = 0, 1
        while first < min(total, _MAX_REACHED):
            total, ids = await self.jobs.read_reached(user.project_id, str(notification_id), first, _REACHED_AT_ONCE)
            if user.id in ids:
                return True
            first += _REACHED_AT_ONCE
        return False if total <= _MAX_REACHED else None


def trace_reader(
    client: FunctionClient,
    *,
    inboxes: InboxStore,
    outboxes: OutboxStore,
    log: ProjectEventLog,
    configs: DeliveryConfigStore,
    log_retention: LogRetention,
) -> TraceReader:
    """Return a reader with stores of its own beside the given ones."""
    return TraceReader(
        inboxes=inboxes,
        outboxes=outboxes,
        lanes=LaneStore(client),
        history=ItemHistory(client),
        events=TraceEvents(log),
        jobs=JobStore(client),
        configs=configs,
        preferences=PreferenceStore(client, log_retention),
        subscriptions=SubscriptionStore(client),
        users=UserPages(client),
    )


def _who(user: User, summary: UserSummary) -> str:
    """Return the name of a user in sentences: no address, and no phone number."""
    for name in (summary.attributes["first_name"], user.external_id):
        if isinstance(name, str) and name.strip() and "@" not in name and not _is_number(name):
            return name.strip()
    return "the user"


def _is_number(name: str) -> bool:
    return sum(character.isdigit() for character in name) >= _PHONE_DIGITS


def _profile(user: User, summary: UserSummary) -> Mapping[str, Any]:
    return {"external_id": user.external_id, "email": user.email, **summary.attributes}


def _tells(deliveries: NotificationDeliveries) -> bool:
    """Return whether there is more than the item."""
    return bool(deliveries.entries or deliveries.left_out or not deliveries.is_in_inbox)


def _unlisted(deliveries: NotificationDeliveries | None) -> _Item | None:
    """Return what is known of a notification that is in no inbox, but is sent."""
    if deliveries is None or not deliveries.content:
        return None
    with decoding("a notification"):
        return _decode_item(deliveries.content)


def _kept_out(occurrences: Sequence[Occurrence]) -> _Item | None:
    """Return what the event of a rule tells of a notification that never became an item, None without a category."""
    found = next((each for each in occurrences if each.category or each.topic), None)
    return _Item(found.category, found.topic or None) if found is not None else None


def _sent_ms(known: _Item, notification_id: UUID) -> int | None:
    """Return when the request was accepted. The id of a notification begins with that time (RFC 9562, version 7)."""
    if known.sent_at is not None:
        return known.sent_at * 1000
    return notification_id.int >> 80 if notification_id.version == 7 else None


def _config(saved: Mapping[str, SavedConfig], category: str) -> tuple[DeliveryConfig, dict[Channel, str]]:
    """Return the config that applies to a category, and the texts of its conditions."""
    for key in (category or UNCATEGORIZED, DEFAULT_KEY):
        if (one := saved.get(key)) is not None:
            texts = {Channel(each.channel): each.condition for each in one.channels if each.condition is not None}
            return one.config(key), texts
    return DEFAULT, {}


def _audience(recipients: Sequence[Any]) -> Audience | None:
    try:
        return Audience.of(recipients)
    except ConditionError:
        return None
