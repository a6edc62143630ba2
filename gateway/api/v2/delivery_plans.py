"""Delivery plans: by which steps a notification reaches a recipient, and how far they are."""

import asyncio
import time
from dataclasses import dataclass
from uuid import UUID, uuid5

import msgspec
from starlette.responses import Response

from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import Operation
from gateway.api.core.paging import PLACED_PAGING, Cursor, Links, Page, links, read_page
from gateway.api.core.problems import not_found
from gateway.api.core.query import Formed
from gateway.api.core.responses import json_response
from gateway.api.core.schema import ResponseSpec, Time, Uuid
from gateway.api.v1.identity import find_user
from gateway.api.v2.items import Item, decode_item
from gateway.domain.delivery_config import DeliveryConfig, DeliveryConfigs
from gateway.domain.delivery_plan import DeliveryPlan, Step, StepState, plan_of
from gateway.domain.errors import invalid
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.notification import UNCATEGORIZED, ItemId
from gateway.domain.preferences import Channel
from gateway.domain.principal import User
from gateway.domain.times import rfc3339
from gateway.store.delivery_configs import DeliveryConfigStore
from gateway.store.directory import Directory
from gateway.store.inbox import InboxStore
from gateway.store.jobs import JobStore
from gateway.store.project_events import FLUSH_SECONDS
from gateway.store.recipient_search import RecipientSearch

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
    started_at: Time | None
    completed_at: Time | None


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

    async def list_page(self, call: ProjectCall) -> Response:
        """Return how the delivery of a notification to its recipients proceeds.

        All recipients of a request have a notification of the same id. `user` names one of them. Without it, the page
        has all users who got the notification, in the order of delivery: of a broadcast as long as it is kept, of
        another notification as long as the project's events have it, and only if it went to ten users at most. The
        steps are the channels of the delivery config of the notification's category. A notification has a plan as long
        as it is in the recipient's inbox, so a page may be short. This version delivers to inboxes only, so a plan is
        completed when the notification is sent, and the steps of other channels are skipped.
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
        items = await self.inboxes.get_each(users, ItemId(notification_id.bytes))
        if query["user"] and items == [None]:
            raise not_found("Notification")
        configs = await self.configs.of_project(project_id)
        data = [
            _shown(notification_id, user, configs, decode_item(item))
            for user, item in zip(users, items, strict=True)
            if item is not None
        ]
        return json_response({"data": data, "links": _links(call, page, notification_id, users, first, total)})

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


def _plan(config: DeliveryConfig, item: Item) -> DeliveryPlan:
    """Return the plan of an item: the inbox has it, and the other channels are not used by this version."""
    sent_at = item.sent_at or 0
    skipped = {step.channel: Step(step.channel, StepState.SKIPPED, None, sent_at) for step in config.steps}
    stored = Step(Channel.IN_APP, StepState.DELIVERED, sent_at, sent_at)
    return plan_of(config, {**skipped, Channel.IN_APP: stored})


def _shown(notification_id: UUID, user: User, configs: DeliveryConfigs, item: Item) -> DeliveryPlanAnswer:
    plan = _plan(configs.of_category("" if item.category == UNCATEGORIZED else item.category), item)
    return DeliveryPlanAnswer(
        id=str(uuid5(notification_id, user.id)),
        notification_id=str(notification_id),
        user_id=user.id,
        category=item.category or None,
        topic=item.topic,
        status=plan.status.value,
        next_step=plan.next_step,
        started_at=rfc3339(plan.started_at) if plan.started_at is not None else None,
        completed_at=rfc3339(plan.completed_at) if plan.completed_at is not None else None,
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
