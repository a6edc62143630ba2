"""Delivery plans: by which steps a notification reaches a recipient, and how far they are."""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID, uuid5

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import Operation
from gateway.api.core.paging import PLACED_PAGING, Cursor, Links, Page, links, read_page
from gateway.api.core.problems import not_found
from gateway.api.core.query import Formed
from gateway.api.core.responses import json_response
from gateway.api.core.schema import ResponseSpec, Time, Uuid
from gateway.api.v1.identity import find_user
from gateway.api.v2.items import decode_item
from gateway.domain.delivery import NotificationDeliveries
from gateway.domain.delivery_config import DEFAULT, DeliveryConfigs
from gateway.domain.delivery_plan import DeliveryPlan, plan_of
from gateway.domain.delivery_steps import steps_of
from gateway.domain.errors import invalid
from gateway.domain.guard import UserDeletedError
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.notification import UNCATEGORIZED, ItemId
from gateway.domain.principal import User
from gateway.domain.times import rfc3339
from gateway.store.delivery_configs import DeliveryConfigStore
from gateway.store.directory import Directory
from gateway.store.inbox import InboxStore
from gateway.store.jobs import JobStore
from gateway.store.outbox import OutboxStore
from gateway.store.project_events import FLUSH_SECONDS
from gateway.store.recipient_search import RecipientSearch
from gateway.store.redis.problems import decoding

_JUST_SENT_MS = 2_000

RECIPIENT = (
    Formed(
        "user",
        "The recipient: the user's id, or `external_id:…` or `email:…`. Without it, all users who got the "
        "notification.",
        "at most 300 characters",
        r"[\s\S]{1,300}",
    ),
    *PLACED_PAGING,
)

NAME_THE_RECIPIENT = "Name its recipient: `?user=external_id:…`, `?user=email:…` or `?user=<id>`."


class DeliveryPlanAnswer(msgspec.Struct):
    """The delivery of a notification to one user.

    `next_step` is the place of the first step that has not ended, from 0. Once all have, it is the number of steps.
    """

    id: Uuid
    notification_id: Uuid
    user_id: Uuid
    category: str | None
    topic: str | None
    status: str
    next_step: int
    started_at: Time | UnsetType = UNSET
    completed_at: Time | UnsetType = UNSET


class DeliveryPlanList(msgspec.Struct):
    """A page of the delivery plans of a notification, in the order of delivery."""

    data: list[DeliveryPlanAnswer]
    links: Links


FOUND = ResponseSpec(200, "A page", DeliveryPlanList)


@dataclass(frozen=True, slots=True)
class DeliveryPlansResource:
    """The operation on delivery plans, with the stores that it uses."""

    configs: DeliveryConfigStore
    inboxes: InboxStore
    directory: Directory
    jobs: JobStore
    search: RecipientSearch
    outboxes: OutboxStore

    async def list_page(self, call: ProjectCall) -> Response:
        """Return how the delivery of a notification to its recipients proceeds.

        All recipients of a request have a notification of the same id. `user` names one of them. Without it, the page
        has all users who got the notification, in the order of delivery: of a broadcast as long as it is kept, of
        another notification as long as the project's events have it, and only if it went to ten users at most. The
        steps are the inbox and the channels of the delivery config of the notification's category, as far as they are
        used. A channel by which nothing was to be sent is a step that was skipped at once. A notification has a plan as
        long as it is in the recipient's inbox, or is sent on other channels only, so a page may be short.
        """
        notification_id = call.uuid("id", "Notification")
        query, project_id = call.query(), call.project.id
        page = read_page(query)
        if query["user"]:
            users, first, total = [await find_user(self.directory, project_id, query["user"])], 0, 1
        else:
            first, count = _wanted(page)
            total, ids = await self.jobs.read_reached(project_id, str(notification_id), first, count)
            if not total:
                found = await self._logged_recipients(project_id, notification_id)
                total, ids = len(found), found[first : first + count]
            users = [User(project_id, user_id, None, None) for user_id in ids]
        if not total:
            raise not_found("Notification", NAME_THE_RECIPIENT)
        item_id = ItemId(notification_id.bytes)
        items = await self.inboxes.get_each(users, item_id)
        deliveries = await asyncio.gather(*(self._deliveries(user, item_id) for user in users))
        configs = await self.configs.of_project(project_id)
        data = [
            _shown(notification_id, user, configs, shown, known)
            for user, item, known in zip(users, items, deliveries, strict=True)
            if (shown := _notification(notification_id, item, known)) is not None
        ]
        if query["user"] and not data:
            raise not_found("Notification")
        return json_response({"data": data, "links": _links(call, page, notification_id, users, first, total)})

    async def _deliveries(self, user: User, item_id: ItemId) -> NotificationDeliveries | None:
        with contextlib.suppress(UserDeletedError):
            return await self.outboxes.read(user, item_id)
        return None

    async def _logged_recipients(self, project_id: ProjectId, notification_id: UUID) -> list[UserId]:
        found = await self.search.recipients(project_id, notification_id)
        if not found and abs(time.time() * 1000 - (notification_id.int >> 80)) < _JUST_SENT_MS:
            await asyncio.sleep(2 * FLUSH_SECONDS)  # their events may be on their way to the log
            found = await self.search.recipients(project_id, notification_id)
        return found


