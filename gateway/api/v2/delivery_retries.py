"""Retries of single deliveries."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from starlette.responses import Response

from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.idempotency import Idempotency
from gateway.api.core.operation import AnyOperation, Operation
from gateway.api.core.problems import not_found
from gateway.api.core.responses import encode
from gateway.api.core.schema import Errors, ResponseSpec, Uuid
from gateway.api.v1.identity import find_user
from gateway.domain.delivery import EntryRecord, Known, Lane, NotificationDeliveries
from gateway.domain.delivery_retry import NotRetryableError, retried
from gateway.domain.errors import ErrorCode, api_error
from gateway.domain.notification import ItemId
from gateway.domain.principal import User
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.store.directory import Directory
from gateway.store.lanes import LaneStore
from gateway.store.outbox import OutboxStore
from gateway.store.project_events import ProjectEvents


class RetriedDelivery(msgspec.Struct):
    """A delivery that begins anew. The trace of the notification tells what becomes of it."""

    notification_id: Uuid
    user_id: Uuid
    channel: str


RETRIED = ResponseSpec(201, "It is sent again", RetriedDelivery)
REFUSED = ResponseSpec(409, "The delivery cannot be retried", Errors)


@dataclass(frozen=True, slots=True)
class DeliveryRetriesResource:
    """The operation that retries a delivery, with the stores that it uses."""

    outboxes: OutboxStore
    lanes: LaneStore
    directory: Directory
    events: ProjectEvents
    idempotency: Idempotency

    async def retry(self, call: ProjectCall) -> Response:
        """Send a notification to a user on one channel again, after the delivery has failed or was skipped.

        Destinations that got the message do not get it again, and the schedule begins anew. A delivery that has not
        ended, or that succeeded, is a 409 with the reason. So is one that was skipped because the notification was
        read. After an unknown outcome, the user may get the message twice.
        """
        user = await find_user(self.directory, call.project.id, call.text("user"))
        notification_id = call.uuid("id", "Notification")
        channel = call.text("channel")

        async def work(plan: bytes, repeatable: bool) -> bytes:
            found = await self.outboxes.read(user, ItemId(notification_id.bytes))
            if found is None:
                raise not_found("Notification")
            for entry, record in _retryable(found, channel):
                await self._retry(user, ItemId(notification_id.bytes), entry, record)
            context = {"notification_id": str(notification_id), "channel": channel}
            event = ProjectEvent(ProjectEventType.DELIVERY_RETRIED, user.id, context)
            await self.events.write(call.project.id, event)
            return encode({"notification_id": str(notification_id), "user_id": user.id, "channel": channel})

        return await self.idempotency.once(call, b"", b"", work)

    async def _retry(self, user: User, item_id: ItemId, entry: Known, record: EntryRecord) -> None:
        if not await self.outboxes.retry(user, item_id, entry, record):
            raise api_error(ErrorCode.DELIVERY_NOT_RETRYABLE, "It has changed meanwhile")
        await self.lanes.add(Lane(user.project_id, entry.route), user.id, int(time.time() * 1000))


def _retryable(found: NotificationDeliveries, channel: str) -> Sequence[tuple[Known, EntryRecord]]:
    """Return the entries of a channel that can be retried, with their new records. Raises ApiError 409."""
    entries = [
        entry for entry in found.entries if entry.route.channel is not None and entry.route.channel.value == channel
    ]
    if not entries:
        left_out = [
            each for each in found.left_out if each.route.channel is not None and each.route.channel.value == channel
        ]
        reason = f"It was left out: {left_out[0].reason.value}" if left_out else "It was not to be sent on this channel"
        raise api_error(ErrorCode.DELIVERY_NOT_RETRYABLE, reason)
    able, reasons = [], []
    for entry in entries:
        try:
            able.append((entry, retried(entry)))
        except NotRetryableError as problem:
            reasons.append(str(problem))
    if not able:
        raise api_error(ErrorCode.DELIVERY_NOT_RETRYABLE, reasons[0])
    return able


OPERATIONS: list[AnyOperation] = [
    Operation(
        "POST",
        "/v2/users/{user}/notifications/{id}/deliveries/{channel}/retry",
        PROJECT,
        DeliveryRetriesResource.retry,
        "Retry a delivery",
        RETRIED,
        failures=(REFUSED,),
        idempotent=True,
        tag="Deliveries",
    )
]
