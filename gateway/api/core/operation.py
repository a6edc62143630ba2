"""An operation is one row and one function: the row gives the route, who may call it, what it reads and answers.

The function gets a `Call`, which is the request with its credentials verified, and gives a response. Errors are
raised anywhere as ApiError or StoreUnavailableError and turned into the v1 `errors` array here, once.
"""

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from prometheus_client import Counter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from gateway.api.core.bodies import USER_BYTES, WHOLE_BYTES, BodyBudget, Reservation, Share
from gateway.api.core.cors import ALLOWED_ORIGINS
from gateway.api.core.large_bodies import LARGE_BYTES, decode_in_pieces
from gateway.api.core.params import Body, Object, Problems, read_body
from gateway.api.core.query import QueryParam, read_query
from gateway.api.core.schema import NO_CONTENT, Answer
from gateway.api.core.scope import BODY_IS_LATE, PEER, REQUEST_ID
from gateway.api.core.unknown import HEADER as UNKNOWN_HEADER
from gateway.api.core.unknown import UnknownName, UnknownNameLog, header_value, unknown_parameters
from gateway.auth.authenticator import Authenticator
from gateway.auth.credentials import header_credentials
from gateway.auth.workspaces import WorkspaceAuthenticator
from gateway.domain.errors import ApiError, ErrorCode, api_error, invalid
from gateway.domain.guard import (
    UNGUARDED,
    Allowance,
    Guard,
    RateKind,
    RateLimitedError,
    TokenRevokedError,
    UserDeletedError,
)
from gateway.domain.origin import origin_allowed
from gateway.domain.principal import Principal, Project, ProjectPrincipal, User, UserPrincipal, Workspace
from gateway.domain.proxy import Forwarded, Proxies, peer_address
from gateway.domain.retention import ItemRetention
from gateway.sending.sender import Sender
from gateway.settings import Settings
from gateway.store.activity import ActiveUsers
from gateway.store.admin_limits import AdminLimits
from gateway.store.categories import CategoryStore
from gateway.store.deletion import UserDeletion
from gateway.store.devices import DeviceStore
from gateway.store.directory import Directory
from gateway.store.event_log import Moment
from gateway.store.idempotency import IdempotencyStore
from gateway.store.inbox import InboxStore
from gateway.store.jobs import JobStore
from gateway.store.preferences import PreferenceStore
from gateway.store.profiles import ProfileStore
from gateway.store.projects import ProjectStore
from gateway.store.redis.client import StoreUnavailableError
from gateway.store.subscriptions import SubscriptionStore
from gateway.store.tokens import TokenStore
from gateway.telemetry.logs import log
from gateway.telemetry.metrics import RATE_LIMIT_FAILURES, RATE_LIMITED, REQUESTS

MAX_CLIENT_ID_LENGTH = 255

_NO_STORE = (b"cache-control", b"no-store")
"""Nearly every answer is somebody's inbox, a secret, or out of date in a moment; files say themselves how long they
keep."""

IGNORED_BODY_BYTES = 16 * 1024
"""Of operations that take no body: clients send `null`, `{}` and the like."""

_MOST_DIGITS = 18

_UNKNOWN = "inbox.unknown_names"
"""In a request's ASGI scope: names in it that the operation does not know, if there are any."""

_RESERVATION = "inbox.reservation"
"""In a request's ASGI scope: the bytes of its body that are counted."""

_PRINCIPAL = "inbox.principal"
"""In a request's ASGI scope: the verified caller, for the log."""

encode = msgspec.json.encode


class Scope(Enum):
    """Who may call an operation."""

    PUBLIC = "public"
    USER = "user"
    ADMIN = "admin"
    WORKSPACE = "workspace"


