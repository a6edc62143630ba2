"""Calls: requests whose credentials have been verified. Each kind of caller has its own type of call.

A handler declares the type of its call. The types of `Operation` make mypy refuse a row with another caller:

    PublicCall      any client, without credentials
    UserCall        a user of a project: has `user`, `project`, `guard` and `client_id`
    ProjectCall     the backend of a project: has `project`
    WorkspaceCall   the administrator of a workspace's projects: has `workspace`
    AdminCall       an admin of the dashboard: has `principal` and `role`
    AdminProjectCall  an admin, for the project that the path names: has `project` as well
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from gateway.api.core.body import read_body
from gateway.api.core.body_budget import USER_BYTES, Share
from gateway.api.core.body_reader import BodyReader
from gateway.api.core.inputs import Inputs
from gateway.api.core.large_bodies import LARGE_BYTES, decode_in_pieces
from gateway.api.core.problems import not_found
from gateway.api.core.query import read_query
from gateway.api.core.requests import ApiRequest
from gateway.api.core.unknown import unknown_parameters
from gateway.domain.admin import AdminPrincipal, Role
from gateway.domain.errors import invalid
from gateway.domain.guard import Guard
from gateway.domain.outbound import PUBLIC_ONLY, OutboundRules
from gateway.domain.params import Problems
from gateway.domain.principal import Project, User, Workspace
from gateway.domain.proxy import Forwarded, Proxies

MAX_CLIENT_ID_LENGTH = 255

CHANGED = "changed"
"""The name under which the fields of a body are noted for the audit log."""


@dataclass(frozen=True, slots=True)
class CallContext:
    """What all calls of a worker share."""

    proxies: Proxies
    bodies: BodyReader
    outbound: OutboundRules = PUBLIC_ONLY
    """The rules for addresses in bodies to which the gateway shall connect."""


@dataclass(slots=True)
class Call:
    """One request, and what the row of its operation declares to be read from it. Do not change it.

    Calls are not frozen: the constructor of a frozen dataclass takes 2 µs instead of 0.5 (measured).
    """

    inputs: Inputs
    request: ApiRequest
    context: CallContext

    @property
    def strict(self) -> bool:
        """Whether names that the operation does not define are refused."""
        return self.inputs.strict

    @property
    def forwarded(self) -> Forwarded:
        """The client's address, and the scheme, host and path prefix that it called."""
        return self.request.forwarded(self.context.proxies)

    def note(self, **details: Any) -> None:
        """Add details to the entry of the audit log, if the request gets one. Never a secret."""
        if self.request.audited is not None:
            self.request.audited.update(details)

    def text(self, name: str) -> str:
        """Return the value of a path parameter."""
        value: str = self.request.path_params[name]
        return value

    def uuid(self, name: str, what: str) -> UUID:
        """Return the id in a path parameter. Raises ApiError 404 for any other text: no `what` has such an id."""
        try:
            return UUID(self.text(name))
        except ValueError:
            raise not_found(what) from None

    def query(self) -> dict[str, Any]:
        """Return the value of every query parameter of the row. Raises ApiError 422."""
        if not self.request.query_string:
            return dict(self.inputs.empty_query)
        return read_query(self.request.query_params.multi_items(), self.inputs.query)

    def check_query(self) -> None:
        """Note the query parameters that the operation does not define. Raises ApiError 422 if the call is strict."""
        names = [name for name, _ in self.request.query_params.multi_items()]
        if self.inputs.known_query.issuperset(names):
            return
        if unknown := unknown_parameters(names, self.inputs.known_query):
            self.request.note_unknown(unknown)
            if self.strict:
                raise invalid(*(name.message for name in unknown))

    def body(self) -> Awaitable[bytes]:
        """Return the whole body. Raises ApiError 408, 413, 415, 429 and 503."""
        return self.context.bodies.read(self.request, self.inputs.body.max_bytes, self._shares)

    def fields(self, body: bytes) -> dict[str, Any]:
        """Return the fields of the row's body, None for those that are absent. Raises ApiError 400 and 422."""
        return self._fields(body, msgspec.json.decode)

    async def large_fields(self, body: bytes) -> dict[str, Any]:
        """Return the same as `fields` for a body that may be large. Other requests are served meanwhile."""
        if len(body) <= LARGE_BYTES:
            return self.fields(body)
        decode = partial(decode_in_pieces, param=self.inputs.body.whole)
        return await self.context.bodies.in_thread(partial(self._fields, body, decode))

    def _fields(self, body: bytes, decode: Callable[[bytes], Any]) -> dict[str, Any]:
        problems = Problems(self.strict, self.context.outbound)
        try:
            values = read_body(body, self.inputs.body.root, self.inputs.body.param, decode, problems)
        finally:
            if problems.unknown:
                self.request.note_unknown(problems.unknown)
        if self.request.audited is not None:
            self.request.audited.setdefault(CHANGED, [name for name, value in values.items() if value is not None])
        return values

    def _shares(self, most: int) -> Sequence[Share]:
        """Return the owners for which the body's bytes are counted. Each may hold `most` bytes at once."""
        return (Share(f"address {self.forwarded.client}", most),)


@dataclass(slots=True)
class PublicCall(Call):
    """A call that needs no credentials."""


@dataclass(slots=True)
class WorkspaceCall(Call):
    """A call with a workspace token."""

    workspace: Workspace


@dataclass(slots=True)
class ProjectCall(Call):
    """A call by the backend of a project."""

    project: Project

    @property
    def strict(self) -> bool:
        """Whether names that the operation does not define are refused. A strict project always refuses them."""
        return self.inputs.strict or self.project.strict

    def _shares(self, most: int) -> Sequence[Share]:
        return (*Call._shares(self, most), Share(f"project {self.project.id}", most))


@dataclass(slots=True)
class UserCall(Call):
    """A call by a user of a project."""

    project: Project
    user: User
    guard: Guard
    """The checks that the store makes before it reads or changes the user's inbox. Pass it to the store."""

    @property
    def strict(self) -> bool:
        """Whether names that the operation does not define are refused. A strict project always refuses them."""
        return self.inputs.strict or self.project.strict

    @property
    def client_id(self) -> str | None:
        """The client's own name for itself, from `X-MAGICBELL-CLIENT-ID`. Live events contain it."""
        value = self.request.headers.get("x-magicbell-client-id")
        return value[:MAX_CLIENT_ID_LENGTH] if value else None

    def _shares(self, most: int) -> Sequence[Share]:
        share = Share(f"user {self.project.id} {self.user.id}", min(USER_BYTES, most))
        return (*Call._shares(self, most), share)


@dataclass(slots=True)
class AdminCall(Call):
    """A call by an admin of the dashboard. `role` is the admin's role in the workspace that the call is about.

    For a call that is about no workspace, it is the highest one.
    """

    principal: AdminPrincipal
    role: Role


@dataclass(slots=True)
class AdminProjectCall(AdminCall):
    """A call by an admin, for the project that the path names."""

    project: Project


CallT = TypeVar("CallT", bound=Call)


class Caller(Generic[CallT]):
    """A kind of caller. The type parameter is the type of its calls."""

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return self.name.upper()


PUBLIC = Caller[PublicCall]("public")
USER = Caller[UserCall]("user")
PROJECT = Caller[ProjectCall]("project")
WORKSPACE = Caller[WorkspaceCall]("workspace")
ADMIN = Caller[AdminCall]("admin")
ADMIN_PROJECT = Caller[AdminProjectCall]("admin_project")
