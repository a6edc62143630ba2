"""The operations as one ASGI application: routes, what no route serves, tidy paths and cross-origin headers.

Not Starlette's own application, only its parts: an operation turns every error into an answer by itself, and the two
layers around an application and the one around each function that do so once more are a tenth of a request's cost.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.api.core.cors import CrossOrigin
from gateway.api.core.operation import Endpoint, Operation, Services, error_response
from gateway.api.core.scope import PEER, REQUEST_ID
from gateway.domain.errors import ErrorCode, api_error
from gateway.store.page_origins import PageOrigins
from gateway.telemetry.logs import log, redacted_path

TRAILING_SLASHES = "inbox.trailing_slashes"
"""In a request's ASGI scope: how many slashes at the end of its path were left out."""

_WITHOUT_PREFIX = "inbox.without_prefix"

_FREE_TEXT = re.compile(r"{(topic|device_token|user|user_or_token)}")
"""Parts of a path that others chose: an encoded slash in them is content."""


def application(
    operations: Sequence[Operation],
    services: Services,
    lifespan: Callable[[Any], AbstractAsyncContextManager[None]],
    websocket_path: str,
) -> ASGIApp:
    """Build what answers every request that is none for a live connection."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, {})[operation.method] = operation.endpoint(services)
    refused_log = _RefusedLog(operations, services)
    routes = [
        _Resource(_FREE_TEXT.sub(r"{\1:path}", path), endpoints, refused_log) for path, endpoints in by_path.items()
    ]
    # What asks for a WebSocket there never gets here.
    routes.append(_Resource(websocket_path, {"GET": _upgrade_required}, refused_log))
    router = Router(routes, redirect_slashes=False, lifespan=lifespan)
    router.default = _NoRoute(router, services.proxies.public_prefix, refused_log)
    return CrossOrigin(_TidyPath(router), services.settings.allowed_origins, PageOrigins(services.projects))


class _Resource(Route):
    """The operations of one path: together, so that a 405 can name all methods."""

    def __init__(self, path: str, endpoints: Mapping[str, Endpoint], refused_log: "_RefusedLog"):
        self._endpoints = dict(endpoints)
        self._refused_log = refused_log
        super().__init__(path, self, methods=list(endpoints), name=path)
        if "GET" in endpoints:
            self._endpoints["HEAD"] = endpoints["GET"]  # as Starlette's routes do

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._endpoints[scope["method"]](Request(scope, receive))
        await response(scope, receive, send)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to this path."""
        if scope["method"] in self._endpoints:
            await self(scope, receive, send)
            return
        self._refused_log.note(scope, 405)
        response = error_response(api_error(ErrorCode.METHOD_NOT_ALLOWED))
        response.headers["Allow"] = ", ".join(sorted(self._endpoints))
        await response(scope, receive, send)


class _NoRoute:
    """Look for a path again without the prefix of INBOX_PUBLIC_URL, which not every proxy takes away; then give up."""

    def __init__(self, router: ASGIApp, prefix: str, refused_log: "_RefusedLog"):
        self._router = router
        self._refused_log = refused_log
        self._prefix = f"{prefix}/" if prefix else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._prefix and f"{scope['path']}/".startswith(self._prefix) and not scope.get(_WITHOUT_PREFIX):
            length = len(self._prefix) - 1
            path, raw_path = scope["path"][length:] or "/", scope["raw_path"][length:] or b"/"
            scope.update({_WITHOUT_PREFIX: True, "path": path, "raw_path": raw_path})
            await self._router(scope, receive, send)
            return
        self._refused_log.note(scope, 404)
        error = api_error(ErrorCode.NOT_FOUND, f"No route {scope['method']} {scope['path']}")
        await error_response(error)(scope, receive, send)


async def _upgrade_required(request: Request) -> Response:
    """Answer a request at the WebSocket's address that is no opening handshake (RFC 9110, section 15.5.22)."""
    response = error_response(api_error(ErrorCode.UPGRADE_REQUIRED))
    response.headers.update({"Upgrade": "websocket", "Connection": "Upgrade"})
    return response


class _RefusedLog:
    """Logs requests that no operation answers."""

    def __init__(self, operations: Iterable[Operation], services: Services):
        self._enabled = services.settings.access_log
        self._proxies = services.proxies
        self._words = {part for operation in operations for part in operation.path.split("/")}

    def note(self, scope: Scope, status: int) -> None:
        """Log one."""
        if self._enabled:
            headers = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
            log.request(
                scope["method"],
                redacted_path(scope["path"], self._words),
                status,
                0.0,
                scope[REQUEST_ID],
                client=self._proxies.client(scope[PEER](), headers),
            )


class _TidyPath:
    """Treat `//ws/auth` and `/config/` as clients mean them."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            # Encoded slashes are content, such as a topic's: only those of the path itself are tidied.
            raw = scope["raw_path"]
            if b"//" in raw or raw.endswith(b"/"):
                tidy = b"/" + re.sub(rb"/{2,}", b"/", raw).strip(b"/")
                scope[TRAILING_SLASHES] = len(raw) - len(raw.rstrip(b"/")) if len(tidy) > 1 else 0
                scope.update(path=unquote(tidy.decode("latin-1")), raw_path=tidy)
        await self._app(scope, receive, send)