@dataclass(frozen=True, slots=True)
class Services:
    """What operations work with."""

    settings: Settings
    proxies: Proxies
    authenticator: Authenticator
    workspace_authenticator: WorkspaceAuthenticator
    projects: ProjectStore
    tokens: TokenStore
    activity: ActiveUsers
    directory: Directory
    inboxes: InboxStore
    profiles: ProfileStore
    user_deletion: UserDeletion
    admin_limits: AdminLimits
    sender: Sender
    idempotency: IdempotencyStore
    categories: CategoryStore
    preferences: PreferenceStore
    subscriptions: SubscriptionStore
    devices: DeviceStore
    jobs: JobStore
    bodies: BodyBudget
    new_epoch: Callable[[], str]
    not_ready: Callable[[], str]
    """Say why this worker should get no traffic now; "" when it should."""
    unknown_names: UnknownNameLog = field(default_factory=UnknownNameLog)

    def moment(self) -> Moment:
        """Give the time of a write."""
        return Moment(int(time.time() * 1000), self.new_epoch())


@dataclass(frozen=True, slots=True)
class Call:
    """One request whose credentials hold."""

    operation: "Operation"
    request: Request
    services: Services
    principal: Principal | None
    guard: Guard = UNGUARDED
    """What every change or read of the user's inbox has to pass: hand it to the store."""

    authorized_workspace: Workspace | None = None

    @property
    def workspace(self) -> Workspace:
        """The calling workspace. Only for operations of workspace scope."""
        assert self.authorized_workspace is not None
        return self.authorized_workspace

    @property
    def user(self) -> User:
        """The calling user. Only for operations of user scope."""
        assert isinstance(self.principal, UserPrincipal)
        return self.principal.user

    @property
    def project(self) -> Project:
        """The calling project. Not for public operations."""
        assert self.principal is not None
        return self.principal.project

    @property
    def item_retention(self) -> ItemRetention:
        """How much of each of the calling project's inboxes is kept."""
        return self.project.item_retention(self.services.settings.item_retention)

    @property
    def strict(self) -> bool:
        """Whether names that the operation does not know are refused."""
        return self.operation.is_ours or (self.principal is not None and self.principal.project.strict)

    @property
    def client_id(self) -> str | None:
        """The client instance's own name, which travels into the live event."""
        value = headers_of(self.request).get("x-magicbell-client-id")
        return value[:MAX_CLIENT_ID_LENGTH] if value else None

    @property
    def notification_id(self) -> UUID:
        """The path's notification. Raises ApiError 404: what is no UUID was never given out."""
        try:
            return UUID(self.request.path_params["id"])
        except ValueError:
            raise api_error(ErrorCode.NOT_FOUND, "Notification not found") from None

    @property
    def forwarded(self) -> Forwarded:
        """How the client called: its address, and the scheme, host and prefix that it used."""
        return _forwarded(self.request, self.services)

    def text(self, name: str) -> str:
        """A part of the path that is free text."""
        value: str = self.request.path_params[name]
        return value

    def query(self) -> dict[str, Any]:
        """Read the row's query parameters. Raises ApiError 422."""
        return read_query(self.request.query_params.multi_items(), self.operation.query)

    def fields(self, body: bytes) -> dict[str, Any]:
        """Read the row's body. Raises ApiError 400 or 422."""
        return self._read(body, msgspec.json.decode)

    async def large_fields(self, body: bytes) -> dict[str, Any]:
        """Read the row's body, which may be large, while other requests are served. Raises ApiError 400 or 422."""
        row = self.operation.body
        assert row is not None
        if len(body) <= LARGE_BYTES:
            return self.fields(body)
        whole = Object(fields={row.root: row.param}) if row.root else row.param
        return await self.services.bodies.in_thread(partial(self._read, body, partial(decode_in_pieces, param=whole)))

    def _read(self, body: bytes, decode: Callable[[bytes], Any]) -> dict[str, Any]:
        row = self.operation.body
        assert row is not None
        problems = Problems(self.strict)
        try:
            return read_body(body, row.root, row.param, decode, problems)
        finally:
            if problems.unknown:
                _note_unknown(self.request, problems.unknown)

    async def body(self) -> bytes:
        """Read the whole body. Raises ApiError 408, 413 and 415."""
        coding = headers_of(self.request).get("content-encoding", "").strip().lower()
        if coding not in ("", "identity"):
            raise api_error(ErrorCode.CONTENT_CODING_NOT_SUPPORTED)
        most = self.operation.max_body_bytes(self.services.settings)
        receive = self.request.receive
        parts: list[bytes] = []
        size, more = 0, True
        reservation: Reservation | None = None
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            if BODY_IS_LATE in self.request.scope:
                raise api_error(ErrorCode.REQUEST_TIMEOUT)
            parts.append(message["body"])
            size += len(parts[-1])
            if size > most:
                raise _too_large(most)
            more = message["more_body"]
            if more or size > WHOLE_BYTES:
                reservation = reservation or self._reservation()
                reservation.grow(len(parts[-1]))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _reservation(self) -> Reservation:
        """Begin to count the body's bytes, until the request is answered."""
        budget, principal = self.services.bodies, self.principal
        half = budget.most // 2
        shares = [Share(f"address {self.forwarded.client}", half)]
        if isinstance(principal, UserPrincipal):
            shares.append(Share(f"user {principal.project.id} {principal.user.id}", min(USER_BYTES, half)))
        elif principal is not None:
            shares.append(Share(f"project {principal.project.id}", half))
        opened: Reservation = budget.open(shares)
        self.request.scope[_RESERVATION] = opened
        return opened


