"""Lanes: how the deliveries of a project proceed on each route, and a way back after a fault was corrected."""

import time
from collections.abc import Container
from dataclasses import dataclass

import msgspec
from starlette.responses import Response

from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import AnyOperation, Operation
from gateway.api.core.problems import not_found
from gateway.api.core.responses import json_response
from gateway.api.core.schema import ResponseSpec, Time
from gateway.domain.delivery import Lane, LaneStatus, Route
from gateway.domain.ids import ProjectId
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.domain.times import rfc3339
from gateway.store.integrations import IntegrationStore
from gateway.store.lanes import LaneStore
from gateway.store.project_events import ProjectEvents

TAG = "Deliveries"

_NAMES = {route.name.lower(): route for route in Route}


class DeliveryLane(msgspec.Struct):
    """The deliveries of the project on one route.

    `state` is `running`, or `throttled`: the provider takes nothing before `not_before`. A `failing` one has failed
    `failures` times in a row, and is tried again from time to time. On a `parked` lane nothing is sent, for `reason`.
    `waiting` is how many users have something to be sent, and `lag_seconds` for how long the first of these is due.
    """

    lane: str
    channel: str
    state: str
    waiting: int
    lag_seconds: int
    first_due_at: Time | None
    not_before: Time | None
    failures: int
    reason: str | None
    parked_at: Time | None
    remedy: str | None


class DeliveryLaneList(msgspec.Struct):
    """The lanes that have something to send, or are parked. There are at most as many as routes."""

    data: list[DeliveryLane]


LISTED = ResponseSpec(200, "The lanes", DeliveryLaneList)
RESUMED = ResponseSpec(200, "The lane", DeliveryLane)


@dataclass(frozen=True, slots=True)
class DeliveryLanesResource:
    """The operations on lanes, with the stores that they use."""

    lanes: LaneStore
    integrations: IntegrationStore
    events: ProjectEvents

    async def list_all(self, call: ProjectCall) -> Response:
        """Return how the project's deliveries proceed: what waits, for how long, and what is stopped and why.

        A lane is a channel, or one of the push services. A lane without anything to send is not listed, unless it is
        parked. A lane is parked when its provider refuses the configuration of the project. Nothing is lost then: after
        the integration was saved again, or `resume` was called, what waits is sent.
        """
        found = await self.lanes.of_project(call.project.id)
        saved = await self._saved(call.project.id) if any(each.parked for each in found) else set()
        return json_response({"data": [msgspec.structs.asdict(shown(each, time.time(), saved)) for each in found]})

    async def resume(self, call: ProjectCall) -> Response:
        """Send again what waits on a parked lane, after its fault was corrected at the provider.

        Saving the integration does the same. If the fault is still there, the next message parks the lane again.
        """
        route = _NAMES.get(call.text("lane"))
        if route is None:
            raise not_found("Lane", f"There are {', '.join(_NAMES)}.")
        lane = Lane(call.project.id, route)
        if await self.lanes.unpark(lane):
            context = {"lane": route.name.lower()}
            await self.events.write(lane.project_id, ProjectEvent(ProjectEventType.LANE_RESUMED, None, context))
        found = [each for each in await self.lanes.of_project(call.project.id) if each.lane == lane]
        status = found[0] if found else LaneStatus(lane=lane, waiting=0, first_due_ms=0)
        return json_response(msgspec.structs.asdict(shown(status, time.time(), await self._saved(lane.project_id))))

    async def _saved(self, project_id: ProjectId) -> set[str]:
        """Return the names of the integrations that a project has saved."""
        return {kind.name for kind, _ in await self.integrations.all(project_id)}


def shown(status: LaneStatus, now: float, saved: Container[str] = ()) -> DeliveryLane:
    """Return a lane as responses have it. `now` is the unix time in seconds, `saved` names the integrations."""
    route, now_ms = status.lane.route, now * 1000
    return DeliveryLane(
        lane=route.name.lower(),
        channel=route.channel.value if route.channel is not None else "webhook",
        state=status.state(now_ms).value,
        waiting=status.waiting,
        lag_seconds=int(status.lag_seconds(now_ms)),
        first_due_at=_time(status.first_due_ms),
        not_before=_time(status.not_before_ms) if status.not_before_ms > now_ms else None,
        failures=status.failures,
        reason=status.parked or None,
        parked_at=_time(status.parked_ms),
        remedy=_remedy(route, saved) if status.parked else None,
    )


def _remedy(route: Route, saved: Container[str]) -> str:
    known = [name for name in route.value.integrations if name in saved] or route.value.integrations
    names = " or ".join(f"`/v2/integrations/{name}`" for name in known)
    how = f"Correct the configuration with a PUT of {names}" if names else "Correct the fault at the provider"
    return f"{how}, or resume the lane with a POST of `/v2/delivery/lanes/{route.name.lower()}/resume`."


def _time(at_ms: int) -> str | None:
    return rfc3339(at_ms // 1000) if at_ms else None


OPERATIONS: list[AnyOperation] = [
    Operation(
        "GET", "/v2/delivery/lanes", PROJECT, DeliveryLanesResource.list_all, "List delivery lanes", LISTED, tag=TAG
    ),
    Operation(
        "POST",
        "/v2/delivery/lanes/{lane}/resume",
        PROJECT,
        DeliveryLanesResource.resume,
        "Resume a delivery lane",
        RESUMED,
        tag=TAG,
    ),
]
