"""The size of a broadcast's audience, before the broadcast is sent."""

from dataclasses import dataclass, replace

import msgspec
from starlette.responses import Response

from gateway.api.core.body import Body
from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import AnyOperation, Operation
from gateway.api.core.responses import json_response
from gateway.api.core.schema import ResponseSpec
from gateway.api.v1.sending import MAX_TITLE
from gateway.api.v2.broadcasts import NEW_BROADCAST_FIELDS
from gateway.domain.params import Text
from gateway.sending.audience_count import AudienceCounter
from gateway.sending.command import SendCommand

AUDIENCE_OF = Body(
    "",
    replace(
        NEW_BROADCAST_FIELDS,
        name="V2AudienceOf",
        fields={**NEW_BROADCAST_FIELDS.fields, "title": Text(max_length=MAX_TITLE, description="Not needed here.")},
    ),
    example={"category": "status", "recipients": [{"matches": 'custom_attributes.plan = "pro"'}]},
    max_bytes=None,
)


class V2Audience(msgspec.Struct):
    """How many users an audience has.

    The count is exact, or an estimate from `examined` random users. Then the true number is within `count` ± `margin`
    in 95 of 100 cases.
    """

    count: int
    is_exact: bool
    margin: int
    examined: int


COUNTED = ResponseSpec(200, "The size of the audience", V2Audience)


@dataclass(frozen=True, slots=True)
class BroadcastAudiencesResource:
    """The operation on audiences, with what it reads."""

    counter: AudienceCounter

    async def count(self, call: ProjectCall) -> Response:
        """Return how many users a broadcast would be for. Nothing is sent, and no user is created.

        The body is that of a broadcast; only its recipients, topic and category matter. Named users are counted
        exactly, and so are all users of a project with up to a million. Conditions are counted in projects with up to
        1,000 users, and subscribers of topics with up to 1,000. Otherwise the count is an estimate from 1,000 random
        users. Users are counted whether or not their preferences and the delivery config let the notification through.
        """
        fields = await call.large_fields(await call.body())
        command = msgspec.convert({**fields, "title": fields["title"] or ""}, SendCommand)
        found = await self.counter.count(call.project.id, command)
        return json_response(found)


OPERATIONS: list[AnyOperation] = [
    Operation(
        "POST",
        "/v2/broadcasts/audience",
        PROJECT,
        BroadcastAudiencesResource.count,
        "Count the audience of a broadcast",
        COUNTED,
        AUDIENCE_OF,
    )
]
