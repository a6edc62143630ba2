"""The live side's REST operations: the pull transport, and where to connect."""

import re

from starlette.requests import Request
from starlette.responses import Response

from gateway.api.core.operation import Call, encode, error_response, json_response, raw_json_response
from gateway.api.core.query import Formed
from gateway.domain.errors import ErrorCode, api_error
from gateway.domain.event import POSITION_PATTERN, Position

SINCE = Formed("since", "The position to go on from.", "a position such as k3f9.42", POSITION_PATTERN)


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


async def upgrade_required(request: Request) -> Response:
    """Answer a request at the WebSocket's address that is no opening handshake (RFC 9110, section 15.5.22)."""
    response = error_response(api_error(ErrorCode.UPGRADE_REQUIRED))
    response.headers.update({"Upgrade": "websocket", "Connection": "Upgrade"})
    return response


async def config(call: Call) -> Response:
    """Return how an inbox widget connects: the v1 fields, and this gateway's own live addresses."""
    await call.services.inboxes.use(call.user, call.guard)
    base = _address(call)
    live = re.sub(r"^http", "ws", base)
    return json_response(
        {
            "ws": {
                "region": "",
                "channel": f"projects:{call.project.id}:users:{call.user.id}",
                # Not an address: clients append it to the base that they know.
                "auth_url": "/ws/auth",
            },
            "inbox": {"features": {}},
            "channels": {"web_push": {"enabled": False}},
            "realtime": {
                "protocol": "inbox.v1",
                "websocket_url": f"{live}/realtime/ws",
                "sse_url": f"{base}/realtime/sse",
                "events_url": f"{base}/realtime/events",
            },
        }
    )


def _address(call: Call) -> str:
    """Return the address that the client knows us by, also where a proxy speaks TLS for us."""
    forwarded, settings = call.forwarded, call.services.settings
    if not forwarded.host:
        forwarded = forwarded._replace(host=f"{settings.host}:{settings.port}")
    return forwarded.base
