"""The events of an inbox: their types, and the transport for clients that hold no connection."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response

from gateway.api.core.call import USER, UserCall
from gateway.api.core.operation import Operation
from gateway.api.core.query import Formed, Number
from gateway.api.core.responses import encode, raw_json_response
from gateway.api.core.schema import Hash, Place, ResponseSpec, Seconds, Uuid
from gateway.api.v1.items import Notification
from gateway.api.v1.preferences import Preferences
from gateway.domain.event import POSITION_PATTERN, Position
from gateway.domain.messages import MAX_WAIT_SECONDS, CountsBody
from gateway.domain.notification import DELETE_EVENT, NEW_EVENT, BulkCommand, Command
from gateway.domain.preferences import UPDATE_EVENT as PREFERENCES_EVENT
from gateway.store.inbox import InboxStore

_EVENT_NAMES = [
    *(NEW_EVENT, DELETE_EVENT, PREFERENCES_EVENT),
    *(row.transition.event_name for row in (*Command, *BulkCommand)),
]

EventName: TypeAlias = Annotated[str, Meta(extra_json_schema={"enum": _EVENT_NAMES})]

SINCE = Formed("since", "The position to continue from.", "a position such as k3f9.42", POSITION_PATTERN)

WAIT = Number("wait", "The seconds to wait for an event, if there is none after `since` yet.", 0, 0, MAX_WAIT_SECONDS)


class EventData(msgspec.Struct):
    """What changed.

    An event of one notification has `id`, and `notification` unless it was deleted. An event of many has `at` and
    `filters`, and an event of the preferences `notification_preferences`.
    """

    id: Uuid | UnsetType = UNSET
    notification: Notification | UnsetType = UNSET
    at: Seconds | UnsetType = UNSET
    filters: Hash | UnsetType = UNSET
    notification_preferences: Preferences | UnsetType = UNSET
    client_id: (
        Annotated[str, Meta(description="The X-MAGICBELL-CLIENT-ID of the request that made the change.")] | UnsetType
    ) = UNSET


class Event(msgspec.Struct):
    """One change of an inbox, the same on every transport. The counts are those right after the change."""

    type: Literal["event"]
    position: Place
    name: EventName
    data: EventData
    unread_count: int
    unseen_count: int
    unarchived: CountsBody


class EventPage(msgspec.Struct):
    """Events in order, and the position to continue from.

    `more` is true if there are further events now. If `reset` is not null, some events are no longer available: fetch
    the inbox, then continue from `position`.
    """

    events: list[Event]
    position: Place
    more: bool
    reset: str | None
    unread_count: int
    unseen_count: int
    unarchived: CountsBody


_PAGE = (
    b'{"events":[%b],"position":"%b","more":%b,"reset":%b,"unread_count":%d,"unseen_count":%d,'
    b'"unarchived":{"unread_count":%d,"unseen_count":%d}}'
)
"""An EventPage as JSON, with events as they are logged."""

EVENTS = ResponseSpec(200, "The events", EventPage)


@dataclass(frozen=True, slots=True)
class EventsResource:
    """The operation on events. `new_epoch` returns the epoch of a log that this call may start."""

    inboxes: InboxStore
    new_epoch: Callable[[], str]

    async def pull(self, call: UserCall) -> Response:
        """Return the user's events after a position, for clients that hold no connection.

        Without `since` there are no events, only the position to start from. If `more` is true, request the rest with
        `since` set to the returned `position`.

        With `wait`, the response comes when there is an event, or when the time is up: long polling, for networks in
        which no stream survives. Such a request counts as an open connection of the user.
        """
        # The HTTP ingress hands a GET with `wait` over to gateway.live.long_poll.
        since = call.query()["since"]
        after = Position.parse(since) if since else None
        page = await self.inboxes.read_log(call.user, after, self.new_epoch(), call.guard)
        events, position, more = b"", page.end, b"false"
        if page.events:
            events, position = b",".join([event.text for event in page.events]), page.events[-1].position
            more = encode(position != page.end)
        reset = encode(page.reset_reason) if page.reset_reason else b"null"
        return raw_json_response(_PAGE % (events, str(position).encode(), more, reset, *page.counts))


OPERATIONS = [
    Operation(
        "GET",
        "/realtime/events",
        USER,
        EventsResource.pull,
        "Pull events",
        EVENTS,
        query=(SINCE, WAIT),
        tag="Live",
        strict=True,
        is_live=True,
    ),
]
