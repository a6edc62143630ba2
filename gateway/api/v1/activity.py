"""How many users came in a month."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from gateway.api.core.operation import Call, Operation, Scope, json_response
from gateway.api.core.query import Formed
from gateway.api.core.schema import Answer
from gateway.store.activity import STANDARD_ERROR

MONTH = Formed(
    "month", "Which month, in UTC; without it, this one.", "a month such as 2026-03", "[0-9]{4}-(0[1-9]|1[0-2])"
)


class ActiveUserCount(msgspec.Struct):
    """An estimate, off by `standard_error` of it in 68 of 100 cases, and by three times that hardly ever."""

    month: Annotated[str, Meta(examples=["2026-03"])]
    count: int
    standard_error: float


class ActiveUsersAnswer(msgspec.Struct):
    """How many users came in a month."""

    active_users: ActiveUserCount


ACTIVE_USERS = Answer(200, "The estimate", ActiveUsersAnswer)


async def active_users(call: Call) -> Response:
    """Return how many of the project's users fetched or connected in a month, each counted once.

    The count is an estimate, off by 0.81 % (standard error). It is kept for 25 months; before, it is 0.
    """
    activity = call.services.activity
    month = call.query()["month"] or activity.month
    count = await activity.count(call.project.id, month)
    return json_response({"active_users": {"month": month, "count": count, "standard_error": STANDARD_ERROR}})


OPERATIONS = [
    Operation(
        "GET",
        "/active_users",
        Scope.ADMIN,
        active_users,
        "Count a month's users",
        ACTIVE_USERS,
        query=(MONTH,),
        own=True,
    ),
]
