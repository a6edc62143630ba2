"""How a project is doing now, and what it has reached so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import Operation
from gateway.api.core.responses import json_response
from gateway.api.core.schema import ResponseSpec, Time, Uuid
from gateway.domain.times import rfc3339_ms
from gateway.sending.onboarding import Hint, Onboarding, Reached
from gateway.store.activity import STANDARD_ERROR, ActiveUsers
from gateway.store.nodes import TRANSPORTS, NodeStore
from gateway.store.usage import Series, UsageReader
from gateway.store.usage_counts import Failure

HOUR = 60
FAILURES = 10


class ConnectionCounts(msgspec.Struct):
    """The live connections at this moment, by transport. Workers report them every two seconds."""

    total: Annotated[int, Meta(examples=[12])]
    by_transport: Annotated[
        dict[str, int], Meta(examples=[{"websocket": 10, "sse": 2, "sse_http10": 0, "long_poll": 0}])
    ]


class RecentCounts(msgspec.Struct):
    """Counts of the last minute, and of the last 60 minutes with the present one."""

    last_minute: Annotated[int, Meta(examples=[4])]
    last_hour: Annotated[int, Meta(examples=[310])]


class MonthlyUsers(msgspec.Struct):
    """The users that were active in this month: an estimate with a relative standard error."""

    month: Annotated[str, Meta(examples=["2026-11"])]
    count: Annotated[int, Meta(examples=[8412])]
    standard_error: Annotated[float, Meta(examples=[STANDARD_ERROR])]


class FailedDelivery(msgspec.Struct):
    """A delivery that failed. `GET /v2/users/{user_id}/notifications/{notification_id}/trace` says the rest."""

    failed_at: Time
    user_id: Uuid
    notification_id: Uuid
    channel: Annotated[str, Meta(examples=["email"])]
    provider: Annotated[str | None, Meta(examples=["mailgun"])]
    state: Annotated[str, Meta(examples=["refused"])]
    reason: Annotated[str | None, Meta(examples=["550"])]


class HintedUser(msgspec.Struct):
    """A user whom a hint concerns."""

    id: Uuid
    external_id: str | None
    email: str | None


class MilestoneHint(msgspec.Struct):
    """A likely reason why a milestone is not reached.

    `code` is that of the error with which clients were refused, `others` for further ones; or `suppressed`,
    `not_stored` or `recipients_never_connected`. `times` is how often it was seen in the last 10 to 20 minutes, and
    `origin` that of the web page.
    """

    code: Annotated[str, Meta(examples=["user_hmac_is_incorrect"])]
    text: Annotated[str, Meta(examples=["User HMAC is incorrect"])]
    remedy: Annotated[str | None, Meta(examples=["Send base64(HMAC-SHA256(API secret, external id or email))."])]
    times: Annotated[int, Meta(examples=[12])]
    origin: Annotated[str | None, Meta(examples=["https://app.example.com"])]
    users: list[HintedUser]


class ProjectMilestone(msgspec.Struct):
    """Something that a project does once: `request`, `notification`, `connection` or `seen`, in this order.

    `request` is the first request with the API secret or a project's token, `notification` the first one in an inbox,
    `connection` the first live connection of a user, and `seen` the first notification that a user saw or read. What
    happened before the gateway had this operation is not known. `hints` is empty once it is reached.
    """

    name: Annotated[str, Meta(examples=["connection"])]
    reached_at: Time | None
    hints: list[MilestoneHint]


class Overview(msgspec.Struct):
    """How a project is doing now.

    `sends` counts requests to send, `stored` notifications in inboxes, one for each user, and `failures` deliveries on
    other channels that reached nobody.
    """

    connections: ConnectionCounts
    sends: RecentCounts
    stored: RecentCounts
    failures: RecentCounts
    active_users: MonthlyUsers
    latest_failures: list[FailedDelivery]
    milestones: list[ProjectMilestone]


FOUND = ResponseSpec(200, "The overview", Overview)


@dataclass(frozen=True, slots=True)
class OverviewResource:
    """The operation on the overview, with the stores that it uses."""

    usage: UsageReader
    activity: ActiveUsers
    nodes: NodeStore
    onboarding: Onboarding

    async def get(self, call: ProjectCall) -> Response:
        """Return how the project is doing now, its latest failures, and its milestones with hints.

        The figures are kept as things happen, and appear within two seconds. The milestones are what a new project
        reaches one after another until a user has seen a notification. As long as one is missing, its `hints` have what
        the gateway has refused in the last minutes, with the origin of the page.
        """
        project_id = call.project.id
        connections = await self.nodes.connections(project_id)
        _, series = await self.usage.minutes(project_id, HOUR)
        month = self.activity.month
        active = await self.activity.count(project_id, month)
        share = self.usage.now.second / 60
        return json_response(
            Overview(
                _connections(connections),
                _recent(series[Series.SENDS], share),
                _recent(series[Series.STORED], share),
                _recent(series[Series.FAILURES], share),
                MonthlyUsers(month, active, STANDARD_ERROR),
                [_failure(each) for each in await self.usage.failures(project_id, FAILURES)],
                [_milestone(each) for each in await self.onboarding.read(project_id)],
            )
        )


def _connections(by_worker: Mapping[str, Sequence[int]]) -> ConnectionCounts:
    sums = dict.fromkeys(TRANSPORTS, 0)
    for counts in by_worker.values():
        for name, count in zip(TRANSPORTS, counts, strict=False):
            sums[name] += count
    return ConnectionCounts(sum(sums.values()), sums)


def _recent(numbers: Sequence[int], share: float) -> RecentCounts:
    """Return the counts of the last hour, and of the last minute: this one, and what is left of the one before."""
    return RecentCounts(numbers[-1] + round(numbers[-2] * (1 - share)), sum(numbers))


def _failure(failure: Failure) -> FailedDelivery:
    return FailedDelivery(
        rfc3339_ms(failure.at_ms),
        failure.user_id,
        failure.notification_id,
        failure.channel,
        failure.provider or None,
        failure.state,
        failure.reason or None,
    )


def _milestone(reached: Reached) -> ProjectMilestone:
    at = rfc3339_ms(reached.at_ms) if reached.at_ms is not None else None
    return ProjectMilestone(reached.milestone.value, at, [_hint(each) for each in reached.hints])


def _hint(hint: Hint) -> MilestoneHint:
    users = [HintedUser(each.id, each.external_id, each.email) for each in hint.users]
    return MilestoneHint(hint.code, hint.text, hint.remedy or None, hint.times, hint.origin or None, users)


OPERATIONS = [Operation("GET", "/v2/overview", PROJECT, OverviewResource.get, "Get the project's overview", FOUND)]
