"""Reports of Twilio: what became of a text message (StatusCallback)."""

import time
from dataclasses import dataclass
from uuid import UUID

from starlette.responses import Response

from gateway.api.core.call import PUBLIC, PublicCall
from gateway.api.core.operation import AnyOperation, Operation
from gateway.api.core.problems import not_found
from gateway.api.core.schema import Errors, ResponseSpec
from gateway.auth.report_links import PATH, Reported, ReportLinks
from gateway.domain.delivery import Known, Lane, Route
from gateway.domain.delivery_report import asked_again
from gateway.domain.guard import UserDeletedError
from gateway.domain.notification import ItemId
from gateway.domain.principal import User
from gateway.store.lanes import LaneStore
from gateway.store.outbox import OutboxStore


@dataclass(frozen=True, slots=True)
class DeliveryReportsResource:
    """The operation that Twilio calls, with the stores that it uses."""

    links: ReportLinks
    outboxes: OutboxStore
    lanes: LaneStore

    async def receive(self, call: PublicCall) -> Response:
        """Receive a status callback of Twilio. The gateway gives its address to Twilio with each text message.

        The address is signed, and nothing that is sent to it is believed: the gateway asks Twilio for the result at
        once, with the credentials of the project. So the trace has the result that Twilio has, also a late one.
        """
        found = self.links.read(call.text("token"))
        if found is None:
            raise not_found("Message")
        try:
            await self._ask(found)
        except UserDeletedError:
            raise not_found("Message") from None
        return Response(status_code=204)

    async def _ask(self, found: Reported) -> None:
        user = User(found.project_id, found.user_id, None, None)
        item_id = ItemId(UUID(found.notification_id).bytes)
        deliveries = await self.outboxes.read(user, item_id)
        for entry in deliveries.entries if deliveries is not None else ():
            if entry.route is Route.SMS:
                await self._ask_about(user, item_id, entry)

    async def _ask_about(self, user: User, item_id: ItemId, entry: Known) -> None:
        record = asked_again(entry)
        if record is not None and await self.outboxes.retry(user, item_id, entry, record):
            await self.lanes.add(Lane(user.project_id, entry.route), user.id, int(time.time() * 1000))


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
