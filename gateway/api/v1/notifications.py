"""Notifications: sending them, listing them, and moving them between states."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import msgspec
from starlette.responses import Response

from gateway.api.core.idempotency import once, planned
from gateway.api.core.operation import Call, Handler, Operation, Scope, encode, no_content, raw_json_response
from gateway.api.core.params import Body
from gateway.api.core.query import Flag, Number, Texts, total_pages
from gateway.api.core.schema import Answer, Hash, Seconds, Uuid
from gateway.api.v1.items import Notification
from gateway.api.v1.sending import NOTIFICATION, command_of
from gateway.domain.errors import ErrorCode, api_error, invalid
from gateway.domain.notification import UNCATEGORIZED, BulkCommand, Command, Filter, stored_categories
from gateway.sending.errors import RecipientConflictError
from gateway.sending.plans import SendPlan
from gateway.sending.recipients import conflict_message

MAX_FILTER_ITEMS = 50
"""Categories or topics in one query: each costs the store a few index look-ups."""

SENDING = Body(
    "notification",
    NOTIFICATION,
    example={
        "title": "Your order has shipped",
        "content": "It arrives on Friday.",
        "action_url": "https://shop.example.com/orders/42",
        "category": "orders",
        "custom_attributes": {"order": 42},
        "recipients": [{"external_id": "ada"}],
    },
    max_bytes=None,
)

FILTER = (
    Flag("read", "`true`: only read notifications; `false`: only unread ones."),
    Flag("seen", "`true`: only seen notifications; `false`: only unseen ones."),
    Flag("archived", "`true`: only archived notifications; `false`: only others."),
    Texts(
        "categories",
        f"Only notifications of these categories; `{UNCATEGORIZED}` is those without one.",
        MAX_FILTER_ITEMS,
        100,
    ),
    Texts("topics", "Only notifications of these topics.", MAX_FILTER_ITEMS, 100),
)
"""Which of a user's notifications are meant; all of them without any."""

LISTING = (
    Number("per_page", "Entries on a page.", default=15, least=1, most=100),
    Number("page", "Number of the page, from 1.", default=1, least=1, most=1_000_000_000),
    *FILTER,
)


class SentNotification(msgspec.Struct):
    """What was sent."""

    id: Uuid
    title: str
    content: str | None
    action_url: str | None
    category: str
    topic: str | None
    custom_attributes: Hash | None
    sent_at: Seconds


class SentNotificationAnswer(msgspec.Struct):
    """The answer to a notification that was sent."""

    notification: SentNotification


class NotificationAnswer(msgspec.Struct):
    """One notification."""

    notification: Notification


class NotificationList(msgspec.Struct):
    """A page of an inbox, newest first. `total` and the counts are of all that match, on whatever page."""

    project_id: int
    total: int
    total_pages: int
    per_page: int
    current_page: int
    unread_count: int
    unseen_count: int
    notifications: list[Notification]


SENT = Answer(201, "Sent", SentNotificationAnswer)
FOUND = Answer(200, "The notification", NotificationAnswer)
LISTED = Answer(200, "A page", NotificationList, headers=("X-Inbox-Position",))


# ---- sending


