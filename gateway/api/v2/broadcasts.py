"""Broadcasts in the form of v2. They are the same jobs as those of v1, so both versions list them all."""

import asyncio
import contextlib
import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import msgspec
from starlette.responses import Response

from gateway.api.core.body import Body
from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.idempotency import Idempotency, planned
from gateway.api.core.operation import Operation
from gateway.api.core.paging import PAGING, Links, links, read_page
from gateway.api.core.problems import not_found
from gateway.api.core.responses import encode, json_response
from gateway.api.core.schema import Hash, ResponseSpec, Time, Uuid
from gateway.api.v1.broadcasts import BroadcastProblem, BroadcastStatus
from gateway.api.v1.overrides import overrides
from gateway.api.v1.sending import LIMITS, MAX_TITLE, MAX_URL, NOTIFICATION, NewNotification, command_of
from gateway.domain.params import Anything, FormedText, Text
from gateway.domain.times import rfc3339
from gateway.sending.command import Overrides
from gateway.sending.plans import SendPlan, decode_broadcast
from gateway.sending.sender import Sender
from gateway.store.event_log import Moment
from gateway.store.jobs import JobKind, JobRecord, JobStore
from gateway.store.redis.problems import StoreDataError, decoding

MAX_CONTENT = 10 * 1024 * 1024
MAX_CHANNEL_CONTENT = 1024 * 1024
MAX_NAME = 255
"""The most characters of a category and of a topic."""


def _name(description: str) -> FormedText:
    return FormedText(
        max_length=MAX_NAME,
        absent_if_empty=True,
        pattern=r"[A-Za-z0-9_.\-/:]*",
        form="made of letters, digits, and _ . - / :",
        description=description,
    )


_ASSIGNED = Anything(description="Ignored, because the gateway assigns it.")

_FIELDS = NOTIFICATION.fields

NEW_BROADCAST_FIELDS = NewNotification(
    required=True,
    name="V2NewBroadcast",
    fields={
        **_FIELDS,
        "content": Text(max_length=MAX_CONTENT),
        "category": _name(_FIELDS["category"].description),
        "topic": _name(_FIELDS["topic"].description),
        "overrides": overrides(MAX_TITLE, MAX_CHANNEL_CONTENT, MAX_URL, filled=True),
        # Clients send the object that responses have.
        **dict.fromkeys(("id", "created_at", "status"), _ASSIGNED),
    },
)

NEW_BROADCAST = Body(
    "",
    NEW_BROADCAST_FIELDS,
    example={
        "title": "We are back",
        "content": "All systems run again.",
        "category": "status",
        "recipients": [{"matches": "*"}],
        "overrides": {"channels": {"sms": {"title": "We are back"}}},
    },
    max_bytes=None,
    refusals=LIMITS,
)


class V2Broadcast(msgspec.Struct):
    """A broadcast as it was sent, with its progress."""

    id: Uuid
    title: str
    content: str | None
    action_url: str | None
    category: str | None
    topic: str | None
    custom_attributes: Hash | None
    created_at: Time
    recipients: list[Hash]
    overrides: Overrides | None
    status: BroadcastStatus


class V2BroadcastList(msgspec.Struct):
    """A page of broadcasts, newest first."""

    data: list[V2Broadcast]
    links: Links


ACCEPTED = ResponseSpec(201, "Accepted", V2Broadcast)
BROADCAST = ResponseSpec(200, "The broadcast", V2Broadcast)
ERRORS = ResponseSpec(200, "The errors", media_type="text/csv")
BROADCASTS = ResponseSpec(200, "A page", V2BroadcastList)


class _Stored(msgspec.Struct):
    """A broadcast as its job stores it. What both versions show alike is not decoded."""

    id: str
    title: msgspec.Raw
    content: msgspec.Raw
    action_url: msgspec.Raw
    category: str
    topic: msgspec.Raw
    custom_attributes: msgspec.Raw
    created_at: int
    recipients: msgspec.Raw
    overrides: msgspec.Raw


_decode = msgspec.json.Decoder(_Stored).decode


