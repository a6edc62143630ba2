"""How many users came in a month."""

from starlette.responses import Response

from gateway.api.core.operation import Call, json_response
from gateway.api.core.query import Formed
from gateway.store.activity import STANDARD_ERROR

MONTH = Formed(
    "month", "Which month, in UTC; without it, this one.", "a month such as 2026-03", "[0-9]{4}-(0[1-9]|1[0-2])"
)


async def active_users(call: Call) -> Response:
    """Return how many of the project's users fetched or connected in a month, each counted once.

    The count is an estimate, off by 0.81 % (standard error). It is kept for 25 months; before, it is 0.
    """
    activity = call.services.activity
    month = call.query()["month"] or activity.month
    count = await activity.count(call.project.id, month)
    return json_response({"active_users": {"month": month, "count": count, "standard_error": STANDARD_ERROR}})