def _wanted(page: Page) -> tuple[int, int]:
    """Return the place of the first user of a page, and the number of its users. Raises ApiError 422."""
    text = page.after or page.before
    if text is None:
        return 0, page.size
    place = Cursor.parse(text).place
    if place is None:
        raise invalid(f"Param 'page[{'after' if page.after else 'before'}]' must be a cursor of `links`")
    first = place + 1 if page.after else max(0, place - page.size)
    return first, page.size if page.after else place - first


def _links(
    call: ProjectCall, page: Page, notification_id: UUID, users: list[User], first: int, total: int
) -> dict[str, str | None]:
    """Return the links of a page of users, whose first one has the place `first` of `total`."""
    end = first + len(users)
    newer = f"{uuid5(notification_id, users[0].id)}.{first}" if users and first else None
    older = f"{uuid5(notification_id, users[-1].id)}.{end - 1}" if users and end < total else None
    path = call.forwarded.prefix + call.request.path
    return links(path, call.request.query_params.multi_items(), page.size, newer, older)


class _Notification(NamedTuple):
    """What a plan needs of a notification."""

    category: str
    topic: str | None
    sent_at: int


def _notification(
    notification_id: UUID, item: bytes | None, deliveries: NotificationDeliveries | None
) -> _Notification | None:
    """Return a notification that is in the inbox, or only sent on other channels, None for neither.

    The id of the latter begins with the time of its request (RFC 9562, version 7).
    """
    if item is not None:
        found = decode_item(item)
        return _Notification(found.category, found.topic, found.sent_at or 0)
    if deliveries is None or not deliveries.entries:
        return None
    with decoding("a notification"):
        content = msgspec.json.decode(deliveries.content or b"{}", type=_Content)
    return _Notification(content.category, content.topic, (notification_id.int >> 80) // 1000)


class _Content(msgspec.Struct):
    category: str = ""
    topic: str | None = None


def _shown(
    notification_id: UUID,
    user: User,
    configs: DeliveryConfigs,
    item: _Notification,
    deliveries: NotificationDeliveries | None,
) -> DeliveryPlanAnswer:
    config = configs.of_category("" if item.category == UNCATEGORIZED else item.category)
    steps = steps_of(deliveries, config, item.sent_at)
    plan = DeliveryPlan(tuple(steps.values())) if config is DEFAULT else plan_of(config, steps)
    return DeliveryPlanAnswer(
        id=str(uuid5(notification_id, user.id)),
        notification_id=str(notification_id),
        user_id=user.id,
        category=item.category or None,
        topic=item.topic,
        status=plan.status.value,
        next_step=plan.next_step,
        started_at=rfc3339(plan.started_at) if plan.started_at is not None else UNSET,
        completed_at=rfc3339(plan.completed_at) if plan.completed_at is not None else UNSET,
    )


OPERATIONS = [
    Operation(
        "GET",
        "/v2/notifications/{id}/deliveryplan",
        PROJECT,
        DeliveryPlansResource.list_page,
        "List delivery plans",
        FOUND,
        query=RECIPIENT,
    )
]