Handler = Callable[[Call], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One row: method, path, who may call, the function, what it is for, and what goes in and out."""

    method: str
    path: str
    scope: Scope
    handler: Handler
    summary: str
    answer: Answer = NO_CONTENT
    body: Body | None = None
    query: tuple[QueryParam, ...] = ()
    idempotent: bool = False
    """Whether an `Idempotency-Key` makes it happen once."""
    refusals: tuple[Answer, ...] = ()
    """What else it may answer, besides the errors that follow from its other columns."""
    tag: str = ""
    """Where the OpenAPI document lists it, if not under its scope."""
    own: bool = False
    """Whether it is our own: no part of the v1 contract, and none of v2."""
    known_users_only: bool = False
    """Whether a user whom nobody but the API secret vouches for must exist already; the v1 contract says where."""
    without_credentials: ErrorCode = ErrorCode.NOT_FOUND
    """What a call with no credentials at all is told; the v1 contract says 404 nearly everywhere."""

    known_query: frozenset[str] = field(init=False)
    """The names of its query parameters."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "known_query", frozenset(name for param in self.query for name in param.names))

    @property
    def is_ours(self) -> bool:
        """Whether it refuses names that it does not know: the v1 contract's operations let clients send more."""
        return self.own or self.path.startswith("/v2/")

    def max_body_bytes(self, settings: Settings) -> int:
        """Return how large a body may be. One that the operation ignores is let through if it is small."""
        most = self.body.max_bytes if self.body is not None else IGNORED_BODY_BYTES
        return settings.max_body_bytes if most is None else min(most, settings.max_body_bytes)

    def endpoint(self, services: Services) -> Endpoint:
        """Build what answers a request."""
        label = f"{self.method} {self.path}"
        counters: dict[int, Counter] = {}

        async def endpoint(request: Request) -> Response:
            started = time.perf_counter()
            try:
                response = await self._answer(request, services)
            finally:
                if (reservation := request.scope.get(_RESERVATION)) is not None:
                    reservation.release()
            if (unknown := request.scope.get(_UNKNOWN)) is not None:
                response.headers[UNKNOWN_HEADER] = header_value(unknown)
                project = request.scope.get(_PRINCIPAL)
                services.unknown_names.note(project.project.id if project else "", label, unknown)
            if self.scope is not Scope.PUBLIC or "cache-control" not in response.headers:
                response.raw_headers.append(_NO_STORE)
            counter = counters.get(response.status_code)
            if counter is None:
                counter = counters[response.status_code] = REQUESTS.labels(label, str(response.status_code))
            counter.inc()
            if services.settings.access_log and self.scope is not Scope.PUBLIC:
                principal: Principal | None = request.scope.get(_PRINCIPAL)
                user = principal.user if isinstance(principal, UserPrincipal) else None
                log.request(
                    self.method,
                    _logged_path(self.path, request.path_params) if "{" in self.path else self.path,
                    response.status_code,
                    (time.perf_counter() - started) * 1000,
                    request.scope[REQUEST_ID],
                    principal.project.id if principal is not None else "",
                    user.id if user is not None else "",
                    client=_client_address(request, services),
                )
            return response

        return endpoint

    async def _answer(self, request: Request, services: Services) -> Response:
        try:
            try:
                return await self._call(request, services)
            except UserDeletedError as deleted:
                # A name that led to a user who was deleted meanwhile: look it up again, once.
                await services.directory.forget(deleted.user)
                return await self._call(request, services)
        except ApiError as error:
            if any(problem.help_link for problem in error.problems):
                error.problems = error.problems_with_links(_forwarded(request, services).base)
            return error_response(error)
        except RateLimitedError as limited:
            RATE_LIMITED.labels(limited.allowance.kind.value).inc()
            response = error_response(
                api_error(
                    ErrorCode.RATE_LIMIT_EXCEEDED,
                    f"More than {limited.allowance.limit} {limited.allowance.kind.value} in this minute",
                    limited.retry_after_seconds,
                )
            )
            response.headers.update(_rate_headers(limited.allowance))
            return response
        except TokenRevokedError:
            return error_response(api_error(ErrorCode.TOKEN_REVOKED))
        except StoreUnavailableError as problem:
            return error_response(store_error(problem))
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:
            log.exception("request_failed", operation=f"{self.method} {self.path}")
            return error_response(api_error(ErrorCode.INTERNAL_ERROR))

    async def _call(self, request: Request, services: Services) -> Response:
        if self.scope is Scope.WORKSPACE:
            return await self._call_of_workspace(request, services)
        principal = request.scope[_PRINCIPAL] = await self._authenticate(request, services)
        allowance = self._allowance(principal, services.settings)
        if isinstance(principal, ProjectPrincipal) and allowance is not None:
            await _count_admin(services.admin_limits, principal.project, allowance)
        guard = Guard(allowance, principal.token_id, principal.token_issued_at) if principal is not None else UNGUARDED
        if isinstance(principal, UserPrincipal) and allowance is not None and self.body is not None:
            # Before the body is looked at, or those who send nonsense would never meet their limit.
            await services.inboxes.use(principal.user, guard)
            guard = Guard(None, guard.token_id, guard.issued_at)
        try:
            self._check_length(request, services.settings)
            call = Call(self, request, services, principal, guard)
            if request.scope["query_string"]:
                self._check_query(call)
            response = await self.handler(call)
        except ApiError:
            if isinstance(principal, UserPrincipal):
                await _count_refused(services.inboxes, principal.user, guard)
            raise
        if allowance is not None:
            response.headers.update(_rate_headers(allowance))
        if isinstance(principal, UserPrincipal):
            services.activity.seen(principal.user)
        return response

    async def _call_of_workspace(self, request: Request, services: Services) -> Response:
        credentials = header_credentials(headers_of(request).get)
        wanted: str = request.path_params["workspace_id"]
        workspace = await services.workspace_authenticator.workspace(credentials, wanted)
        self._check_length(request, services.settings)
        call = Call(self, request, services, None, authorized_workspace=workspace)
        self._check_query(call)
        return await self.handler(call)

    def _check_length(self, request: Request, settings: Settings) -> None:
        """Refuse a body that says that it is too large, before it comes. Raises ApiError 413."""
        length = headers_of(request).get("content-length")
        if length is None:
            return
        most = self.max_body_bytes(settings)
        if length.isdigit() and (len(length) > _MOST_DIGITS or int(length) > most):
            raise _too_large(most)

    def _check_query(self, call: Call) -> None:
        """Take note of query parameters that are not known. Raises ApiError 422 where the call is strict."""
        if self.scope is Scope.PUBLIC:
            return  # files: whatever else is in their address keeps caches apart
        names = [name for name, _ in call.request.query_params.multi_items()]
        if self.known_query.issuperset(names):
            return
        if unknown := unknown_parameters(names, self.known_query):
            _note_unknown(call.request, unknown)
            if call.strict:
                raise invalid(*(name.message for name in unknown))

    def _allowance(self, principal: Principal | None, settings: Settings) -> Allowance | None:
        if principal is None:
            return None
        kind = RateKind.READS if self.method == "GET" else RateKind.WRITES
        who = "rate_limit" if isinstance(principal, UserPrincipal) else "rate_limit_admin"
        limit: int = getattr(settings, f"{who}_{kind.value}")
        return Allowance(kind, limit) if limit else None

    async def _authenticate(self, request: Request, services: Services) -> Principal | None:
        if self.scope is Scope.PUBLIC:
            return None
        credentials = header_credentials(headers_of(request).get)
        if not credentials:
            raise api_error(self.without_credentials)
        principal: Principal
        if self.scope is Scope.ADMIN:
            principal = await services.authenticator.admin(credentials)
        else:
            principal = await services.authenticator.user(
                credentials, self.known_users_only, lambda: _client_address(request, services)
            )
        if (origin := headers_of(request).get("origin")) is not None:
            allowed = principal.project.allowed_origins or services.settings.allowed_origins
            request.scope[ALLOWED_ORIGINS] = allowed
            if not origin_allowed(origin, allowed):
                raise api_error(ErrorCode.ORIGIN_NOT_ALLOWED)
        return principal


async def _count_admin(limits: AdminLimits, project: Project, allowance: Allowance) -> None:
    try:
        await limits.count(project.id, allowance)
    except StoreUnavailableError:
        RATE_LIMIT_FAILURES.inc()  # a limiter that cannot count lets the call pass


async def _count_refused(inboxes: InboxStore, user: User, guard: Guard) -> None:
    """Count a user's call that was refused before the store heard of it, such as one that makes no sense.

    Raises RateLimitedError.
    """
    if guard.allowance is not None and not guard.allowance.used:
        try:
            await inboxes.use(user, guard)
        except (StoreUnavailableError, UserDeletedError, TokenRevokedError):
            RATE_LIMIT_FAILURES.inc()  # what the client did wrong says more


def _note_unknown(request: Request, names: list[UnknownName]) -> None:
    request.scope.setdefault(_UNKNOWN, []).extend(names)


def headers_of(request: Request) -> Mapping[str, str]:
    """Give the headers by their lower-case names: Starlette's own object looks through all of them for each."""
    headers: dict[str, str] | None = request.scope.get("inbox.headers")
    if headers is None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}
        request.scope["inbox.headers"] = headers
    return headers


