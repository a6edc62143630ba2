"""Reports of Twilio: what became of a text message (StatusCallback)."""

import time
from dataclasses import dataclass
from urllib.parse import parse_qs
from uuid import UUID

from starlette.responses import Response

from gateway.api.core.call import PUBLIC, PublicCall
from gateway.api.core.operation import AnyOperation, Operation
from gateway.api.core.problems import not_found
from gateway.api.core.schema import Errors, ResponseSpec
from gateway.auth.report_links import PATH, Reported, ReportLinks
from gateway.domain.delivery import Known, Lane, Route
from gateway.domain.delivery_report import LATE_FAILURES, asked_again, was_delivered
from gateway.domain.guard import UserDeletedError
from gateway.domain.notification import ItemId
from gateway.domain.preferences import Channel
from gateway.domain.principal import User
from gateway.domain.project_event import ContextValue, ProjectEvent, ProjectEventType
from gateway.store.lanes import LaneStore
from gateway.store.outbox import OutboxStore
from gateway.store.project_events import ProjectEvents

_MAX_CODE = 6
"""The digits of an error code of Twilio are at most these."""


@dataclass(frozen=True, slots=True)
class DeliveryReportsResource:
    """The operation that Twilio calls, with the stores that it uses."""

    links: ReportLinks
    outboxes: OutboxStore
    lanes: LaneStore
    events: ProjectEvents

    async def receive(self, call: PublicCall) -> Response:
        """Receive a status callback of Twilio. The gateway gives its address to Twilio with each text message.

        The address is signed. While the result of a message is not known, nothing that is sent here is believed: the
        gateway asks Twilio for the result at once, with the credentials of the project. A message that has ended as
        delivered stays so. A later report that it did not arrive is the event `delivery.contradicted`, and in the
        trace.
        """
        found = self.links.read(call.text("token"))
        if found is None:
            raise not_found("Message")
        try:
            await self._apply(found, call)
        except UserDeletedError:
            raise not_found("Message") from None
        return Response(status_code=204)

    async def _apply(self, found: Reported, call: PublicCall) -> None:
        user = User(found.project_id, found.user_id, None, None)
        item_id = ItemId(UUID(found.notification_id).bytes)
        deliveries = await self.outboxes.read(user, item_id)
        for entry in deliveries.entries if deliveries is not None else ():
            if entry.route is Route.SMS:
                await self._ask_about(user, item_id, entry)
                await self._note_late(found, entry, call)

    async def _ask_about(self, user: User, item_id: ItemId, entry: Known) -> None:
        record = asked_again(entry)
        if record is not None and await self.outboxes.retry(user, item_id, entry, record):
            await self.lanes.add(Lane(user.project_id, entry.route), user.id, int(time.time() * 1000))

    async def _note_late(self, found: Reported, entry: Known, call: PublicCall) -> None:
        form = parse_qs((await call.body()).decode(errors="replace"))
        sid, status, code = (form.get(name, [""])[0] for name in ("MessageSid", "MessageStatus", "ErrorCode"))
        if status in LATE_FAILURES and was_delivered(entry, sid):
            context: dict[str, ContextValue] = {
                "notification_id": found.notification_id,
                "channel": Channel.SMS.value,
                "provider": "twilio",
                "state": status,
                "reason": code if code.isascii() and code.isdigit() and len(code) <= _MAX_CODE else None,
            }
            event = ProjectEvent(ProjectEventType.DELIVERY_CONTRADICTED, found.user_id, context)
            self.events.note(found.project_id, event)


OPERATIONS: list[AnyOperation] = [
    Operation(
        "POST",
        f"{PATH}{{token}}",
        PUBLIC,
        DeliveryReportsResource.receive,
        "Receive a report of Twilio",
        failures=(ResponseSpec(404, "The gateway has not made this address, or the user is gone", Errors),),
        tag="Integrations",
    )
]
