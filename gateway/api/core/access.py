"""Verifies the caller of an operation, applies the rate limit, and runs the handler with a call of the right type.

Each `Access` makes a responder for each row: a function that has looked up what the row declares once, when the worker
starts, and not in every request.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from starlette.responses import Response

from gateway.api.core.call import (
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
from gateway.domain.principal import Credentials, Project, ProjectPrincipal, User, UserPrincipal
from gateway.store.activity import ActiveUsers
from gateway.store.admin_limits import AdminLimits
from gateway.store.inbox import InboxStore
from gateway.store.redis.client import StoreUnavailableError
from gateway.store.usage_counts import Milestone, UsageCounts
from gateway.telemetry.metrics import RATE_LIMIT_FAILURES

Responder: TypeAlias = Callable[[ApiRequest], Awaitable[Response]]
"""Returns the handler's response to a request, once its caller is verified.

Raises ApiError, RateLimitedError, TokenRevokedError, UserDeletedError and StoreUnavailableError.
"""


class RateLimits(NamedTuple):
    """The number of calls allowed per minute; 0 means no limit."""

    reads: int
    writes: int

    def of(self, method: str) -> tuple[RateKind, int]:
        """Return the kind and the limit of calls with this method."""
        return (RateKind.READS, self.reads) if method == "GET" else (RateKind.WRITES, self.writes)


class Access(ABC):
    """Admits one kind of caller to the operations."""

    def __init__(self, context: CallContext):
        self._context = context

    @abstractmethod
    def responder(self, row: AnyOperation, handler: Handler) -> Responder:
        """Return the responder of an operation."""

    def _length_check(self, row: AnyOperation) -> Callable[[ApiRequest], None]:
        """Return a function that raises ApiError 413 for a body over the row's limit, before any of it is read."""
        return self._context.bodies.length_check(row.inputs.body.max_bytes)


class PublicAccess(Access):
    """Admits every request, without credentials."""

    def responder(self, row: AnyOperation, handler: Handler) -> Responder:
        """Return the responder of an operation.

        Query parameters are not checked: public operations read none, and clients add some to bypass caches.
        """
        check_length = self._length_check(row)

        async def respond(request: ApiRequest) -> Response:
            check_length(request)
            return await handler(PublicCall(row.inputs, request, self._context))

        return respond


