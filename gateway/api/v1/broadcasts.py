"""Broadcasts: sent to any number of users, accepted at once and delivered in steps."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal
from uuid import UUID, uuid4

import msgspec
from starlette.responses import Response

from gateway.api.core.idempotency import once, planned
from gateway.api.core.operation import Call, Operation, Scope, encode, raw_json_response
from gateway.api.core.params import Body
from gateway.api.core.query import Number, total_pages
from gateway.api.core.schema import Answer, Hash, Seconds, Uuid
from gateway.api.v1.items import Notification
from gateway.api.v1.jobs import job_id, not_found
from gateway.api.v1.sending import NOTIFICATION, command_of
from gateway.domain.principal import User
from gateway.sending.plans import SendPlan, decode_broadcast
from gateway.store.jobs import JobKind, JobRecord
from gateway.store.redis.problems import StoreDataError, decoding

BODY = Body(
    "broadcast",
    replace(NOTIFICATION, name="NewBroadcast"),
    example={
        "title": "We are back",
        "content": "All systems run again.",
        "category": "status",
        "recipients": [{"matches": "*"}],
    },
    max_bytes=None,
)
"""What `POST /broadcasts` takes."""

PAGING = (
    Number("per_page", "Entries on a page.", default=15, least=1, most=100),
    Number("page", "Number of the page, from 1.", default=1, least=1, most=1_000_000_000),
)


class BroadcastSummary(msgspec.Struct):
    """How many recipients there were so far, failures among them."""

    total: int
    failures: int


class BroadcastProblem(msgspec.Struct):
    """Why a recipient could not be served, or why the broadcast ended."""

    message: str


class BroadcastStatus(msgspec.Struct):
    """How far a broadcast is. Of the errors it has the first 1000."""

    status: Literal["enqueued", "processing", "processed"]
    summary: BroadcastSummary
    errors: list[BroadcastProblem]


class Broadcast(msgspec.Struct):
    """What was sent, to whom, and how far it is."""

    id: Uuid
    title: str
    content: str | None
    action_url: str | None
    category: str
    topic: str | None
    custom_attributes: Hash | None
    created_at: Seconds
    recipients: list[Hash]
    overrides: Hash | None
    status: BroadcastStatus


class BroadcastAnswer(msgspec.Struct):
    """One broadcast."""

    broadcast: Broadcast


class BroadcastList(msgspec.Struct):
    """A page of broadcasts, newest first."""

    total: int
    total_pages: int
    per_page: int
    current_page: int
    broadcasts: list[Broadcast]


class BroadcastNotifications(msgspec.Struct):
    """A page of the items that recipients got. `total` counts those who deleted theirs, too."""

    total: int
    total_pages: int
    per_page: int
    current_page: int
    notifications: list[Notification]


BROADCASTING = Answer(201, "Accepted", BroadcastAnswer)
BROADCAST = Answer(200, "The broadcast", BroadcastAnswer)
BROADCASTS = Answer(200, "A page", BroadcastList)
BROADCAST_NOTIFICATIONS = Answer(200, "A page", BroadcastNotifications)


async def create(call: Call) -> Response:
    """Send to any number of users: named ones, those who match a condition, subscribers of the topic; each once.

    It is accepted at once and delivered soon. Users who are created afterwards do not get it.
    """
    body = await call.body()
    command = command_of(await call.large_fields(body))

    async def run(plan: bytes, remember: bool) -> bytes:
        view = await call.services.sender.enqueue(call.project.id, command, planned(plan, SendPlan), "broadcast")
        return _wrapped(_with_status(view, "enqueued", {"total": 0, "failures": 0}, b"[]"))

    return await once(call, body, encode(SendPlan(str(uuid4()), call.services.moment())), run)


async def list_broadcasts(call: Call) -> Response:
    """Return a page of the last 30 days' broadcasts, newest first, each with its progress."""
    query = call.query()
    page, per_page = query["page"], query["per_page"]
    total, found = await call.services.jobs.list_page(JobKind.BROADCAST, call.project.id, page, per_page)
    views: list[bytes] = []
    for _, record in found:
        with contextlib.suppress(StoreDataError):  # it is in the log, and must not hide the others
            views.append(_view(record))
        await asyncio.sleep(0)  # a large one takes milliseconds
    return _page(total, page, per_page, "broadcasts", views)


async def get(call: Call) -> Response:
    """Return a broadcast and its progress: `total` counts the users who have it, and failures."""
    return raw_json_response(_wrapped(_view((await _find(call))[1])))


async def list_notifications(call: Call) -> Response:
    """Return a page of the recipients' items, in the order delivered; deleted ones are counted, not listed."""
    query = call.query()
    page, per_page = query["page"], query["per_page"]
    broadcast_id, _ = await _find(call)
    services, project_id = call.services, call.project.id
    total, ids = await services.jobs.read_reached(project_id, broadcast_id, (page - 1) * per_page, per_page)
    users = [User(project_id, user_id, None, None) for user_id in ids]
    items = await services.inboxes.get_each(users, UUID(broadcast_id))
    return _page(total, page, per_page, "notifications", [item for item in items if item is not None])


async def _find(call: Call) -> tuple[str, JobRecord]:
    wanted = job_id(call, "broadcast_id", "Broadcast")
    found = await call.services.jobs.read(JobKind.BROADCAST, call.project.id, wanted)
    if found is None:
        raise not_found("Broadcast")
    return wanted, found


def _view(record: JobRecord) -> bytes:
    with decoding("a broadcast"):
        plan = decode_broadcast(record.payload)
        summary = {name: record.counts[name] for name in ("total", "failures")}
    return _with_status(bytes(plan.view), record.status, summary, record.errors)


def _with_status(view: bytes, status: str, summary: Mapping[str, int], errors: bytes) -> bytes:
    words = encode({"status": status, "summary": summary, "errors": msgspec.Raw(errors)})
    return b"".join((view[:-1], b',"status":', words, b"}"))


def _wrapped(view: bytes) -> bytes:
    return b"".join((b'{"broadcast":', view, b"}"))


def _page(total: int, page: int, per_page: int, name: str, items: Sequence[bytes]) -> Response:
    head = encode(
        {
            "total": total,
            "total_pages": total_pages(total, per_page),
            "per_page": per_page,
            "current_page": page,
            name: [],
        }
    )
    return raw_json_response(b"".join((head[:-2], b",".join(items), b"]}")))


OPERATIONS = [
    Operation(
        "POST",
        "/broadcasts",
        Scope.ADMIN,
        create,
        "Send a broadcast",
        BROADCASTING,
        BODY,
        idempotent=True,
    ),
    Operation("GET", "/broadcasts", Scope.ADMIN, list_broadcasts, "List broadcasts", BROADCASTS, query=PAGING),
    Operation("GET", "/broadcasts/{broadcast_id}", Scope.ADMIN, get, "Fetch a broadcast", BROADCAST),
    Operation(
        "GET",
        "/broadcasts/{broadcast_id}/notifications",
        Scope.ADMIN,
        list_notifications,
        "List a broadcast's notifications",
        BROADCAST_NOTIFICATIONS,
        query=PAGING,
    ),
]
