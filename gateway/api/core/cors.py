"""Cross-origin requests (WHATWG Fetch, 3.2): preflights, and the headers that let a page read a response.

A preflight has no credentials, so its project is unknown. It is allowed if the settings or any project allow the
origin. The request itself is then checked against its own project. If the project does not allow the origin, the page
cannot read the response.
"""

from collections.abc import Collection

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.domain.origin import allow_origin
from gateway.store.page_origins import PageOrigins
from gateway.store.redis.client import StoreUnavailableError

MAX_AGE_SECONDS = 86400

ALLOWED_ORIGINS = "inbox.allowed_origins"
"""In a request's ASGI scope: the origins that its project allows. Present once the project is known."""

SHARED: tuple[str, ...] = ("*",)
"""The value of ALLOWED_ORIGINS for a response that has the headers for every origin already. It is this very object."""

_METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"

_EXPOSED = ", ".join(
    (
        "Retry-After",
        "RateLimit-Limit",
        "RateLimit-Remaining",
        "RateLimit-Reset",
        "X-Inbox-Position",
        "X-Inbox-Warnings",
        "X-Request-Id",
    )
).encode()


class CrossOrigin:
    """Adds cross-origin headers to responses. A request without an `Origin`, such as a backend's, passes unchanged."""

    def __init__(self, app: ASGIApp, allowed_origins: Collection[str], page_origins: PageOrigins):
        self._app = app
        self._allowed_origins = allowed_origins
        self._page_origins = page_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not any(name == b"origin" for name, _ in scope["headers"]):
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        origin = headers[b"origin"]
        default = await self._allowed_by_any_project(origin)
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            requested_headers = headers.get(b"access-control-request-headers", "")
            await _preflight_response(default, requested_headers)(scope, receive, send)
            return

        async def send_readable(message: Message) -> None:
            if message["type"] == "http.response.start":
                allowed = scope.get(ALLOWED_ORIGINS)
                if allowed is SHARED:
                    await send(message)
                    return
                readable_by = default if allowed is None else allow_origin(origin, allowed)
                message["headers"] = [*message["headers"], *_headers(readable_by)]
            await send(message)

        await self._app(scope, receive, send_readable)

    async def _allowed_by_any_project(self, origin: str) -> str | None:
        """Return the value of Access-Control-Allow-Origin for a request whose project is unknown, None to omit it."""
        if (allowed := allow_origin(origin, self._allowed_origins)) is not None:
            return allowed
        try:
            return allow_origin(origin, await self._page_origins.all())
        except StoreUnavailableError:
            return None  # the request itself would fail, too


def _headers(readable_by: str | None) -> list[tuple[bytes, bytes]]:
    if readable_by is None:
        return [(b"vary", b"Origin")]
    headers = [
        (b"access-control-allow-origin", readable_by.encode("latin-1")),
        (b"access-control-expose-headers", _EXPOSED),
    ]
    return headers if readable_by == "*" else [*headers, (b"vary", b"Origin")]


def _preflight_response(readable_by: str | None, requested_headers: str) -> PlainTextResponse:
    vary = {"Vary": "Origin, Access-Control-Request-Headers"}
    if readable_by is None:
        return PlainTextResponse("This origin is not allowed", 400, vary)
    headers = {
        **vary,
        "Access-Control-Allow-Origin": readable_by,
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Max-Age": str(MAX_AGE_SECONDS),
    }
    if requested_headers:
        headers["Access-Control-Allow-Headers"] = requested_headers
    return PlainTextResponse("OK", 200, headers)
