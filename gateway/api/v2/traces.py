"""Traces: why a user did or did not get a notification."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import Response

from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import AnyOperation, Operation
from gateway.api.core.problems import not_found
from gateway.api.core.responses import json_response
from gateway.api.core.schema import ResponseSpec, Time
from gateway.domain.times import rfc3339
from gateway.domain.trace import trace_of
from gateway.domain.trace_facts import TraceStep
from gateway.sending.trace_reader import TraceReader
from gateway.sending.trace_users import find_traced
from gateway.store.directory import Directory
from gateway.store.project_events import FLUSH_SECONDS

_JUST_SENT_MS = 2_000


class TraceStepAnswer(msgspec.Struct):
    """A step. `at` is null for what has no time, such as the preferences that apply now.

    `type` is what happened: `accepted`, `broadcast`, `matched`, `preference`, `topic`, `config`, `suppressed`,
    `stored`, `seen`, `read`, `archived`, `deleted`, `left_out`, `scheduled`, `template`, `attempt`, `delivery`,
    `parked` or `user_deleted`. Steps of deliveries have `channel`, `provider`, `state`, `code` (that of the provider,
    or the reason of the gateway), `attempts`, and `next_at`, the time of the next attempt.
    """

    at: Time | None
    type: str
    text: str
    channel: str | None
    provider: str | None
    state: str | None
    code: str | None
    attempts: int | None
    next_at: Time | None


class TraceAnswer(msgspec.Struct):
    """The answer: one sentence, and the steps behind it in the order of their times."""

    verdict: str
    steps: list[TraceStepAnswer]


TRACED = ResponseSpec(200, "The trace", TraceAnswer)


@dataclass(frozen=True, slots=True)
class TracesResource:
    """The operation on traces, with what it reads."""

    reader: TraceReader
    directory: Directory

    async def get(self, call: ProjectCall) -> Response:
        """Return why a user did or did not get a notification: one sentence, and the steps behind it.

        This is also for notifications that never became an item: those that a rule or a preference kept out, and
        those that were deleted. It is made from the item, the records of its deliveries, the events of the project and
        the record of a broadcast. Rules, preferences and configurations are shown as they are now. No text has an
        address, a token or a secret. To how many open inboxes the notification was pushed is not recorded.
        """
        traced = await find_traced(self.directory, self.reader.events, call.project.id, call.text("user"))
        if traced is None:
            raise not_found("User", "Name the user by id, or as `external_id:…` or `email:…`.")
        notification_id = call.uuid("id", "Notification")
        facts = await self.reader.facts(traced.user, notification_id, deleted_ms=traced.deleted_ms)
        if not facts.is_known and abs(time.time() * 1000 - (notification_id.int >> 80)) < _JUST_SENT_MS:
            await asyncio.sleep(2 * FLUSH_SECONDS)  # its events may be on their way to the log
            facts = await self.reader.facts(traced.user, notification_id, deleted_ms=traced.deleted_ms)
        if not facts.is_known:
            raise not_found("Notification", "It was not sent in this project, or too long ago.")
        trace = trace_of(facts)
        return json_response({"verdict": trace.verdict, "steps": [shown(step) for step in trace.steps]})


def shown(step: TraceStep) -> Mapping[str, Any]:
    """Return a step as responses have it."""
    return {
        "at": _time(step.at_ms),
        "type": step.type,
        "text": step.text,
        "channel": step.channel or None,
        "provider": step.provider or None,
        "state": step.state or None,
        "code": step.code or None,
        "attempts": step.attempts or None,
        "next_at": _time(step.next_ms),
    }


def _time(at_ms: int | None) -> str | None:
    return rfc3339(at_ms // 1000) if at_ms is not None else None


OPERATIONS: list[AnyOperation] = [
    Operation(
        "GET",
        "/v2/users/{user}/notifications/{id}/trace",
        PROJECT,
        TracesResource.get,
        "Trace a notification",
        TRACED,
        tag="Deliveries",
    )
]
