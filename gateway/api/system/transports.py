"""The description of the live transports for the OpenAPI document. `gateway.live` serves them, not the route table."""

import inspect
from collections.abc import Iterable
from typing import Any

from gateway.api.core.openapi import ERROR_CONTENT, Addition, parameter
from gateway.api.core.security import LIVE_SECURITY
from gateway.api.system.events import Event
from gateway.domain.errors import CLOSE_CODE_MEANINGS
from gateway.domain.event import POSITION_PATTERN
from gateway.domain.messages import AuthMessage, Error, Goodbye, PingMessage, Pong, Ready, Renewed, Reset

_SERVER_MESSAGES = (Ready, Event, Reset, Goodbye, Renewed, Pong, Error)
_CLIENT_MESSAGES = (AuthMessage, PingMessage)

_SINCE = parameter(
    "query",
    "since",
    {"type": "string", "pattern": f"^{POSITION_PATTERN}$"},
    "The last position that the client has; `lastEventId` is accepted, too. Without either, the stream starts now.",
)
_LIVE_QUERY = [
    _SINCE,
    *(
        parameter("query", name, {"type": "string"}, f"The same as {instead}, for clients that cannot set headers.")
        for name, instead in (
            ("api_key", "X-MAGICBELL-API-KEY"),
            ("user_external_id", "X-MAGICBELL-USER-EXTERNAL-ID"),
            ("user_email", "X-MAGICBELL-USER-EMAIL"),
            ("user_hmac", "X-MAGICBELL-USER-HMAC"),
            ("token", "the token in Authorization"),
        )
    ),
]


def _bullets(items: Iterable[type]) -> str:
    """Return a list of types with their docstrings, one line each: the docs page cannot show longer items."""
    return "\n".join(f"- `{item.__name__}`: {' '.join((inspect.getdoc(item) or '').split())}" for item in items)


_CLOSE_CODES = sorted(CLOSE_CODE_MEANINGS.items(), key=lambda item: item[0].value)

_WEBSOCKET = f"""\
A WebSocket with the subprotocol `inbox.v1`. Credentials are sent in headers, in the query, or in a first `AuthMessage`
within 10 seconds. Every message is one JSON object; its `type` names the schema.

The server sends:
{_bullets(_SERVER_MESSAGES)}

The client sends:
{_bullets(_CLIENT_MESSAGES)}

After a close code from 4000 to 4499, reconnect and resume with the last position. After one from 4500 to 4999, do not.
""" + "\n".join(f"- {code.value} `{code.reason}`: {meaning}" for code, meaning in _CLOSE_CODES)

_SSE = """\
Server-sent events. `event:` is the type of the message, or the name of the event. `id:` is its position, and `data:`
the same JSON object as over WebSocket. A comment at every heartbeat keeps the connection open. An `EventSource`
reconnects and resumes by itself.
"""


_COMMON: dict[str, Any] = {"tags": ["Live"], "security": [*LIVE_SECURITY, {}]}

_WEBSOCKET_OPERATION = {
    **_COMMON,
    "operationId": "get_realtime_ws",
    "summary": "Follow events over WebSocket",
    "description": _WEBSOCKET,
    "parameters": _LIVE_QUERY,
    "responses": {
        "101": {"description": "The WebSocket is open. A refused call is closed with a close code at once."},
        "426": {"description": "The request is not the opening handshake of a WebSocket.", "content": ERROR_CONTENT},
    },
}

_SSE_EXAMPLE = 'event: notifications/read\nid: k3f9.42\ndata: {"type":"event","position":"k3f9.42",…}\n\n'

_SSE_OPERATION = {
    **_COMMON,
    "operationId": "get_realtime_sse",
    "summary": "Follow events over server-sent events",
    "description": _SSE,
    "parameters": [
        *_LIVE_QUERY,
        parameter(
            "header",
            "Last-Event-ID",
            {"type": "string"},
            "The same as `since`, which it overrides. `EventSource` sends it.",
        ),
    ],
    "responses": {
        "200": {
            "description": "The stream: `ready`, then events until either side closes. The last message of the "
            "server is `goodbye`.",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _SSE_EXAMPLE}},
        },
        "204": {"description": "The user has too many open connections. `EventSource` does not reconnect."},
        "401": {"description": "The credentials are missing or wrong.", "content": ERROR_CONTENT},
        "403": {"description": "This origin is not allowed.", "content": ERROR_CONTENT},
        "422": {"description": "A query parameter is not known or not valid.", "content": ERROR_CONTENT},
    },
}

TRANSPORTS = Addition(
    {"/realtime/ws": {"get": _WEBSOCKET_OPERATION}, "/realtime/sse": {"get": _SSE_OPERATION}},
    (*_SERVER_MESSAGES, *_CLIENT_MESSAGES),
)
