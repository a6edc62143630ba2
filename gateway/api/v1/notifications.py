"""Notifications: sending them, listing them, and changing their state."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import Response

from gateway.api.core.body import Body
from gateway.api.core.call import PROJECT, USER, ProjectCall, UserCall
from gateway.api.core.idempotency import Idempotency, key_of, planned
from gateway.api.core.large_bodies import LARGE_BYTES
from gateway.api.core.operation import Operation
from gateway.api.core.problems import not_found
from gateway.api.core.query import Flag, Number, Texts, total_pages
from gateway.api.core.responses import encode, no_content, raw_json_response
from gateway.api.core.schema import Hash, ResponseSpec, Seconds, Uuid
from gateway.api.v1.items import Notification, item_id_of
from gateway.api.v1.sending import LIMITS, NOTIFICATION, command_of, plain_command
from gateway.domain.errors import invalid
from gateway.domain.notification import UNCATEGORIZED, BulkCommand, Command, Filter, stored_categories
from gateway.domain.principal import Project
from gateway.domain.retention import ItemRetention
from gateway.sending.command import SendCommand
from gateway.sending.errors import RecipientConflictError
from gateway.sending.plans import SendPlan, new_send_plan
from gateway.sending.recipients import conflict_message
from gateway.sending.sender import Sender
from gateway.store.event_log import Moment
from gateway.store.inbox import Change, InboxStore

MAX_FILTER_ITEMS = 50
"""Categories or topics in one query: each costs the store a few index look-ups."""

NEW_NOTIFICATION = Body(
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
    refusals=LIMITS,
)

FILTER = (
    Flag("read", "`true`: only read notifications; `false`: only unread ones."),
    Flag("seen", "`true`: only seen notifications; `false`: only unseen ones."),
    Flag("archived", "`true`: only archived notifications; `false`: only others."),
    Texts(
        "categories",
        f"Only notifications of these categories; `{UNCATEGORIZED}` selects those without one.",
        MAX_FILTER_ITEMS,
        100,
    ),
    Texts("topics", "Only notifications of these topics.", MAX_FILTER_ITEMS, 100),
)
"""Selects some of a user's notifications; all of them without any parameter."""

LISTING = (
    Number("per_page", "Notifications on a page.", default=15, least=1, most=100),
    Number("page", "Number of the page, from 1.", default=1, least=1, most=1_000_000_000),
    *FILTER,
)


class SentNotification(msgspec.Struct):
    """A notification as it was sent."""

    id: Uuid
    title: str
    content: str | None
    action_url: str | None
    category: str
    topic: str | None
    custom_attributes: Hash | None
    sent_at: Seconds


class SentNotificationAnswer(msgspec.Struct):
    """A notification that was sent."""

    notification: SentNotification


class NotificationAnswer(msgspec.Struct):
    """One notification."""

    notification: Notification


class NotificationList(msgspec.Struct):
    """A page of an inbox, newest first. `total` and the counts are those of all notifications that match the query."""

    project_id: int
    total: int
    total_pages: int
    per_page: int
    current_page: int
    unread_count: int
    unseen_count: int
    notifications: list[Notification]


_PAGE = (
    b'{"project_id":%d,"total":%d,"total_pages":%d,"per_page":%d,"current_page":%d,"unread_count":%d,"unseen_count":%d,'
    b'"notifications":[%b]}'
)
"""A NotificationList as JSON, with items as they are stored."""

SENT = ResponseSpec(201, "Sent", SentNotificationAnswer)
FOUND = ResponseSpec(200, "The notification", NotificationAnswer)
LISTED = ResponseSpec(200, "A page", NotificationList, headers=("X-Inbox-Position",))
CHANGED = ResponseSpec(204, "Done", headers=("X-Inbox-Position",))


