"""Verifies the caller of an operation, applies the rate limit, and runs the handler with a call of the right type."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

from starlette.responses import Response

from gateway.api.core.call import (
    Call,
    CallContext,
    Caller,
    ProjectCall,
    PublicCall,
    UserCall,
    WorkspaceCall,
)
from gateway.api.core.cors import ALLOWED_ORIGINS
from gateway.api.core.operation import AnyOperation, Handler
from gateway.api.core.problems import add_rate_headers
from gateway.api.core.requests import ApiRequest
from gateway.auth.authenticator import Authenticator, Verified
from gateway.auth.credentials import header_credentials, proven_identity
from gateway.auth.workspaces import WorkspaceAuthenticator
from gateway.domain.errors import ApiError, ErrorCode, api_error
from gateway.domain.guard import Allowance, Guard, RateKind, TokenRevokedError, UserDeletedError
from gateway.domain.origin import origin_allowed
from gateway.domain.principal import Credentials, Project, User
from gateway.store.activity import ActiveUsers
from gateway.store.admin_limits import AdminLimits
from gateway.store.inbox import InboxStore
from gateway.store.redis.client import StoreUnavailableError
from gateway.telemetry.metrics import RATE_LIMIT_FAILURES


class RateLimits(NamedTuple):
    """The number of calls allowed per minute; 0 means no limit."""

    reads: int
    writes: int

    def allowance(self, method: str) -> Allowance | None:
        """Return a new allowance for one call, None if such calls are not limited."""
        kind, limit = (RateKind.READS, self.reads) if method == "GET" else (RateKind.WRITES, self.writes)
        return Allowance(kind, limit) if limit else None


class Access(ABC):
    """Admits one kind of caller to the operations."""

    def __init__(self, context: CallContext):
        self._context = context

    @abstractmethod
    async def respond(self, row: AnyOperation, request: ApiRequest, handler: Handler) -> Response:
        """Return the handler's response to the verified call.

        Raises ApiError, RateLimitedError, TokenRevokedError, UserDeletedError and StoreUnavailableError.
        """

    def _check_length(self, row: AnyOperation, request: ApiRequest) -> None:
        self._context.bodies.check_length(request, row.inputs.body.max_bytes)


class PublicAccess(Access):
    """Admits every request, without credentials."""

    async def respond(self, row: AnyOperation, request: ApiRequest, handler: Handler) -> Response:
        """Return the handler's response.

        Query parameters are not checked: public operations read none, and clients add some to bypass caches.
        """
        self._check_length(row, request)
        return await handler(PublicCall(row.inputs, request, self._context))


class WorkspaceAccess(Access):
    """Admits calls with a workspace token."""

    def __init__(self, context: CallContext, authenticator: WorkspaceAuthenticator):
        super().__init__(context)
        self._authenticator = authenticator

    async def respond(self, row: AnyOperation, request: ApiRequest, handler: Handler) -> Response:
        """Return the handler's response to a call for the workspace that the path names."""
        credentials = header_credentials(request.headers.get)
        workspace = await self._authenticator.workspace(credentials, request.path_params["workspace_id"])
        self._check_length(row, request)
        call = WorkspaceCall(row.inputs, request, self._context, workspace)
        call.check_query()
        return await handler(call)


class _ProjectOrigins:
    """Checks requests of web pages against the origins that a project allows."""

    def __init__(self, default: tuple[str, ...]):
        self._default = default

    def check(self, request: ApiRequest, project: Project) -> None:
        """Raise ApiError 403 for a page of another origin. Put the allowed origins into the scope for `CrossOrigin`."""
        if (origin := request.headers.get("origin")) is not None:
            allowed = project.allowed_origins or self._default
            request.note(ALLOWED_ORIGINS, allowed)
            if not origin_allowed(origin, allowed):
                raise api_error(ErrorCode.ORIGIN_NOT_ALLOWED)


