"""Endpoints, called by the router and the HTTP ingress. They turn errors into responses, and log and count requests."""

import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from gateway.api.core.access import Accesses
from gateway.api.core.call import PUBLIC
from gateway.api.core.operation import BoundOperation
from gateway.api.core.problems import error_response, failure_response
from gateway.api.core.requests import ApiRequest, LoggedRequests
from gateway.api.core.unknown import HEADER as UNKNOWN_HEADER
from gateway.api.core.unknown import UnknownNameLog, header_value
from gateway.domain.errors import ApiError, ErrorCode, api_error
from gateway.domain.guard import RateLimitedError, TokenRevokedError, UserDeletedError
from gateway.domain.principal import User, UserPrincipal
from gateway.domain.proxy import Proxies
from gateway.domain.unknown_names import UnknownName
from gateway.store.redis.client import StoreUnavailableError
from gateway.telemetry.faults import log_fault
from gateway.telemetry.logs import caller, log
from gateway.telemetry.metrics import REQUEST_SECONDS, REQUESTS
from gateway.telemetry.tallies import REQUEST_BOUNDS, RequestTally

_NO_STORE = (b"cache-control", b"no-store")
"""Nearly every response contains an inbox or a secret, or is soon outdated. Files have a header of their own."""

LOOK_UPS = 4
"""How often the name of the calling user is looked up again if the user was deleted meanwhile. A user may be deleted
several times during one request."""


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
    """Responds to the requests of one operation. What is the same for all of them is looked up once."""

    def __init__(self, operation: BoundOperation, context: EndpointContext):
        row = operation.row
        self._context = context
        self._respond = context.accesses[row.caller].responder(row, operation.handler)
        self._label = repr(row)
        self._is_public = row.caller is PUBLIC
        self._is_logged = context.access_log and not self._is_public
        self._logged = LoggedRequests(row.method, row.path)
        self._counts: dict[int, RequestTally] = {}
        self.method = row.method
        self.path = row.path
        self.caller = row.caller
        self.streams = row.streams
        self.reads_body = row.reads_body

    def is_served(self, request: ApiRequest) -> bool:
        """Return whether the operation exists for a request, whatever its method."""
        return True

    async def __call__(self, request: ApiRequest) -> Response:
        """Return the response. No exception of the operation propagates, except a cancellation."""
        started = time.perf_counter()
        try:
            response = await self._respond(request)
        except Exception as problem:
            response = await self._refusal(request, problem)
        finally:
            if request.release_body is not None:
                request.release_body()
        seconds = time.perf_counter() - started
        self._finish(request, response, seconds)
        if self._is_logged:
            self._log(request, response.status_code, seconds * 1000)
        return response

    async def _refusal(self, request: ApiRequest, problem: Exception) -> Response:
        for _ in range(LOOK_UPS):
            if not isinstance(problem, UserDeletedError):
                break
            try:
                # The name resolved to a user that was deleted meanwhile. It is looked up again.
                await self._context.forget_user(problem.user)
                return await self._respond(request)
            except Exception as other:
                problem = other
        return self._problem_response(request, problem)

    def _problem_response(self, request: ApiRequest, problem: Exception) -> Response:
        match problem:
            case ApiError():
                return error_response(problem, lambda: request.forwarded(self._context.proxies).base)
            case RateLimitedError() | TokenRevokedError() | StoreUnavailableError():
                return failure_response(problem)
            case ClientDisconnect():
                return Response(status_code=400)
            case _:
                log_fault("request_failed", problem, operation=self._label)
                return error_response(api_error(ErrorCode.INTERNAL_ERROR))

    def _finish(self, request: ApiRequest, response: Response, seconds: float) -> None:
        """Add the headers that all operations have in common to a response, and count it with its time."""
        if request.unknown_names is not None:
            self._warn(request, response, request.unknown_names)
        if not self._is_public or "cache-control" not in response.headers:
            response.raw_headers.append(_NO_STORE)
        status = response.status_code
        tally = self._counts.get(status)
        if tally is None:
            tally = self._counts[status] = self._tally(status)
        tally.buckets[bisect_left(REQUEST_BOUNDS, seconds)] += 1
        tally.seconds += seconds

    def _tally(self, status: int) -> RequestTally:
        times = REQUEST_SECONDS.labels(self.path, self.method, f"{status // 100}xx")
        return RequestTally(REQUESTS.labels(self._label, str(status)), times)

    def _warn(self, request: ApiRequest, response: Response, unknown: list[UnknownName]) -> None:
        response.headers[UNKNOWN_HEADER] = header_value(unknown)
        principal = request.principal
        project_id = principal.project.id if principal is not None else ""
        self._context.unknown_names.note(project_id, self._label, unknown)

    def _log(self, request: ApiRequest, status: int, milliseconds: float, trace: str = "") -> None:
        principal = request.principal
        named = caller(
            principal.project.id if principal is not None else "",
            principal.user.id if isinstance(principal, UserPrincipal) else "",
            request.client_address(self._context.proxies),
        )
        # No id of a request contains a character that JSON escapes, see `domain.request_id`.
        more = f', "request_id": "{request.request_id}"{named}{trace}'
        log.request_line(self._logged.text(request.path_params), status, milliseconds, more)
