"""Delivery plans: by which steps a notification reaches a recipient, and how far they are."""

from dataclasses import dataclass
from uuid import UUID, uuid5

import msgspec
from starlette.responses import Response

from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import Operation
from gateway.api.core.problems import not_found
from gateway.api.core.query import Formed
from gateway.api.core.responses import json_response
from gateway.api.core.schema import ResponseSpec, Time, Uuid
from gateway.api.v1.identity import find_user
from gateway.api.v2.items import Item, decode_item
from gateway.api.v2.tokens import rfc3339
from gateway.domain.delivery_config import DeliveryConfig
from gateway.domain.delivery_plan import DeliveryPlan, Step, StepState, plan_of
from gateway.domain.notification import UNCATEGORIZED, ItemId
from gateway.domain.preferences import Channel
from gateway.domain.principal import ProjectId, User
from gateway.store.delivery_configs import DeliveryConfigStore
from gateway.store.directory import Directory
from gateway.store.inbox import InboxStore
from gateway.store.jobs import JobStore

RECIPIENT = (
    Formed(
        "user",
        "The recipient: the user's id, or `external_id:…` or `email:…`. Without it, the first user that a broadcast of "
        "this id reached.",
        "at most 300 characters",
        r"[\s\S]{1,300}",
    ),
)


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


FOUND = ResponseSpec(200, "The delivery plan", DeliveryPlanAnswer)


@dataclass(frozen=True, slots=True)
class DeliveryPlansResource:
    """The operation on delivery plans, with the stores that it uses."""

    configs: DeliveryConfigStore
    inboxes: InboxStore
    directory: Directory
    jobs: JobStore

    async def get(self, call: ProjectCall) -> Response:
        """Return how the delivery of a notification to a recipient proceeds.

        All recipients of a request have a notification of the same id, so `user` names one of them. Without it, the
        plan is that of the first user that a broadcast of this id reached. The steps are the channels of the delivery
        config of the notification's category. A notification has a plan as long as it is in the recipient's inbox. This
        version delivers to inboxes only, so the plan is completed when the notification is sent, and the steps of other
        channels are skipped.
        """
        notification_id = call.uuid("id", "Notification")
        name = call.query()["user"]
        project_id = call.project.id
        user = (
            await find_user(self.directory, project_id, name)
            if name
            else await self._first_reached(project_id, notification_id)
        )
        encoded = await self.inboxes.get(user, ItemId(notification_id.bytes))
        if encoded is None:
            raise not_found("Notification")
        item = decode_item(encoded)
        configs = await self.configs.of_project(project_id)
        plan = _plan(configs.of_category("" if item.category == UNCATEGORIZED else item.category), item)
        return json_response(_shown(notification_id, user, item, plan))

    async def _first_reached(self, project_id: ProjectId, notification_id: UUID) -> User:
        """Return the first user that a broadcast reached. Raises ApiError 404 if there is none."""
        _, reached = await self.jobs.read_reached(project_id, str(notification_id), 0, 1)
        if not reached:
            raise not_found(
                "Notification", "Name its recipient: `?user=external_id:…`, `?user=email:…` or `?user=<id>`."
            )
        return User(project_id, reached[0], None, None)


def _plan(config: DeliveryConfig, item: Item) -> DeliveryPlan:
    """Return the plan of an item: the inbox has it, and the other channels are not used by this version."""
    sent_at = item.sent_at or 0
    skipped = {step.channel: Step(step.channel, StepState.SKIPPED, None, sent_at) for step in config.steps}
    stored = Step(Channel.IN_APP, StepState.DELIVERED, sent_at, sent_at)
    return plan_of(config, {**skipped, Channel.IN_APP: stored})


def _shown(notification_id: UUID, user: User, item: Item, plan: DeliveryPlan) -> DeliveryPlanAnswer:
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
        DeliveryPlansResource.get,
        "Fetch a delivery plan",
        FOUND,
        query=RECIPIENT,
    )
]
