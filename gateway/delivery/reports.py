"""What operators and projects learn of deliveries: metrics, log lines and project events."""

import math
import time
from collections.abc import Sequence
from functools import lru_cache

from gateway.channels.outcome import (
    Dead,
    Delivered,
    Handed,
    Misconfigured,
    Outcome,
    Refused,
    Retry,
    Throttled,
)
from gateway.delivery.user_work import LaneContext, UserWork
from gateway.domain.delivery import FAILURES, EntryRecord, Lane, Recorded, Route, UserResults
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.store.project_events import ProjectEvents
from gateway.store.usage_counts import Failure
from gateway.telemetry.logs import log
from gateway.telemetry.metrics import (
    ACCEPTED_TO_DELIVERED_SECONDS,
    CLAIMS_LOST,
    DELIVERIES,
    DELIVERY_LAG_SECONDS,
    PARKED_LANES,
    TOKENS_DISCARDED,
)
from gateway.telemetry.tallies import Tally

_NAMES: dict[type[Outcome], str] = {
    Delivered: "delivered",
    Handed: "handed",
    Dead: "dead",
    Retry: "retry",
    Throttled: "throttled",
    Misconfigured: "parked",
    Refused: "refused",
}


SAME_FAULT_SECONDS = 30.0
"""How long the same fault of a lane is reported once."""

MAX_PARKED = 1000


def channel_of(route: Route) -> str:
    """Return the name of a route's channel in metrics and events."""
    return route.channel.value if route.channel is not None else "webhook"


@lru_cache(maxsize=1000)
def _tally(route: Route, provider: str, outcome: str) -> Tally:
    return Tally(DELIVERIES.labels(channel_of(route), provider, outcome))


class Reports:
    """Counts, logs and writes events. Nothing here waits."""

    def __init__(self, events: ProjectEvents):
        self._events = events
        self._parked: dict[Lane, float] = {}
        self._lag = {route: DELIVERY_LAG_SECONDS.labels(channel_of(route)) for route in Route}
        self._times = {route: ACCEPTED_TO_DELIVERED_SECONDS.labels(channel_of(route)) for route in Route}

    def claimed(self, route: Route, late_seconds: float) -> None:
        """Note how late an entry was taken for the first time."""
        self._lag[route].set(max(late_seconds, 0.0))

    def recorded(
        self,
        context: LaneContext,
        works: Sequence[UserWork],
        results: Sequence[UserResults],
        recorded: Sequence[Recorded],
        now: float,
    ) -> None:
        """Note the outcomes of users that were recorded."""
        provider = context.provider.name if context.provider is not None else ""
        for work, result, each in zip(works, results, recorded, strict=True):
            taken = work.taken
            refused = set(each.refused)
            if refused:
                CLAIMS_LOST.inc(len(refused))
            for attempt in work.attempts:
                if attempt.outcome is not None:
                    name = _name(attempt.outcome)
                    _tally(context.route, provider, name).value += 1
                    if name == "delivered" and attempt.entry.entry.record is None:
                        self._times[context.route].observe(max(now - attempt.entry.entry.due_ms / 1000, 0.0))
            for entry in work.entries:
                if entry.skipped is not None:
                    _tally(context.route, provider, "skipped").value += 1
            for entry_result in result.results:
                if entry_result.next_ms is None and entry_result.id not in refused:
                    self._ended(
                        context.route, taken.lane.project_id, taken.user_id, entry_result.id[0], entry_result.record
                    )
            for token_id in each.discarded:
                TOKENS_DISCARDED.labels(provider).inc()
                self._discarded(taken.lane, taken.user_id, str(token_id))

    def parked(self, lane: Lane, provider: str, reason: str) -> None:
        """Note that a lane was parked. Work that was under way meanwhile notes the same fault again, for a moment."""
        now = time.monotonic()
        if self._parked.get(lane, -math.inf) > now - SAME_FAULT_SECONDS:
            return
        if len(self._parked) >= MAX_PARKED:
            self._parked.clear()
        self._parked[lane] = now
        PARKED_LANES.labels(provider).inc()
        remedy = f"Correct the configuration (PUT /v2/integrations/{provider}): deliveries then continue at once"
        log.error("lane_parked", project=lane.project_id, provider=provider, reason=reason, suggestion=remedy)
        self._events.note(
            lane.project_id,
            ProjectEvent(
                ProjectEventType.LANE_PARKED,
                None,
                {"channel": channel_of(lane.route), "provider": provider, "reason": reason, "remedy": remedy},
            ),
        )

    def _ended(
        self, route: Route, project_id: ProjectId, user_id: UserId, notification_id: bytes, record: EntryRecord
    ) -> None:
        failure = Failure(
            int(time.time() * 1000),
            user_id,
            _text(notification_id),
            channel_of(route),
            record.provider,
            record.state.name.lower(),
            record.reason,
        )
        self._events.usage.ended(project_id, failure)
        context = {
            "notification_id": failure.notification_id,
            "channel": failure.channel,
            "provider": record.provider or None,
            "state": failure.state,
            "reason": record.reason or None,
            "attempts": max((token.attempts for token in record.tokens), default=0) or None,
        }
        self._events.note(project_id, ProjectEvent(ProjectEventType.DELIVERY_ENDED, user_id, context))
        if record.state in FAILURES:
            self._events.note(project_id, ProjectEvent(ProjectEventType.DELIVERY_FAILED, user_id, context))

    def _discarded(self, lane: Lane, user_id: UserId, token_id: str) -> None:
        context = {"kind": lane.route.token_kind or "webhook", "token_id": token_id, "reason": "dead"}
        self._events.note(lane.project_id, ProjectEvent(ProjectEventType.TOKEN_DISCARDED, user_id, context))


def _name(outcome: Outcome) -> str:
    if isinstance(outcome, Misconfigured) and outcome.is_doubted:
        return "retry"
    return _NAMES.get(type(outcome), "unknown")


def _text(notification_id: bytes) -> str:
    digits = notification_id.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