class WorkspaceAccess(Access):
    """Admits calls with a workspace token."""

    def __init__(self, context: CallContext, authenticator: WorkspaceAuthenticator):
        super().__init__(context)
        self._authenticator = authenticator

    def responder(self, row: AnyOperation, handler: Handler) -> Responder:
        """Return the responder of an operation, for calls for the workspace that the path names."""
        check_length = self._length_check(row)

        async def respond(request: ApiRequest) -> Response:
            credentials = header_credentials(request.headers.get)
            workspace = await self._authenticator.workspace(credentials, request.path_params["workspace_id"])
            check_length(request)
            call = WorkspaceCall(row.inputs, request, self._context, workspace)
            call.check_query()
            return await handler(call)

        return respond


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
        usage: UsageCounts,
    ):
        super().__init__(context)
        self._authenticator = authenticator
        self._origins = _ProjectOrigins(allowed_origins)
        self._limits = limits
        self._counter = counter
        self._usage = usage

    def responder(self, row: AnyOperation, handler: Handler) -> Responder:
        """Return the responder of an operation, for calls of a project. A call that cannot be counted is allowed."""
        inputs, context, check_length = row.inputs, self._context, self._length_check(row)
        kind, limit = self._limits.of(row.method)

        async def respond(request: ApiRequest) -> Response:
            known = request.known
            principal = self._authenticator.recall_admin(known.verified) if known.verified is not None else None
            if principal is None:
                principal = await self._verified(_credentials(row, request))
                known.verified = Verified(principal, None)
                self._usage.reached(principal.project.id, Milestone.REQUEST)
            request.principal = principal
            project = principal.project
            if "origin" in request.headers:
                self._origins.check(request, project)
            allowance = Allowance(kind, limit) if limit else None
            if allowance is not None:
                await self._count(project, allowance)
            check_length(request)
            call = ProjectCall(inputs, request, context, project)
            if request.query_string:
                call.check_query()
            response = await handler(call)
            if allowance is not None:
                add_rate_headers(response, allowance)
            return response

        return respond

    async def _verified(self, credentials: Credentials) -> ProjectPrincipal:
        """Return the principal of a backend. Count refused credentials for the project whose API key they have."""
        try:
            return await self._authenticator.admin(credentials)
        except ApiError as error:
            project = self._authenticator.named_project(credentials)
            if project is not None and error.code is not None:
                self._usage.refused(project.id, error.code.kind.code, "")
            raise

    async def _count(self, project: Project, allowance: Allowance) -> None:
        try:
            await self._counter.count(project.id, allowance)
        except StoreUnavailableError:
            RATE_LIMIT_FAILURES.inc()


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
        usage: UsageCounts,
    ):
        super().__init__(context)
        self._authenticator = authenticator
        self._origins = _ProjectOrigins(allowed_origins)
        self._limits = limits
        self._inboxes = inboxes
        self._activity = activity
        self._usage = usage

    def responder(self, row: AnyOperation, handler: Handler) -> Responder:
        """Return the responder of an operation, for calls of a user.

        The store counts a call in the same step in which it does its work. A call with a body is counted before the
        body is read. Otherwise a client that sends invalid bodies would never reach its limit.
        """
        inputs, context, check_length = row.inputs, self._context, self._length_check(row)
        kind, limit = self._limits.of(row.method)
        counts_before, recalls = bool(limit) and row.reads_body, not row.known_users_only

        async def respond(request: ApiRequest) -> Response:
            verified = request.known.verified
            # The same headers named this user before, unless it must be verified again.
            recalled = self._authenticator.recall_user(verified) if verified is not None and recalls else None
            try:
                request.principal = principal = recalled or await self._verified(row, request)
                if "origin" in request.headers:
                    self._origins.check(request, principal.project)
            except ApiError as error:
                self._count_unverified(row, request, error)
                raise
            allowance = Allowance(kind, limit) if limit else None
            guard = Guard(allowance, principal.token_id, principal.token_issued_at)
            if counts_before:
                await self._inboxes.use(principal.user, guard)
                guard = Guard(None, guard.token_id, guard.issued_at)
            try:
                check_length(request)
                call = UserCall(inputs, request, context, principal.project, principal.user, guard)
                if request.query_string:
                    call.check_query()
                response = await handler(call)
            except ApiError:
                await self._count_refused(principal.user, guard)
                raise
            if allowance is not None:
                add_rate_headers(response, allowance)
            self._activity.seen(principal.user)
            return response

        return respond

    async def _verified(self, row: AnyOperation, request: ApiRequest) -> UserPrincipal:
        credentials = _credentials(row, request)

        def address() -> str:
            return request.client_address(self._context.proxies)

        if row.is_live:
            principal = await self._authenticator.live_user(credentials, address)
        else:
            principal = await self._authenticator.user(credentials, row.known_users_only, address, row.token_use)
        request.known.verified = Verified(principal, None if credentials.token else proven_identity(credentials))
        return principal

    def _count_unverified(self, row: AnyOperation, request: ApiRequest, error: ApiError) -> None:
        """Count refused credentials for the project that they name. An unknown API key names none."""
        try:
            project = self._authenticator.named_project(_credentials(row, request))
        except ApiError:
            return
        if project is not None and error.code is not None:
            self._usage.refused(project.id, error.code.kind.code, request.headers.get("origin") or "")

    async def _count_refused(self, user: User, guard: Guard) -> None:
        """Count a call that was refused before the store counted it. Raises RateLimitedError."""
        if guard.allowance is not None and not guard.allowance.used:
            try:
                await self._inboxes.use(user, guard)
            except (StoreUnavailableError, UserDeletedError, TokenRevokedError):
                RATE_LIMIT_FAILURES.inc()  # the error of the call itself is more useful to the client


Accesses = Mapping[Caller[Any], Access]
"""The `Access` of each kind of caller."""


def _credentials(row: AnyOperation, request: ApiRequest) -> Credentials:
    credentials = header_credentials(request.headers.get)
    if not credentials:
        raise api_error(row.without_credentials)
    return credentials
