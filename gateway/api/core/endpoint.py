"""Endpoints, which the router calls. They turn every error into a response, and log and count requests."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from prometheus_client import Counter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from gateway.api.core.access import Accesses
from gateway.api.core.body_reader import release_body
from gateway.api.core.call import PUBLIC
from gateway.api.core.operation import BoundOperation
from gateway.api.core.problems import error_response, failure_response
from gateway.api.core.requests import (
    UNKNOWN_NAMES,
    client_address,
    forwarded,
    logged_path,
    principal_of,
)
from gateway.api.core.scope import REQUEST_ID
from gateway.api.core.unknown import HEADER as UNKNOWN_HEADER
from gateway.api.core.unknown import UnknownNameLog, header_value
from gateway.domain.errors import ApiError, ErrorCode, api_error
from gateway.domain.guard import RateLimitedError, TokenRevokedError, UserDeletedError
from gateway.domain.principal import User, UserPrincipal
from gateway.domain.proxy import Proxies
from gateway.domain.unknown_names import UnknownName
from gateway.store.redis.client import StoreUnavailableError
from gateway.telemetry.logs import log
from gateway.telemetry.metrics import REQUESTS

_NO_STORE = (b"cache-control", b"no-store")
"""Nearly every response contains an inbox or a secret, or is soon outdated. Files have a header of their own."""


@dataclass(frozen=True, slots=True)
class EndpointContext:
    """What all endpoints of a worker share."""

    accesses: Accesses
    proxies: Proxies
    forget_user: Callable[[User], Awaitable[None]]
    """Removes the names of a deleted user from the directory, so that they are looked up again."""
    unknown_names: UnknownNameLog
    access_log: bool


class Endpoint:
    """Responds to the requests of one operation."""

    def __init__(self, operation: BoundOperation, context: EndpointContext):
        self._row = row = operation.row
        self._handler = operation.handler
        self._context = context
        self._access = context.accesses[row.caller]
        self._label = repr(row)
        self._is_public = row.caller is PUBLIC
        self._has_path_params = "{" in row.path
        self._counters: dict[int, Counter] = {}
        self.method = row.method
        self.path = row.path
        self.caller = row.caller

    async def __call__(self, request: Request) -> Response:
        """Return the response. No exception of the operation propagates, except a cancellation."""
        started = time.perf_counter()
        try:
            response = await self._respond(request)
        finally:
            release_body(request)
        if (unknown := request.scope.get(UNKNOWN_NAMES)) is not None:
            self._warn(request, response, unknown)
        if not self._is_public or "cache-control" not in response.headers:
            response.raw_headers.append(_NO_STORE)
        self._count(response.status_code)
        if self._context.access_log and not self._is_public:
            self._log(request, response.status_code, (time.perf_counter() - started) * 1000)
        return response

    async def _respond(self, request: Request) -> Response:
        try:
            try:
                return await self._access.respond(self._row, request, self._handler)
            except UserDeletedError as deleted:
                # The name resolved to a user that was deleted meanwhile. It is looked up again, once.
                await self._context.forget_user(deleted.user)
                return await self._access.respond(self._row, request, self._handler)
        except ApiError as error:
            return error_response(error, lambda: forwarded(request, self._context.proxies).base)
        except (RateLimitedError, TokenRevokedError, StoreUnavailableError) as failure:
            return failure_response(failure)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:
            log.exception("request_failed", operation=self._label)
            return error_response(api_error(ErrorCode.INTERNAL_ERROR))

    def _warn(self, request: Request, response: Response, unknown: list[UnknownName]) -> None:
        response.headers[UNKNOWN_HEADER] = header_value(unknown)
        principal = principal_of(request)
        project_id = principal.project.id if principal is not None else ""
        self._context.unknown_names.note(project_id, self._label, unknown)

    def _count(self, status: int) -> None:
        counter = self._counters.get(status)
        if counter is None:
            counter = self._counters[status] = REQUESTS.labels(self._label, str(status))
        counter.inc()

    def _log(self, request: Request, status: int, milliseconds: float) -> None:
        principal = principal_of(request)
        log.request(
            self._row.method,
            logged_path(self._row.path, request.path_params) if self._has_path_params else self._row.path,
            status,
            milliseconds,
            request.scope[REQUEST_ID],
            principal.project.id if principal is not None else "",
            principal.user.id if isinstance(principal, UserPrincipal) else "",
            client=client_address(request, self._context.proxies),
        )