@dataclass(frozen=True, slots=True)
class NotificationsResource:
    """The operations on notifications. `item_retention` applies to projects that have none of their own."""

    inboxes: InboxStore
    sender: Sender
    idempotency: Idempotency
    item_retention: ItemRetention
    now: Callable[[], Moment]

    async def create(self, call: ProjectCall) -> Response:
        """Send a notification to up to 1000 recipients.

        A recipient is a user, named by external id or email, all users that match a condition, or the subscribers of
        the notification's topic. Users that do not exist yet are created.

        With named users only, the notification is in all their inboxes when the response arrives. With any other
        recipient, it is accepted and delivered soon after, as a broadcast with the same id:
        `GET /broadcasts/{broadcast_id}` returns its progress.
        """
        body = await call.body()
        command = plain_command(body) if len(body) <= LARGE_BYTES else None
        if command is None:
            command = command_of(await call.large_fields(body))
        plan = new_send_plan(self.now())
        if not key_of(call):
            return raw_json_response(await self._send(call.project, command, plan, False), 201)

        async def work(encoded_plan: bytes, repeatable: bool) -> bytes:
            return await self._send(call.project, command, planned(encoded_plan, SendPlan), repeatable)

        return await self.idempotency.once(call, body, encode(plan), work)

    async def _send(self, project: Project, command: SendCommand, plan: SendPlan, repeatable: bool) -> bytes:
        keep = project.item_retention(self.item_retention)
        try:
            sent = await self.sender.send(project.id, command, plan, keep, repeatable)
        except RecipientConflictError as conflict:
            raise invalid(*(conflict_message("notification", index) for index in conflict.indexes)) from None
        return b'{"notification":%b,"sent_at":%d}}' % (sent.encoded, plan.moment.now_ms // 1000)

    async def list_page(self, call: UserCall) -> Response:
        """Return a page of the user's notifications, newest first, and how many match the query.

        `X-Inbox-Position` is the position of the inbox at the time of the list. A live connection that resumes there
        gets exactly the changes that the list does not show.
        """
        query = call.query()
        page, per_page = query["page"], query["per_page"]
        found = await self.inboxes.list_page(call.user, _filter(query), page, per_page, call.guard)
        body = _PAGE % (
            int(call.project.id),
            found.total,
            total_pages(found.total, per_page),
            per_page,
            page,
            found.unread,
            found.unseen,
            b",".join(found.items),
        )
        return raw_json_response(body, headers={"X-Inbox-Position": str(found.position)} if found.position else None)

    async def get(self, call: UserCall) -> Response:
        """Return a notification of the user."""
        item = await self.inboxes.get(call.user, item_id_of(call), call.guard)
        if item is None:
            raise not_found("Notification")
        return raw_json_response(b'{"notification":' + item + b"}")

    def mark_read(self, call: UserCall) -> Awaitable[Response]:
        """Mark a notification as read, which marks it as seen, too."""
        return self._change(call, Command.READ)

    def mark_unread(self, call: UserCall) -> Awaitable[Response]:
        """Mark a notification as unread. It stays seen."""
        return self._change(call, Command.UNREAD)

    def mark_seen(self, call: UserCall) -> Awaitable[Response]:
        """Mark a notification as seen. It stays unread."""
        return self._change(call, Command.SEEN)

    def archive(self, call: UserCall) -> Awaitable[Response]:
        """Move a notification to the archive. It stays read or unread as it was."""
        return self._change(call, Command.ARCHIVE)

    def unarchive(self, call: UserCall) -> Awaitable[Response]:
        """Move a notification from the archive back to the inbox."""
        return self._change(call, Command.UNARCHIVE)

    async def delete(self, call: UserCall) -> Response:
        """Delete a notification from the user's inbox. Other recipients keep theirs."""
        item_id = item_id_of(call)
        return changed(await self.inboxes.delete(call.user, item_id, call.client_id, self.now(), call.guard))

    async def mark_all_read(self, call: UserCall) -> Response:
        """Mark all of the user's notifications as read and seen, or only those that match the query."""
        return await self._change_all(call, BulkCommand.READ_ALL)

    async def mark_all_seen(self, call: UserCall) -> Response:
        """Mark all of the user's notifications as seen, or only those that match the query."""
        return await self._change_all(call, BulkCommand.SEEN_ALL)

    async def archive_all(self, call: UserCall) -> Response:
        """Move all of the user's notifications to the archive, or only those that match the query."""
        return await self._change_all(call, BulkCommand.ARCHIVE_ALL)

    async def _change(self, call: UserCall, command: Command) -> Response:
        item_id = item_id_of(call)
        return changed(await self.inboxes.change(call.user, item_id, command, call.client_id, self.now(), call.guard))

    async def _change_all(self, call: UserCall, command: BulkCommand) -> Response:
        selected = _filter(call.query())
        return changed(
            await self.inboxes.change_all(call.user, selected, command, call.client_id, self.now(), call.guard)
        )


def changed(change: Change | None) -> Response:
    """Return the response to a command, with the position of the inbox after it. Raises ApiError 404."""
    if change is None:
        raise not_found("Notification")
    return no_content({"X-Inbox-Position": change.position} if change.position else None)


def _filter(query: Mapping[str, Any]) -> Filter:
    return Filter(
        read=query["read"],
        seen=query["seen"],
        archived=query["archived"],
        categories=stored_categories(query["categories"]),
        topics=query["topics"],
    )


_R = NotificationsResource

OPERATIONS = [
    Operation(
        "POST", "/notifications", PROJECT, _R.create, "Send a notification", SENT, NEW_NOTIFICATION, idempotent=True
    ),
    Operation("GET", "/notifications", USER, _R.list_page, "List notifications", LISTED, query=LISTING),
    Operation("POST", "/notifications/read", USER, _R.mark_all_read, "Mark all as read", CHANGED, query=FILTER),
    Operation("POST", "/notifications/seen", USER, _R.mark_all_seen, "Mark all as seen", CHANGED, query=FILTER),
    Operation("POST", "/notifications/archive", USER, _R.archive_all, "Archive all", CHANGED, query=FILTER),
    Operation("GET", "/notifications/{id}", USER, _R.get, "Fetch a notification", FOUND),
    Operation("DELETE", "/notifications/{id}", USER, _R.delete, "Delete a notification", CHANGED),
    Operation("POST", "/notifications/{id}/read", USER, _R.mark_read, "Mark as read", CHANGED),
    Operation("POST", "/notifications/{id}/unread", USER, _R.mark_unread, "Mark as unread", CHANGED),
    Operation("POST", "/notifications/{id}/seen", USER, _R.mark_seen, "Mark as seen", CHANGED),
    Operation("POST", "/notifications/{id}/archive", USER, _R.archive, "Archive a notification", CHANGED),
    Operation("DELETE", "/notifications/{id}/archive", USER, _R.unarchive, "Unarchive a notification", CHANGED),
]
