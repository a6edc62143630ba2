"""How many users of a project were active in a month."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import Operation
from gateway.api.core.query import Formed
from gateway.api.core.responses import json_response
from gateway.api.core.schema import ResponseSpec
from gateway.store.activity import STANDARD_ERROR, ActiveUsers

MONTH = Formed(
    "month", "A month in UTC, by default the current one.", "a month such as 2026-03", "[0-9]{4}-(0[1-9]|1[0-2])"
)


class ActiveUserCount(msgspec.Struct):
    """An estimate. Its relative error is at most `standard_error` in 68 % of cases, and three times that in 99.7 %."""

    month: Annotated[str, Meta(examples=["2026-03"])]
    count: int
    standard_error: float


class ActiveUsersAnswer(msgspec.Struct):
    """The number of users that were active in a month."""

    active_users: ActiveUserCount


ACTIVE_USERS = ResponseSpec(200, "The estimate", ActiveUsersAnswer)


@dataclass(frozen=True, slots=True)
class ActiveUsersResource:
    """The operation on active users."""

    activity: ActiveUsers

    async def count(self, call: ProjectCall) -> Response:
        """Return how many of the project's users made a request or had a live connection in a month.

        Each user is counted once. The count is an estimate with a standard error of 0.81 %. It is kept for 25 months,
        and is 0 for months before that.
        """
        month = call.query()["month"] or self.activity.month
        count = await self.activity.count(call.project.id, month)
        return json_response({"active_users": {"month": month, "count": count, "standard_error": STANDARD_ERROR}})


OPERATIONS = [
    Operation(
        "GET",
        "/active_users",
        PROJECT,
        ActiveUsersResource.count,
        "Count a month's active users",
        ACTIVE_USERS,
        query=(MONTH,),
        strict=True,
    ),
]
