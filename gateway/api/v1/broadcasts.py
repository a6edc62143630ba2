"""Broadcasts: notifications to any number of users, accepted at once and delivered in steps by a job."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID, uuid4

import msgspec
from starlette.responses import Response

from gateway.api.core.body import Body
from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.idempotency import Idempotency, planned
from gateway.api.core.operation import Operation
from gateway.api.core.problems import not_found
from gateway.api.core.query import Number, total_pages
from gateway.api.core.responses import encode, raw_json_response
from gateway.api.core.schema import Hash, ResponseSpec, Seconds, Uuid
from gateway.api.v1.items import Notification
from gateway.api.v1.sending import LIMITS, NOTIFICATION, command_of
from gateway.domain.notification import ItemId
from gateway.domain.principal import User
from gateway.sending.plans import SendPlan, decode_broadcast
from gateway.sending.sender import Sender
from gateway.store.event_log import Moment
from gateway.store.inbox import InboxStore
from gateway.store.jobs import JobKind, JobRecord, JobStore
from gateway.store.redis.problems import StoreDataError, decoding

NEW_BROADCAST = Body(
    "broadcast",
    replace(NOTIFICATION, name="NewBroadcast"),
    example={
        "title": "We are back",
        "content": "All systems run again.",
        "category": "status",
        "recipients": [{"matches": "*"}],
    },
    max_bytes=None,
    refusals=LIMITS,
)

PAGING = (
    Number("per_page", "Entries on a page.", default=15, least=1, most=100),
    Number("page", "Number of the page, from 1.", default=1, least=1, most=1_000_000_000),
)


class BroadcastSummary(msgspec.Struct):
    """The number of recipients processed so far, failures included."""

    total: int
    failures: int


class BroadcastProblem(msgspec.Struct):
    """Why a recipient did not get the notification, or why the broadcast failed."""

    message: str


class BroadcastStatus(msgspec.Struct):
    """The progress of a broadcast. `errors` has the first 1,000."""

    status: Literal["enqueued", "processing", "processed", "cancelled"]
    summary: BroadcastSummary
    errors: list[BroadcastProblem]


class Broadcast(msgspec.Struct):
    """A broadcast as it was sent, with its progress."""

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
    """A page of the recipients' notifications. `total` includes those that recipients have deleted."""

    total: int
    total_pages: int
    per_page: int
    current_page: int
    notifications: list[Notification]


ACCEPTED = ResponseSpec(201, "Accepted", BroadcastAnswer)
BROADCAST = ResponseSpec(200, "The broadcast", BroadcastAnswer)
BROADCASTS = ResponseSpec(200, "A page", BroadcastList)
NOTIFICATIONS = ResponseSpec(200, "A page", BroadcastNotifications)


@dataclass(frozen=True, slots=True)
class BroadcastsResource:
    """The operations on broadcasts, with the stores that they use."""

    jobs: JobStore
    inboxes: InboxStore
    sender: Sender
    idempotency: Idempotency
    now: Callable[[], Moment]

    async def create(self, call: ProjectCall) -> Response:
        """Send a notification to any number of users.

        Recipients are users named by external id or email, users that match a condition, and the subscribers of the
        notification's topic. Each user gets it once. The broadcast is accepted at once and delivered soon after.
        Users that are created after that do not get it.
        """
        body = await call.body()
        command = command_of(await call.large_fields(body))

        async def work(plan: bytes, repeatable: bool) -> bytes:
            view = await self.sender.enqueue(call.project.id, command, planned(plan, SendPlan), "broadcast")
            return _wrapped(_with_status(view, "enqueued", {"total": 0, "failures": 0}, b"[]"))

        return await self.idempotency.once(call, body, encode(SendPlan(str(uuid4()), self.now())), work)

    async def list_page(self, call: ProjectCall) -> Response:
        """Return a page of the broadcasts of the last 30 days, newest first, with their progress."""
        query = call.query()
        page, per_page = query["page"], query["per_page"]
        total, found = await self.jobs.list_page(JobKind.BROADCAST, call.project.id, page, per_page)
        views: list[bytes] = []
        for _, record in found:
            with contextlib.suppress(StoreDataError):  # it is logged, and must not hide the other broadcasts
                views.append(_view(record))
            await asyncio.sleep(0)  # decoding a large one takes milliseconds
        return _page(total, page, per_page, "broadcasts", views)

    async def get(self, call: ProjectCall) -> Response:
        """Return a broadcast with its progress.

        In `status.summary`, `total` is the number of recipients processed so far, `failures` of them without success.
        """
        _, record = await self._find(call)
        return raw_json_response(_wrapped(_view(record)))

    async def list_notifications(self, call: ProjectCall) -> Response:
        """Return a page of the notifications that recipients got, in the order of delivery.

        Notifications that recipients have deleted are not listed; `total` includes them.
        """
        query = call.query()
        page, per_page = query["page"], query["per_page"]
        broadcast_id, _ = await self._find(call)
        project_id = call.project.id
        total, ids = await self.jobs.read_reached(project_id, str(broadcast_id), (page - 1) * per_page, per_page)
        users = [User(project_id, user_id, None, None) for user_id in ids]
        items = await self.inboxes.get_each(users, ItemId(broadcast_id.bytes))
        return _page(total, page, per_page, "notifications", [item for item in items if item is not None])

    async def _find(self, call: ProjectCall) -> tuple[UUID, JobRecord]:
        broadcast_id = call.uuid("broadcast_id", "Broadcast")
        record = await self.jobs.read(JobKind.BROADCAST, call.project.id, str(broadcast_id))
        if record is None:
            raise not_found("Broadcast")
        return broadcast_id, record


def _view(record: JobRecord) -> bytes:
    with decoding("a broadcast"):
        plan = decode_broadcast(record.payload)
        summary = {name: record.counts[name] for name in ("total", "failures")}
    return _with_status(bytes(plan.view), record.status, summary, record.errors)


def _with_status(view: bytes, status: str, summary: Mapping[str, int], errors: bytes) -> bytes:
    status_json = encode({"status": status, "summary": summary, "errors": msgspec.Raw(errors)})
    return b"".join((view[:-1], b',"status":', status_json, b"}"))


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


_R = BroadcastsResource

OPERATIONS = [
    Operation("POST", "/broadcasts", PROJECT, _R.create, "Send a broadcast", ACCEPTED, NEW_BROADCAST, idempotent=True),
    Operation("GET", "/broadcasts", PROJECT, _R.list_page, "List broadcasts", BROADCASTS, query=PAGING),
    Operation("GET", "/broadcasts/{broadcast_id}", PROJECT, _R.get, "Fetch a broadcast", BROADCAST),
    Operation(
        "GET",
        "/broadcasts/{broadcast_id}/notifications",
        PROJECT,
        _R.list_notifications,
        "List a broadcast's notifications",
        NOTIFICATIONS,
        query=PAGING,
    ),
]