@dataclass(frozen=True, slots=True)
class BroadcastsResource:
    """The operations on broadcasts, with the stores that they use."""

    jobs: JobStore
    sender: Sender
    idempotency: Idempotency
    now: Callable[[], Moment]

    async def create(self, call: ProjectCall) -> Response:
        """Accept a broadcast, which is delivered soon after.

        Recipients are users named by external id or email, users that match a condition, and the subscribers of the
        broadcast's topic. Each user gets it once. Users that are created later do not get it.
        """
        body = await call.body()
        command = command_of(await call.large_fields(body))

        async def work(plan: bytes, repeatable: bool) -> bytes:
            view = await self.sender.enqueue(call.project.id, command, planned(plan, SendPlan), "")
            return encode(_shown(_decode(view), "enqueued", {"total": 0, "failures": 0}, b"[]"))

        return await self.idempotency.once(call, body, encode(SendPlan(str(uuid4()), self.now())), work)

    async def list_page(self, call: ProjectCall) -> Response:
        """Return a page of the project's broadcasts of the last 30 days, newest first.

        Broadcasts that were sent to `/broadcasts` are among them.
        """
        page = read_page(call.query())
        found = await self.jobs.page(JobKind.BROADCAST, call.project.id, page.size, page.after, page.before)
        data: list[dict[str, Any]] = []
        for _, record in found.jobs:
            with contextlib.suppress(StoreDataError):  # it is logged, and must not hide the other broadcasts
                data.append(_of_record(record))
            await asyncio.sleep(0)  # decoding a large one takes milliseconds
        path = call.forwarded.prefix + call.request.path
        fields = call.request.query_params.multi_items()
        others = links(path, fields, page.size, found.newer_than, found.older_than)
        return json_response({"data": data, "links": others})

    async def get(self, call: ProjectCall) -> Response:
        """Return a broadcast as it was sent, with its progress.

        In `status.summary`, `total` is the number of recipients processed so far, `failures` of them without success.
        """
        return json_response(_of_record(await self._find(call)))

    async def cancel(self, call: ProjectCall) -> Response:
        """Cancel a broadcast, and return it with the status `cancelled`. Users who do not have it yet do not get it.

        Nothing is taken back from those who have it: `status.summary.total` is their number. It may still grow for some
        milliseconds, because the steps that were under way are counted; if the worker that sent them has died, some
        seconds. Cancelling again changes nothing. A broadcast that is done already stays `processed`.
        """
        broadcast_id = call.uuid("broadcast_id", "Broadcast")
        if await self.jobs.cancel(JobKind.BROADCAST, call.project.id, str(broadcast_id)) is None:
            raise not_found("Broadcast")
        return json_response(_of_record(await self._find(call)))

    async def errors(self, call: ProjectCall) -> Response:
        """Return the errors of a broadcast as a CSV file with the columns `number` and `message`.

        The first 1,000 are kept. `status.summary.failures` of the broadcast counts all.
        """
        record = await self._find(call)
        with decoding("a broadcast"):
            found = msgspec.json.decode(record.errors, type=list[BroadcastProblem])
        text = io.StringIO()
        rows = csv.writer(text)
        rows.writerow(("number", "message"))
        rows.writerows((number, cell(each.message)) for number, each in enumerate(found, 1))
        name = f"broadcast-{call.text('broadcast_id')}-errors.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(text.getvalue(), media_type="text/csv", headers=headers)

    async def _find(self, call: ProjectCall) -> JobRecord:
        broadcast_id = call.uuid("broadcast_id", "Broadcast")
        record = await self.jobs.read(JobKind.BROADCAST, call.project.id, str(broadcast_id))
        if record is None:
            raise not_found("Broadcast")
        return record


def cell(text: str) -> str:
    """Return a text as the cell of a table. One that a spreadsheet would run as a formula gets an apostrophe first."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _of_record(record: JobRecord) -> dict[str, Any]:
    with decoding("a broadcast"):
        stored = _decode(decode_broadcast(record.payload).view)
        summary = {name: record.counts[name] for name in ("total", "failures")}
    return _shown(stored, record.status, summary, record.errors)


def _shown(stored: _Stored, status: str, summary: Mapping[str, int], errors: bytes) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(stored),
        "category": stored.category or None,
        "created_at": rfc3339(stored.created_at),
        "status": {"status": status, "summary": summary, "errors": msgspec.Raw(errors)},
    }


_R = BroadcastsResource

OPERATIONS = [
    Operation(
        "POST",
        "/v2/broadcasts",
        PROJECT,
        _R.create,
        "Send a broadcast",
        ACCEPTED,
        NEW_BROADCAST,
        idempotent=True,
    ),
    Operation("GET", "/v2/broadcasts", PROJECT, _R.list_page, "List broadcasts", BROADCASTS, query=PAGING),
    Operation("GET", "/v2/broadcasts/{broadcast_id}", PROJECT, _R.get, "Fetch a broadcast", BROADCAST),
    Operation("POST", "/v2/broadcasts/{broadcast_id}/cancel", PROJECT, _R.cancel, "Cancel a broadcast", BROADCAST),
    Operation(
        "GET", "/v2/broadcasts/{broadcast_id}/errors.csv", PROJECT, _R.errors, "Download a broadcast's errors", ERRORS
    ),
]