def _client_address(request: Request, services: Services) -> str:
    peer = request.scope[PEER]()
    if "x-forwarded-for" not in headers_of(request):
        return peer_address(peer)
    headers = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.scope["headers"])
    return services.proxies.client(peer, headers)


def _forwarded(request: Request, services: Services) -> Forwarded:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.scope["headers"]]
    return services.proxies.forwarded(request.scope[PEER](), headers)


def _logged_path(template: str, params: Mapping[str, Any]) -> str:
    """Return the path with the ids in it: no query, which may carry credentials, and nobody's name or device token."""
    for name, value in params.items():
        if name in _LOGGED_PARAMS and _ID.fullmatch(value):
            template = template.replace(f"{{{name}}}", value)
    return template


_LOGGED_PARAMS = frozenset(
    ("id", "broadcast_id", "import_id", "token_id", "workspace_id", "project_id"),
)
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def _rate_headers(allowance: Allowance) -> dict[str, str]:
    return {
        "RateLimit-Limit": str(allowance.limit),
        "RateLimit-Remaining": str(allowance.remaining),
        "RateLimit-Reset": str(allowance.reset_seconds),
    }


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Encode a value as the answer."""
    return raw_json_response(encode(value), status, headers)


def raw_json_response(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer JSON that is encoded already."""
    return Response(body, status, headers, media_type="application/json")


def no_content() -> Response:
    """Answer 204."""
    return Response(status_code=204)


def store_error(problem: StoreUnavailableError) -> ApiError:
    """Return the error that a client gets when the store did not do what was asked."""
    return api_error(problem.code, problem.cause, problem.retry_after_seconds)


def error_response(error: ApiError) -> Response:
    """Answer the v1 `errors` array."""
    headers = {"Retry-After": str(error.retry_after_seconds)} if error.retry_after_seconds is not None else {}
    if error.code is ErrorCode.REQUEST_TIMEOUT:
        # The rest of the body may never come, so no other request can follow on this connection. (After a 413 it
        # does come and is passed over: closing then would reset the connection before the client reads the answer.)
        headers["Connection"] = "close"
    return json_response({"errors": error.problems}, error.status, headers)


def _too_large(most: int) -> ApiError:
    return api_error(ErrorCode.BODY_TOO_LARGE, f"The body is larger than {most} bytes")