class ProjectAccess(Access):
    """Admits calls of projects' backends."""

    def __init__(
        self,
        context: CallContext,
        authenticator: Authenticator,
        allowed_origins: tuple[str, ...],
        limits: RateLimits,
        counter: AdminLimits,
    ):
        super().__init__(context)
        self._authenticator = authenticator
        self._origins = _ProjectOrigins(allowed_origins)
        self._limits = limits
        self._counter = counter

    async def respond(self, row: AnyOperation, request: ApiRequest, handler: Handler) -> Response:
        """Return the handler's response to a call of a project. A call that cannot be counted is allowed."""
        known = request.known
        principal = self._authenticator.recall_admin(known.verified) if known.verified is not None else None
        if principal is None:
            principal = await self._authenticator.admin(_credentials(row, request))
            known.verified = Verified(principal, None)
        request.principal = principal
        project = principal.project
        self._origins.check(request, project)
        allowance = self._limits.allowance(row.method)
        if allowance is not None:
            try:
                await self._counter.count(project.id, allowance)
            except StoreUnavailableError:
                RATE_LIMIT_FAILURES.inc()
        self._check_length(row, request)
        response = await _handled(ProjectCall(row.inputs, request, self._context, project), handler)
        if allowance is not None:
            add_rate_headers(response, allowance)
        return response


class UserAccess(Access):
    """Admits calls of projects' users."""

    def __init__(
        self,
        context: CallContext,
        authenticator: Authenticator,
        allowed_origins: tuple[str, ...],
        limits: RateLimits,
        inboxes: InboxStore,
        activity: ActiveUsers,
    ):
        super().__init__(context)
        self._authenticator = authenticator
        self._origins = _ProjectOrigins(allowed_origins)
        self._limits = limits
        self._inboxes = inboxes
        self._activity = activity

    async def respond(self, row: AnyOperation, request: ApiRequest, handler: Handler) -> Response:
        """Return the handler's response to a call of a user.

        The store counts a call in the same step in which it does its work. A call with a body is counted before the
        body is read. Otherwise a client that sends invalid bodies would never reach its limit.
        """
        known = request.known
        principal = self._authenticator.recall_user(known.verified) if known.verified is not None else None
        if principal is None or row.known_users_only:
            credentials = _credentials(row, request)
            principal = await self._authenticator.user(
                credentials, row.known_users_only, lambda: request.client_address(self._context.proxies)
            )
            known.verified = Verified(principal, proven_identity(credentials) if not credentials.token else None)
        request.principal = principal
        self._origins.check(request, principal.project)
        allowance = self._limits.allowance(row.method)
        guard = Guard(allowance, principal.token_id, principal.token_issued_at)
        if allowance is not None and row.reads_body:
            await self._inboxes.use(principal.user, guard)
            guard = Guard(None, guard.token_id, guard.issued_at)
        try:
            self._check_length(row, request)
            call = UserCall(row.inputs, request, self._context, principal.project, principal.user, guard)
            response = await _handled(call, handler)
        except ApiError:
            await self._count_refused(principal.user, guard)
            raise
        if allowance is not None:
            add_rate_headers(response, allowance)
        self._activity.seen(principal.user)
        return response

    async def _count_refused(self, user: User, guard: Guard) -> None:
        """Count a call that was refused before the store counted it. Raises RateLimitedError."""
        if guard.allowance is not None and not guard.allowance.used:
            try:
                await self._inboxes.use(user, guard)
            except (StoreUnavailableError, UserDeletedError, TokenRevokedError):
                RATE_LIMIT_FAILURES.inc()  # the error of the call itself is more useful to the client


Accesses = Mapping[Caller[Any], Access]
"""The `Access` of each kind of caller."""


async def _handled(call: Call, handler: Handler) -> Response:
    if call.request.query_string:
        call.check_query()
    return await handler(call)


def _credentials(row: AnyOperation, request: ApiRequest) -> Credentials:
    credentials = header_credentials(request.headers.get)
    if not credentials:
        raise api_error(row.without_credentials)
    return credentials
