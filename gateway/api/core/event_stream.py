"""Streams of server-sent events (WHATWG HTML, section 9.2) for administrators: ordinary responses that do not end.

Streams of inboxes, of which a worker has many thousands, are in `gateway.live`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from sse_starlette.event import ServerSentEvent
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.api.core.scope import IS_ENDLESS
from gateway.domain.errors import ApiError, ErrorCode
from gateway.domain.guard import TokenRevokedError
from gateway.store.redis.problems import StoreUnavailableError

CHECK_SECONDS = 0.8
"""The time between two checks of a stream's credentials, so that it ends within a second after they do."""

STREAM_SECONDS = 3600.0
"""How long a stream lasts, give or take a tenth. Then the client reconnects."""

RETRY_MS = 2000
"""When a client reconnects, give or take a half."""

HEARTBEAT = b": heartbeat\n"

_HEADERS = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}


class EventStreamResponse(StreamingResponse):
    """The response with a stream, which calls `close` when it has ended, even if it never began."""

    def __init__(self, stream: AsyncIterator[bytes], close: Callable[[], None]):
        super().__init__(stream, headers=_HEADERS, media_type="text/event-stream")
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream. A HEAD gets its headers alone: a server does not wait for such a client to leave."""
        try:
            if scope["method"] == "HEAD":
                await Response(headers=_HEADERS, media_type=self.media_type)(scope, receive, send)
            else:
                scope[IS_ENDLESS] = True
                await super().__call__(scope, receive, send)
        finally:
            self._close()


def record(data: str, **fields: Any) -> bytes:
    """Return a record of the stream."""
    return ServerSentEvent(data or None, **{name: value for name, value in fields.items() if value}, sep="\n").encode()


async def refusal(verify: Callable[[], Awaitable[object]]) -> str | None:
    """Return why credentials are no longer accepted, None if they are. While Redis is down, they are."""
    try:
        await verify()
    except TokenRevokedError:
        return ErrorCode.TOKEN_REVOKED.kind.code
    except ApiError as error:
        return error.code.kind.code if error.code is not None else "unauthorized"
    except StoreUnavailableError:
        return None
    return None
