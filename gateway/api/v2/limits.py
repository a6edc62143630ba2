"""The limits of a project, and what it uses of them."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import Operation
from gateway.api.core.query import Flag
from gateway.api.core.responses import json_response
from gateway.api.core.schema import ResponseSpec
from gateway.domain.limits import WARN_SHARE, Limit, ProjectLimits
from gateway.store.quotas import UsedFigures


class LimitUse(msgspec.Struct):
    """A limit, and what is used of it.

    `name` is the field of the project. `limit` is null without one. `used` is what the project uses now, null if that
    was not read. `share` is the part of the limit, and `state` is `none` without a limit, `ok`, `warning` from 80 % on,
    or `reached`.
    """

    name: Annotated[str, Meta(examples=["max_sends_per_month"])]
    limit: Annotated[int | None, Meta(examples=[100000])]
    used: Annotated[int | None, Meta(examples=[81200])]
    share: Annotated[float | None, Meta(examples=[0.812])]
    state: Annotated[str, Meta(examples=["warning"])]


class LimitList(msgspec.Struct):
    """All limits, also those that the project does not have."""

    data: list[LimitUse]


FOUND = ResponseSpec(200, "The limits", LimitList)

ALL = Flag("all", "`true`: read also what is used where there is no limit, which takes longer.")

_ALL = ProjectLimits(1, 1, 1, 1)
"""So that what is used is read of each."""


@dataclass(frozen=True, slots=True)
class LimitsResource:
    """The operation on limits, with what it reads."""

    figures: UsedFigures

    async def list_all(self, call: ProjectCall) -> Response:
        """Return the limits of the project, with what it uses of them; with `all`, also of what has no limit.

        Sends are requests to send, as `GET /v2/usage` counts them, and appear within two seconds. Bytes are estimated,
        at most every ten minutes, and users who were deleted meanwhile still count. The limits are fields of the
        project, which those who administer it set.
        """
        limits = call.project.limits
        is_all = call.query()["all"] is True
        used = await self.figures.of_project(call.project.id, _ALL if is_all else limits)
        return json_response(LimitList([_use(each, limits.of(each), used.of(each), is_all) for each in Limit]))


def _use(limit: Limit, most: int, used: int, is_all: bool) -> LimitUse:
    if not most:
        return LimitUse(limit.value, None, used if is_all else None, None, "none")
    state = "reached" if used >= most else "warning" if used >= WARN_SHARE * most else "ok"
    return LimitUse(limit.value, most, used, round(used / most, 4), state)


OPERATIONS = [
    Operation(
        "GET",
        "/v2/limits",
        PROJECT,
        LimitsResource.list_all,
        "List the project's limits and their use",
        FOUND,
        query=(ALL,),
    )
]