async def create(call: Call) -> Response:
    """Send a notification. Named users are created if unknown, and have it before the answer.

    With a condition or a topic among the recipients, it is delivered soon after, as a broadcast of the same id.
    """
    body = await call.body()
    command = command_of(await call.large_fields(body))
    plan = encode(SendPlan(str(uuid4()), call.services.moment()))

    async def run(encoded_plan: bytes, remember: bool) -> bytes:
        plan = planned(encoded_plan, SendPlan)
        try:
            await call.services.sender.send(call.project.id, command, plan, call.item_retention, remember)
        except RecipientConflictError as conflict:
            raise invalid(*(conflict_message("notification", index) for index in conflict.indexes)) from None
        fields = msgspec.structs.asdict(command.sent)
        return encode({"notification": {"id": plan.id, **fields, "sent_at": plan.moment.now_ms // 1000}})

    return await once(call, body, plan, run)


# ---- reading


async def list_notifications(call: Call) -> Response:
    """Return a page of the user's notifications, newest first, with the counts of all that match."""
    query = call.query()
    page, per_page = query["page"], query["per_page"]
    found = await call.services.inboxes.list_page(call.user, _filter(query), page, per_page, call.guard)
    head = encode(
        {
            "project_id": int(call.project.id),
            "total": found.total,
            "total_pages": total_pages(found.total, per_page),
            "per_page": per_page,
            "current_page": page,
            "unread_count": found.unread,
            "unseen_count": found.unseen,
        }
    )
    body = b"".join((head[:-1], b',"notifications":[', b",".join(found.items), b"]}"))
    return raw_json_response(body, headers={"X-Inbox-Position": str(found.position)} if found.position else None)


async def get(call: Call) -> Response:
    """Return one notification of the user."""
    item = await call.services.inboxes.get(call.user, call.notification_id, call.guard)
    if item is None:
        raise api_error(ErrorCode.NOT_FOUND, "Notification not found")
    return raw_json_response(b'{"notification":' + item + b"}")


# ---- changing


def change(command: Command) -> Handler:
    """Make the handler that applies a command to one notification."""

    async def handler(call: Call) -> Response:
        found = await call.services.inboxes.change(
            call.user, call.notification_id, command, call.client_id, call.services.moment(), call.guard
        )
        return _done(found)

    return handler


async def delete(call: Call) -> Response:
    """Delete one notification of the user."""
    return _done(
        await call.services.inboxes.delete(
            call.user, call.notification_id, call.client_id, call.services.moment(), call.guard
        )
    )


def change_all(command: BulkCommand) -> Handler:
    """Make the handler that applies a command to every notification that the query's filter matches."""

    async def handler(call: Call) -> Response:
        await call.services.inboxes.change_all(
            call.user, _filter(call.query()), command, call.client_id, call.services.moment(), call.guard
        )
        return no_content()

    return handler


def _done(found: bool) -> Response:
    if not found:
        raise api_error(ErrorCode.NOT_FOUND, "Notification not found")
    return no_content()


def _filter(query: Mapping[str, Any]) -> Filter:
    return Filter(
        read=query["read"],
        seen=query["seen"],
        archived=query["archived"],
        categories=stored_categories(query["categories"]),
        topics=query["topics"],
    )


OPERATIONS = [
    Operation("POST", "/notifications", Scope.ADMIN, create, "Send a notification", SENT, SENDING, idempotent=True),
    Operation("GET", "/notifications", Scope.USER, list_notifications, "List notifications", LISTED, query=LISTING),
    Operation(
        "POST", "/notifications/read", Scope.USER, change_all(BulkCommand.READ_ALL), "Mark all as read", query=FILTER
    ),
    Operation(
        "POST", "/notifications/seen", Scope.USER, change_all(BulkCommand.SEEN_ALL), "Mark all as seen", query=FILTER
    ),
    Operation("GET", "/notifications/{id}", Scope.USER, get, "Fetch a notification", FOUND),
    Operation("DELETE", "/notifications/{id}", Scope.USER, delete, "Delete a notification"),
    Operation("POST", "/notifications/{id}/read", Scope.USER, change(Command.READ), "Mark as read"),
    Operation("POST", "/notifications/{id}/unread", Scope.USER, change(Command.UNREAD), "Mark as unread"),
    Operation("POST", "/notifications/{id}/seen", Scope.USER, change(Command.SEEN), "Mark as seen"),
    Operation("POST", "/notifications/{id}/archive", Scope.USER, change(Command.ARCHIVE), "Archive a notification"),
    Operation(
        "DELETE", "/notifications/{id}/archive", Scope.USER, change(Command.UNARCHIVE), "Unarchive a notification"
    ),
]
