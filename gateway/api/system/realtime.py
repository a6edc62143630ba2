"""The events of an inbox for clients that hold no connection, and the description of all three transports."""

import inspect
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response

from gateway.api.core.openapi import ERROR_CONTENT, USER_SECURITY, Addition, parameter
from gateway.api.core.operation import Call, Operation, Scope, encode, raw_json_response
from gateway.api.core.query import Formed
from gateway.api.core.schema import Answer, Hash, Place, Seconds, Uuid
from gateway.api.v1.items import Notification
from gateway.api.v1.preferences import Preferences
from gateway.domain.errors import CLOSE_CODE_MEANINGS
from gateway.domain.event import POSITION_PATTERN, Position
from gateway.domain.messages import (
    AuthMessage,
    CountsBody,
    Error,
    Goodbye,
    PingMessage,
    Pong,
    Ready,
    Renewed,
    Reset,
)
from gateway.domain.notification import DELETE_EVENT, NEW_EVENT, BulkCommand, Command
from gateway.domain.preferences import UPDATE_EVENT as PREFERENCES_EVENT

_EVENT_NAMES = [
    *(NEW_EVENT, DELETE_EVENT, PREFERENCES_EVENT),
    *(row.transition.event_name for row in (*Command, *BulkCommand)),
]

EventName: TypeAlias = Annotated[str, Meta(extra_json_schema={"enum": _EVENT_NAMES})]

SINCE = Formed("since", "The position to go on from.", "a position such as k3f9.42", POSITION_PATTERN)


class EventData(msgspec.Struct):
    """What changed: `id` and `notification` for one item, `at` and `filters` for a mark-all, or preferences."""

    id: Uuid | UnsetType = UNSET
    notification: Notification | UnsetType = UNSET
    at: Seconds | UnsetType = UNSET
    filters: Hash | UnsetType = UNSET
    notification_preferences: Preferences | UnsetType = UNSET
    client_id: Annotated[str, Meta(description="The X-MAGICBELL-CLIENT-ID of who did it.")] | UnsetType = UNSET


class Event(msgspec.Struct):
    """One change of an inbox, the same on every transport. The counts are as of this event."""

    type: Literal["event"]
    position: Place
    name: EventName
    data: EventData
    unread_count: int
    unseen_count: int
    unarchived: CountsBody


class EventPage(msgspec.Struct):
    """Events in order. Go on from `position`, at once if there is `more`; `reset` says why to fetch all first."""

    events: list[Event]
    position: Place
    more: bool
    reset: str | None
    unread_count: int
    unseen_count: int
    unarchived: CountsBody


EVENTS = Answer(200, "The events", EventPage)


async def events(call: Call) -> Response:
    """Return the events after `since`, for clients that hold no connection; without it, the position to start from.

    `more` says that there are more events than fit one answer: ask again from `position`.
    """
    since = call.query()["since"]
    after = Position.parse(since) if since else None
    page = await call.services.inboxes.read_log(call.user, after, call.services.new_epoch(), call.guard)
    position = page.events[-1].position if page.events else page.end
    tail = encode(
        {
            "position": str(position),
            "more": position != page.end,
            "reset": page.reset_reason or None,
            "unread_count": page.counts.unread,
            "unseen_count": page.counts.unseen,
            "unarchived": {
                "unread_count": page.counts.unarchived_unread,
                "unseen_count": page.counts.unarchived_unseen,
            },
        }
    )
    events_json = b",".join(event.text for event in page.events)
    return raw_json_response(b'{"events":[' + events_json + b"]," + tail[1:])


OPERATIONS = [
    Operation(
        "GET", "/realtime/events", Scope.USER, events, "Pull events", EVENTS, query=(SINCE,), own=True, tag="Live"
    ),
]

# ---- the live transports, which `gateway.live` serves without the route table
_SERVER_MESSAGES = (Ready, Event, Reset, Goodbye, Renewed, Pong, Error)
_CLIENT_MESSAGES = (AuthMessage, PingMessage)

_SINCE = parameter(
    "query",
    "since",
    {"type": "string", "pattern": f"^{POSITION_PATTERN}$"},
    "The last position that the client has; `lastEventId` is read as well. Without it, the stream starts now.",
)
_LIVE_QUERY = [
    _SINCE,
    *(
        parameter("query", name, {"type": "string"}, f"In place of {instead}, for clients that cannot set headers.")
        for name, instead in (
            ("api_key", "X-MAGICBELL-API-KEY"),
            ("user_external_id", "X-MAGICBELL-USER-EXTERNAL-ID"),
            ("user_email", "X-MAGICBELL-USER-EMAIL"),
            ("user_hmac", "X-MAGICBELL-USER-HMAC"),
            ("token", "the Authorization header"),
        )
    ),
]


def _bullets(items: Iterable[type]) -> str:
    return "\n".join(f"- `{item.__name__}`: {inspect.getdoc(item)}" for item in items)


_WEBSOCKET = f"""\
A WebSocket, subprotocol `inbox.v1`. Credentials come in headers, in the query, or in a first `AuthMessage` within 10
seconds. Every message is one JSON object; its `type` names the schema.

The server sends:
{_bullets(_SERVER_MESSAGES)}

The client sends:
{_bullets(_CLIENT_MESSAGES)}

A close code from 4000 to 4499 means: come back and resume with the last position. From 4500 to 4999: do not.
""" + "\n".join(f"- {code.value} `{code.reason}`: {meaning}" for code, meaning in CLOSE_CODE_MEANINGS.items())

_SSE = """\
Server-sent events. `event:` is the message's type, or the event's name; `id:` its position; `data:` the same JSON
object as over WebSocket. A comment every heartbeat keeps the connection open. `EventSource` resumes by itself.
"""


def _live_paths() -> dict[str, Any]:
    common = {"tags": ["Live"], "security": [*USER_SECURITY, {}]}
    event_id = parameter(
        "header", "Last-Event-ID", {"type": "string"}, "As `since`, which it wins over; `EventSource` sends it."
    )
    websocket = {
        **common,
        "operationId": "get_realtime_ws",
        "summary": "Follow over WebSocket",
        "description": _WEBSOCKET,
        "parameters": _LIVE_QUERY,
        "responses": {
            "101": {"description": "The WebSocket is open; a refusal is a close code."},
            "426": {"description": "The request does not ask for a WebSocket.", "content": ERROR_CONTENT},
        },
    }
    example = 'event: notifications/read\nid: k3f9.42\ndata: {"type":"event","position":"k3f9.42",…}\n\n'
    sse = {
        **common,
        "operationId": "get_realtime_sse",
        "summary": "Follow over server-sent events",
        "description": _SSE,
        "parameters": [*_LIVE_QUERY, event_id],
        "responses": {
            "200": {
                "description": "The stream: `ready`, then events until either side closes; at the end, a `goodbye`.",
                "content": {"text/event-stream": {"schema": {"type": "string"}, "example": example}},
            },
            "204": {"description": "This user has too many open connections. An `EventSource` stops at this."},
            "401": {"description": "The credentials are missing or wrong.", "content": ERROR_CONTENT},
            "403": {"description": "This origin is not allowed.", "content": ERROR_CONTENT},
            "422": {"description": "A query parameter is misspelt.", "content": ERROR_CONTENT},
        },
    }
    return {"/realtime/ws": {"get": websocket}, "/realtime/sse": {"get": sse}}


TRANSPORTS = Addition(_live_paths(), (*_SERVER_MESSAGES, *_CLIENT_MESSAGES))
