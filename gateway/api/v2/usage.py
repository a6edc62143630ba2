"""Usage of a project: by month, by day and by minute. The figures are kept as things happen."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import Operation
from gateway.api.core.query import Number
from gateway.api.core.responses import json_response
from gateway.api.core.schema import ResponseSpec, Time
from gateway.domain.times import rfc3339
from gateway.store.activity import STANDARD_ERROR, ActiveUsers
from gateway.store.usage import KEEP_DAYS, KEEP_HOURS, KEEP_MONTHS, Period, Series, UsageReader
from gateway.store.usage_counts import FAILED_STATES

MONTHS = Number("months", "How many months to return, this one included.", 12, 1, KEEP_MONTHS)
DAYS = Number("days", "How many days to return, today included.", 30, 0, KEEP_DAYS)
HOURS = Number("hours", "How many hours to return, until now.", 1, 1, KEEP_HOURS - 1)


class ChannelUsage(msgspec.Struct):
    """The deliveries of a channel that ended. `states` has their number by state; `failed` is the sum of the failures.

    The states are those of the project event `delivery.ended`.
    """

    channel: Annotated[str, Meta(examples=["email"])]
    ended: Annotated[int, Meta(examples=[1210])]
    failed: Annotated[int, Meta(examples=[12])]
    states: Annotated[dict[str, int], Meta(examples=[{"delivered": 1190, "skipped": 8, "refused": 12}])]


class DayUsage(msgspec.Struct):
    """What happened on a day in UTC. The fields are those of a month."""

    day: Annotated[str, Meta(examples=["2026-11-30"])]
    sends: int
    broadcasts: int
    stored: int
    suppressed: int
    deliveries: list[ChannelUsage]


class MonthUsage(msgspec.Struct):
    """What happened in a month in UTC.

    `active_users` is an estimate with the standard error of the list. `sends` counts accepted requests to send,
    `broadcasts` those of them that became a broadcast, `stored` notifications in inboxes, one for each user, and
    `suppressed` those that a rule or a preference kept out.
    """

    month: Annotated[str, Meta(examples=["2026-11"])]
    active_users: Annotated[int, Meta(examples=[8412])]
    sends: Annotated[int, Meta(examples=[1204])]
    broadcasts: Annotated[int, Meta(examples=[3])]
    stored: Annotated[int, Meta(examples=[250310])]
    suppressed: Annotated[int, Meta(examples=[112])]
    deliveries: list[ChannelUsage]


class Usage(msgspec.Struct):
    """Months and days, the oldest first. `active_users_standard_error` is the relative error of each estimate."""

    active_users_standard_error: Annotated[float, Meta(examples=[STANDARD_ERROR])]
    months: list[MonthUsage]
    days: list[DayUsage]


class MinuteSeries(msgspec.Struct):
    """A number for each minute. `connections` is a sample of how many were open; the others count what happened."""

    connections: Annotated[list[int], Meta(examples=[[12, 12, 13]])]
    stored: Annotated[list[int], Meta(examples=[[0, 250, 2]])]
    sends: Annotated[list[int], Meta(examples=[[0, 1, 2]])]
    deliveries: Annotated[list[int], Meta(examples=[[0, 31, 0]])]
    failures: Annotated[list[int], Meta(examples=[[0, 1, 0]])]


class MinuteUsage(msgspec.Struct):
    """The series, a number for each minute from `start`. The last number is that of the present minute, so far."""

    start: Time
    step_seconds: Annotated[int, Meta(examples=[60])]
    series: MinuteSeries


BY_MONTH = ResponseSpec(200, "The figures", Usage)
BY_MINUTE = ResponseSpec(200, "The series", MinuteUsage)


@dataclass(frozen=True, slots=True)
class UsageResource:
    """The operations on usage, with the stores that they use."""

    usage: UsageReader
    activity: ActiveUsers

    async def list_months(self, call: ProjectCall) -> Response:
        """Return what the project has used, by month and by day.

        Months are kept for 25 months, and days for 100 days. The counts are written once a second; a process that is
        killed loses those of its last second. If the connection to Redis breaks during a write, that second may count
        twice. Active users are counted once a month each, as in `GET /active_users`.
        """
        query, project_id = call.query(), call.project.id
        months = await self.usage.months(project_id, query["months"])
        days = await self.usage.days(project_id, query["days"])
        active = await self.activity.count_many(project_id, [each.name for each in months])
        return json_response(
            Usage(
                STANDARD_ERROR,
                [
                    MonthUsage(
                        each.name, users, each.sends, each.broadcasts, each.stored, each.suppressed, _channels(each)
                    )
                    for each, users in zip(months, active, strict=True)
                ],
                [
                    DayUsage(each.name, each.sends, each.broadcasts, each.stored, each.suppressed, _channels(each))
                    for each in days
                ],
            )
        )

    async def list_minutes(self, call: ProjectCall) -> Response:
        """Return series for charts: connections, stored notifications, sends, deliveries and failures by minute.

        Minutes are kept for 25 hours. Deliveries are those that ended on channels besides the inbox; failures are those
        of them that reached nobody and were not skipped. A number appears within two seconds.
        """
        start, series = await self.usage.minutes(call.project.id, 60 * call.query()["hours"])
        return json_response(MinuteUsage(minute(start), 60, minute_series(series)))


def minute(at: datetime) -> str:
    """Return a time as responses have it."""
    return rfc3339(int(at.timestamp()))


def minute_series(series: Mapping[Series, list[int]]) -> MinuteSeries:
    """Return series as responses have them."""
    return MinuteSeries(**{each.name.lower(): numbers for each, numbers in series.items()})


def _channels(period: Period) -> list[ChannelUsage]:
    return [
        ChannelUsage(
            channel,
            sum(states.values()),
            sum(count for state, count in states.items() if state in FAILED_STATES),
            dict(sorted(states.items())),
        )
        for channel, states in sorted(period.deliveries.items())
    ]


_R = UsageResource

OPERATIONS = [
    Operation(
        "GET", "/v2/usage", PROJECT, _R.list_months, "Get usage by month and day", BY_MONTH, query=(MONTHS, DAYS)
    ),
    Operation("GET", "/v2/usage/minutes", PROJECT, _R.list_minutes, "Get usage by minute", BY_MINUTE, query=(HOURS,)),
]
