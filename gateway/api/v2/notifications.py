"""Notifications of the calling user in the dialect of v2: the same inbox as in v1, with the same live events."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import Response

from gateway.api.core.call import USER, UserCall
from gateway.api.core.operation import Operation
from gateway.api.core.paging import PLACED_PAGING, Cursor, Links, links, read_page
from gateway.api.core.problems import not_found
from gateway.api.core.query import Formed, Option
from gateway.api.core.responses import json_response
from gateway.api.core.schema import ResponseSpec
from gateway.api.v1.items import item_id_of
from gateway.api.v1.notifications import CHANGED, changed
from gateway.api.v2.items import V2Notification, decode_item, shown
from gateway.domain.errors import invalid
from gateway.domain.notification import UNCATEGORIZED, BulkCommand, Command, Filter, stored_categories
from gateway.store.event_log import Moment
from gateway.store.inbox import InboxStore
from gateway.store.item_pages import ItemCursor, ItemPages

_NAME = ("at most 255 characters", r"[\s\S]{1,255}")

SCOPE = (
    Formed(
        "category",
        f"Only notifications of this category; `{UNCATEGORIZED}` selects those without one.",
        *_NAME,
    ),
    Formed("topic", "Only notifications of this topic.", *_NAME),
)
"""Selects the notifications of a category, of a topic, or of both."""

_STATUSES: Mapping[str | None, Filter] = {
    None: Filter(),
    "unread": Filter(read=False, archived=False),
    "read": Filter(read=True, archived=False),
    "archived": Filter(archived=True),
}

LISTING = (
    Option(
        "status",
        "Only notifications of this status. One that is archived is neither `unread` nor `read`.",
        tuple(filter(None, _STATUSES)),
    ),
    *SCOPE,
    *PLACED_PAGING,
)


class V2NotificationList(msgspec.Struct):
    """A page of notifications, newest first."""

    data: list[V2Notification]
    links: Links


class UnreadCount(msgspec.Struct):
    """How many notifications have the status `unread`."""

    count: int


FOUND = ResponseSpec(200, "The notification", V2Notification)
LISTED = ResponseSpec(200, "A page", V2NotificationList, headers=("X-Inbox-Position",))
COUNTED = ResponseSpec(200, "The count", UnreadCount)


@dataclass(frozen=True, slots=True)
class NotificationsResource:
    """The operations on the calling user's notifications, with the stores that they use."""

    inboxes: InboxStore
    pages: ItemPages
    now: Callable[[], Moment]

    async def list_page(self, call: UserCall) -> Response:
        """Return a page of the user's notifications, newest first, without the archived ones if a status asks for that.

        Without `status`, the list has all notifications, the archived ones included. `X-Inbox-Position` is the position
        of the inbox at the time of the list, from which a live connection can continue. The cursors in `links` stay
        valid when a notification is deleted. The id of a deleted notification is no valid cursor.
        """
        query = call.query()
        page = read_page(query)
        after, before = (_cursor(text) for text in (page.after, page.before))
        found = await self.pages.page(call.user, _filter(query, query["status"]), page.size, after, before, call.guard)
        if found is None:
            raise invalid(f"Param 'page[{'after' if after else 'before'}]' is not the id of a notification of the user")
        items = [decode_item(item) for item in found.items]
        newer = f"{items[0].id}.{found.newer}" if found.newer else None
        older = f"{items[-1].id}.{found.older}" if found.older else None
        path = call.forwarded.prefix + call.request.path
        fields = call.request.query_params.multi_items()
        return json_response(
            {"data": [shown(item) for item in items], "links": links(path, fields, page.size, newer, older)},
            headers={"X-Inbox-Position": str(found.position)} if found.position else None,
        )

    async def get(self, call: UserCall) -> Response:
        """Return a notification of the user, without a wrapper."""
        item = await self.inboxes.get(call.user, item_id_of(call), call.guard)
        if item is None:
            raise not_found("Notification")
        return json_response(shown(decode_item(item)))

    async def count_unread(self, call: UserCall) -> Response:
        """Return how many notifications are unread and not archived, perhaps only those of a category or topic."""
        count = await self.pages.count(call.user, _filter(call.query(), "unread"), call.guard)
        return json_response({"count": count})

    async def mark_read(self, call: UserCall) -> Response:
        """Mark a notification as read and seen. Marking it again changes nothing."""
        return await self._change(call, Command.READ)

    async def mark_unread(self, call: UserCall) -> Response:
        """Mark a notification as unread, although it stays seen."""
        return await self._change(call, Command.UNREAD)

    async def archive(self, call: UserCall) -> Response:
        """Archive a notification. Its status is then `archived`, whether it is read or unread."""
        return await self._change(call, Command.ARCHIVE)

    async def unarchive(self, call: UserCall) -> Response:
        """Remove a notification from the archive. Its status is then `read` or `unread` again."""
        return await self._change(call, Command.UNARCHIVE)

    async def mark_all_read(self, call: UserCall) -> Response:
        """Mark all of the user's notifications as read and seen, or only those of a category or topic.

        The archived ones are marked as well.
        """
        return await self._change_all(call, BulkCommand.READ_ALL)

    async def archive_all(self, call: UserCall) -> Response:
        """Move all of the user's notifications to the archive, or only those of a category or topic."""
        return await self._change_all(call, BulkCommand.ARCHIVE_ALL)

    async def _change(self, call: UserCall, command: Command) -> Response:
        item_id = item_id_of(call)
        return changed(await self.inboxes.change(call.user, item_id, command, call.client_id, self.now(), call.guard))

    async def _change_all(self, call: UserCall, command: BulkCommand) -> Response:
        selected = _filter(call.query(), None)
        return changed(
            await self.inboxes.change_all(call.user, selected, command, call.client_id, self.now(), call.guard)
        )


def _filter(query: Mapping[str, Any], status: str | None) -> Filter:
    category, topic = query["category"], query["topic"]
    flags = _STATUSES[status]
    return Filter(
        read=flags.read,
        archived=flags.archived,
        categories=stored_categories([category]) if category else (),
        topics=(topic,) if topic else (),
    )


def _cursor(text: str | None) -> ItemCursor | None:
    return ItemCursor(*Cursor.parse(text)) if text else None


_R = NotificationsResource
_PATH = "/v2/notifications"

OPERATIONS = [
    Operation("GET", _PATH, USER, _R.list_page, "List notifications", LISTED, query=LISTING),
    Operation(
        "GET",
        f"{_PATH}/unread/count",
        USER,
        _R.count_unread,
        "Count unread notifications",
        COUNTED,
        query=SCOPE,
    ),
    Operation("POST", f"{_PATH}/read", USER, _R.mark_all_read, "Mark all as read", CHANGED, query=SCOPE),
    Operation("POST", f"{_PATH}/archive", USER, _R.archive_all, "Archive all", CHANGED, query=SCOPE),
    Operation("GET", f"{_PATH}/{{id}}", USER, _R.get, "Fetch a notification", FOUND),
    Operation("POST", f"{_PATH}/{{id}}/read", USER, _R.mark_read, "Mark as read", CHANGED),
    Operation("POST", f"{_PATH}/{{id}}/unread", USER, _R.mark_unread, "Mark as unread", CHANGED),
    Operation("POST", f"{_PATH}/{{id}}/archive", USER, _R.archive, "Archive a notification", CHANGED),
    Operation("POST", f"{_PATH}/{{id}}/unarchive", USER, _R.unarchive, "Unarchive a notification", CHANGED),
]
