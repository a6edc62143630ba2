"""Admins: who may sign in, and what each may do where. An invited admin gets a link to choose a password."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import Response

from gateway.api.admin.shapes import EMAIL, NAME, TAG, AdminShown, RolesParam, shown_admin
from gateway.api.core.body import Body
from gateway.api.core.call import ADMIN, AdminCall, Call
from gateway.api.core.operation import AnyOperation, Operation
from gateway.api.core.problems import not_found
from gateway.api.core.responses import json_response, no_content
from gateway.api.core.schema import Errors, ResponseSpec, Seconds
from gateway.auth.admins import AdminAuthenticator
from gateway.domain.admin import EVERY_WORKSPACE, Role
from gateway.domain.errors import ErrorCode, api_error, invalid
from gateway.domain.ids import WorkspaceId
from gateway.domain.objects import Object
from gateway.store.admin_links import INVITATION_SECONDS, AdminLinkStore
from gateway.store.admins import AdminRecord
from gateway.store.errors import EmailTakenError, LastOwnerError, TooManyError
from gateway.store.workspaces import WorkspaceStore

_ROLES = RolesParam(description="The role in each workspace, by its number. `*` stands for all workspaces.")

NEW = Body(
    "",
    Object(
        required=True,
        name="NewAdmin",
        fields={"email": EMAIL, "name": NAME, "roles": RolesParam(required=True, description=_ROLES.description)},
    ),
    example={"email": "grace@example.com", "name": "Grace", "roles": {"*": "viewer"}},
)
CHANGE = Body(
    "",
    Object(required=True, name="AdminChange", fields={"name": NAME, "roles": _ROLES}),
    example={"roles": {"*": "editor"}},
)


class AdminList(msgspec.Struct):
    """Admins, by email."""

    data: list[AdminShown]


class Invitation(msgspec.Struct):
    """An admin, and the address at which this person chooses a password: once, until `link_ends_at`."""

    admin: AdminShown
    link: str
    link_ends_at: Seconds


ADMINS = ResponseSpec(200, "The admins", AdminList)
SHOWN = ResponseSpec(200, "The admin", AdminShown)
INVITED = ResponseSpec(201, "The admin, and the link", Invitation)
LAST = ResponseSpec(409, "Nobody would be left who may change admins", Errors)


@dataclass(frozen=True, slots=True)
class AdminsResource:
    """The operations on admins, with what they use."""

    authenticator: AdminAuthenticator
    links: AdminLinkStore
    workspaces: WorkspaceStore

    async def list_all(self, call: AdminCall) -> Response:
        """Return the admins of the workspaces in which you are an admin, and those of all workspaces."""
        shown = [record for record in await self.authenticator.admins.all() if _is_visible(call, record)]
        return json_response({"data": [shown_admin(record) for record in shown]})

    async def get(self, call: AdminCall) -> Response:
        """Return an admin."""
        return json_response(shown_admin(await self._find(call)))

    async def create(self, call: AdminCall) -> Response:
        """Invite an admin. The response has a link, which you pass on: by it, this person chooses a password."""
        values = call.fields(await call.body())
        roles = await self._roles(call, values["roles"])
        call.note(email=values["email"], roles=values["roles"])
        try:
            record = await self.authenticator.admins.create(values["email"], values["name"] or "", roles)
        except EmailTakenError:
            raise invalid("Param 'email' is another admin's") from None
        except TooManyError as problem:
            raise invalid(f"There would be {problem}") from None
        return await self._invited(call, record)

    async def link(self, call: AdminCall) -> Response:
        """Create another link by which an admin chooses a password. The present password stays valid until then."""
        record = await self._find(call)
        self._check_may_change(call, record.admin.roles)
        call.note(email=record.email)
        return await self._invited(call, record)

    async def update(self, call: AdminCall) -> Response:
        """Change the name or the roles of an admin. If the roles change, all sessions and links of this admin end."""
        values = call.fields(await call.body())
        before = await self._find(call)
        self._check_may_change(call, before.admin.roles)
        if values["roles"] is not None:
            await self._roles(call, values["roles"])

        def changed(record: AdminRecord) -> AdminRecord:
            self._check_may_change(call, record.admin.roles)  # somebody else may have changed them just now
            given = {name: value for name, value in values.items() if value is not None}
            return msgspec.structs.replace(record, **given)

        try:
            after = await self.authenticator.admins.change(before.id, changed)
        except LastOwnerError:
            raise api_error(ErrorCode.LAST_OWNER) from None
        if after is None:
            raise not_found("Admin")
        call.note(email=after.email)
        if before.roles != after.roles:
            call.note(roles=[before.roles, after.roles])
            await self.authenticator.sessions.end_all(after.id)
        return json_response(shown_admin(after))

    async def remove(self, call: AdminCall) -> Response:
        """Remove an admin. All sessions of this admin end."""
        record = await self._find(call)
        self._check_may_change(call, record.admin.roles)
        call.note(email=record.email)
        try:
            await self.authenticator.admins.remove(record.id)
        except LastOwnerError:
            raise api_error(ErrorCode.LAST_OWNER) from None
        await self.authenticator.sessions.end_all(record.id)
        return no_content()

    async def end_sessions(self, call: AdminCall) -> Response:
        """End all sessions of an admin."""
        record = await self._find(call)
        self._check_may_change(call, record.admin.roles)
        call.note(email=record.email, ended=await self.authenticator.sessions.end_all(record.id))
        return no_content()

    async def _find(self, call: AdminCall) -> AdminRecord:
        record = await self.authenticator.admins.by_id(call.text("admin_id"))
        if record is None or not _is_visible(call, record):
            raise not_found("Admin")
        return record

    async def _roles(self, call: AdminCall, given: Mapping[str, str]) -> dict[WorkspaceId, Role]:
        """Return roles that the caller may assign. Raises ApiError 403 and 422."""
        known = {EVERY_WORKSPACE, *(each.id for each in await self.workspaces.all())}
        if unknown := sorted(given.keys() - known):
            raise invalid(f"Param 'roles' names workspaces that do not exist: {', '.join(unknown)}")
        roles = {WorkspaceId(where): Role(role) for where, role in given.items()}
        self._check_may_change(call, roles)
        return roles

    def _check_may_change(self, call: AdminCall, roles: Mapping[WorkspaceId, Role]) -> None:
        """Raise ApiError 403 unless the caller is an owner of every workspace in some roles."""
        admin = call.principal.admin
        if any(admin.role_in(where) is not Role.OWNER for where in roles):
            raise api_error(ErrorCode.ROLE_TOO_LOW, "This needs the role owner in each workspace of this admin")

    async def _invited(self, call: Call, record: AdminRecord) -> Response:
        token = await self.links.create(record, INVITATION_SECONDS)
        body = {
            "admin": shown_admin(record),
            "link": f"{call.forwarded.base}/admin/setup#token={token}",
            "link_ends_at": self.authenticator.now() + INVITATION_SECONDS,
        }
        return json_response(body, 201)


def _is_visible(call: AdminCall, record: AdminRecord) -> bool:
    """Return whether the caller may know of an admin: an admin does of those who may enter the same workspaces."""
    caller = call.principal.admin
    roles = (caller.role_in(where) for where in record.admin.roles)
    return EVERY_WORKSPACE in record.roles or any(role is not None and role.allows(Role.ADMIN) for role in roles)


_R = AdminsResource
_PATH = "/admin/api/admins"
_ONE = f"{_PATH}/{{admin_id}}"


def _owners(method: str, path: str, handler: Any, *more: Any, failures: tuple[ResponseSpec, ...] = ()) -> AnyOperation:
    """Return the row of an operation that needs an owner, who has just given the password."""
    return Operation(
        method, path, ADMIN, handler, *more, failures=failures, tag=TAG, strict=True, role=Role.OWNER, confirmed=True
    )


OPERATIONS: list[AnyOperation] = [
    Operation("GET", _PATH, ADMIN, _R.list_all, "List admins", ADMINS, tag=TAG, strict=True, role=Role.ADMIN),
    _owners("POST", _PATH, _R.create, "Invite an admin", INVITED, NEW),
    Operation("GET", _ONE, ADMIN, _R.get, "Fetch an admin", SHOWN, tag=TAG, strict=True, role=Role.ADMIN),
    _owners("PATCH", _ONE, _R.update, "Change an admin", SHOWN, CHANGE, failures=(LAST,)),
    _owners("DELETE", _ONE, _R.remove, "Remove an admin", failures=(LAST,)),
    _owners("POST", f"{_ONE}/link", _R.link, "Create a link to choose a password", INVITED),
    _owners("DELETE", f"{_ONE}/sessions", _R.end_sessions, "End all sessions of an admin"),
]
