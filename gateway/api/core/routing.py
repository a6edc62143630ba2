"""The operations as one ASGI application: routes, responses where there is no route, and normalized paths.

It is built from Starlette's `Router` and `Route`, without the class `Starlette`. That class adds two layers around the
application and one around each function, which turn exceptions into responses. `Endpoint` does that itself, and the
layers would be a tenth of the cost of a request (measured).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import unquote

from starlette.convertors import Convertor, register_url_convertor
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.api.core.endpoint import Endpoint, EndpointContext
from gateway.api.core.problems import error_response, no_route
from gateway.api.core.requests import ApiRequest
from gateway.api.core.scope import PEER, REQUEST_ID
from gateway.domain.errors import ErrorCode, api_error
from gateway.domain.proxy import Proxies
from gateway.telemetry.logs import log, redacted_path

TRAILING_SLASHES = "inbox.trailing_slashes"
"""In a request's ASGI scope: the number of slashes that were removed from the end of its path."""

_WITHOUT_PREFIX = "inbox.without_prefix"

_FREE_TEXT = re.compile(r"{(topic|device_token|user|user_id|user_or_token)}")
"""Path parameters that contain names chosen by users. An encoded slash in them belongs to the name."""


class _ClientRoute(Convertor[str]):
    """A path below that of the dashboard, whose page routes it: any but those of operations and files."""

    regex = r"(?!(api|files)(/|$)).*"

    def convert(self, value: str) -> str:
        """Return the path as it is."""
        return value

    def to_string(self, value: str) -> str:
        """Return the path as it is."""
        return value


register_url_convertor("client_route", _ClientRoute())

_Responder = Callable[[ApiRequest], Any]
"""Returns the response to a request, in a coroutine."""


def route_path(path: str) -> str:
    """Return the path of an operation as Starlette's routes spell it."""
    return _FREE_TEXT.sub(r"{\1:path}", path).replace("{client_route}", "{client_route:client_route}")


def application(
    endpoints: Sequence[Endpoint],
    context: EndpointContext,
    lifespan: Callable[[Any], AbstractAsyncContextManager[None]],
    websocket_path: str,
) -> ASGIApp:
    """Return the application that responds to every request except those of live connections.

    The HTTP ingress serves WebSocket handshakes at `websocket_path` itself. Any other request to that path gets 426.
    """
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    refusals = _RefusalLog(by_path, context.proxies, enabled=context.access_log)
    routes = [_Path(route_path(path), methods, refusals) for path, methods in by_path.items()]
    routes.append(_Path(websocket_path, {"GET": _upgrade_required}, refusals))
    router = Router(routes, redirect_slashes=False, lifespan=lifespan)
    router.default = _NoRoute(router, context.proxies.public_prefix, refusals)
    return _NormalizedPath(router)


class _Path(Route):
    """The endpoints of one path by method. They are one route, so that a 405 can name all methods of the path."""

    def __init__(self, path: str, endpoints: Mapping[str, _Responder], refusals: "_RefusalLog"):
        self._endpoints = dict(endpoints)
        self._refusals = refusals
        super().__init__(path, self, methods=list(endpoints), name=path)
        if "GET" in endpoints:
            self._endpoints["HEAD"] = endpoints["GET"]  # as in Starlette's routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._endpoints[scope["method"]](ApiRequest.of_scope(scope, receive))
        await response(scope, receive, send)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request to this path."""
        if scope["method"] in self._endpoints:
            await self(scope, receive, send)
            return
        allowed = sorted(self._served(ApiRequest.of_scope(scope, receive)))
        self._refusals.log(scope, 405 if allowed else 404)
        response = error_response(
            api_error(ErrorCode.METHOD_NOT_ALLOWED) if allowed else no_route(scope["method"], scope["path"])
        )
        if allowed:
            response.headers["Allow"] = ", ".join(allowed)
        await response(scope, receive, send)

    def _served(self, request: ApiRequest) -> list[str]:
        """Return the methods of the path. It may not exist on the port to which a request came."""
        return [
            method
            for method, endpoint in self._endpoints.items()
            if not isinstance(endpoint, Endpoint) or endpoint.is_served(request)
        ]


class _NoRoute:
    """Responds to a path without a route.

    A path with the prefix of INBOX_PUBLIC_URL, which some proxies do not remove, is first routed without the prefix.
    """

    def __init__(self, router: ASGIApp, prefix: str, refusals: "_RefusalLog"):
        self._router = router
        self._refusals = refusals
        self._prefix = f"{prefix}/" if prefix else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._prefix and f"{scope['path']}/".startswith(self._prefix) and not scope.get(_WITHOUT_PREFIX):
            length = len(self._prefix) - 1
            path, raw_path = scope["path"][length:] or "/", scope["raw_path"][length:] or b"/"
            scope.update({_WITHOUT_PREFIX: True, "path": path, "raw_path": raw_path})
            await self._router(scope, receive, send)
            return
        self._refusals.log(scope, 404)
        await error_response(no_route(scope["method"], scope["path"]))(scope, receive, send)


async def _upgrade_required(request: ApiRequest) -> Response:
    """Return the 426 response to a request that is not an opening handshake (RFC 9110, 15.5.22)."""
    response = error_response(api_error(ErrorCode.UPGRADE_REQUIRED))
    response.headers.update({"Upgrade": "websocket", "Connection": "Upgrade"})
    return response


class _RefusalLog:
    """The access log of requests that no operation responds to."""

    def __init__(self, paths: Iterable[str], proxies: Proxies, *, enabled: bool):
        self._enabled = enabled
        self._proxies = proxies
        self._known_parts = {part for path in paths for part in path.split("/")}

    def log(self, scope: Scope, status: int) -> None:
        """Log a request. Parts of its path that are in no route are redacted: they may be secrets."""
        if self._enabled:
            headers = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
            log.request(
                scope["method"],
                redacted_path(scope["path"], self._known_parts),
                status,
                0.0,
                scope[REQUEST_ID],
                client=self._proxies.client(scope[PEER](), headers),
            )


class _NormalizedPath:
    """Removes repeated and trailing slashes: some clients request `//ws/auth` or `/config/`."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            # Only slashes of the path itself count. An encoded slash belongs to a name, such as a topic's.
            raw = scope["raw_path"]
            if b"//" in raw or raw.endswith(b"/"):
                normalized = b"/" + re.sub(rb"/{2,}", b"/", raw).strip(b"/")
                scope[TRAILING_SLASHES] = len(raw) - len(raw.rstrip(b"/")) if len(normalized) > 1 else 0
                scope.update(path=unquote(normalized.decode("latin-1")), raw_path=normalized)
        await self._app(scope, receive, send)
