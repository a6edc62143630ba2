"""The operations of projects and of users, for admins: below `/admin/api/projects/{project_id}`.

Each runs the handler of the operation that it mirrors, so that what the dashboard does can be done by scripts, too. An
admin needs no key of the project: the role decides. An operation of a user acts for the user whom the header
`X-MAGICBELL-USER-EXTERNAL-ID` or `-EMAIL` names, who must exist.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from starlette.responses import Response

from gateway.api.admin.audit_entries import MIRROR
from gateway.api.core.call import ADMIN_PROJECT, PROJECT, USER, AdminProjectCall, ProjectCall, UserCall
from gateway.api.core.operation import AnyOperation, BoundOperation, Handler, Operation
from gateway.api.core.problems import not_found
from gateway.auth.credentials import header_credentials, proven_identity
from gateway.domain.admin import Role
from gateway.domain.errors import invalid
from gateway.domain.guard import UNGUARDED
from gateway.domain.principal import Project, User
from gateway.store.directory import Directory


class Demand(NamedTuple):
    """What a mirrored operation needs: the lowest role, and whether the password."""

    role: Role
    is_confirmed: bool = False


_VIEW = Demand(Role.VIEWER)
_EDIT = Demand(Role.EDITOR)
_ADMINISTER = Demand(Role.ADMIN)
_CONFIRM = Demand(Role.ADMIN, is_confirmed=True)

_UNSAFE = "(POST|PUT|PATCH|DELETE)"

DEMANDS: tuple[tuple[str, Demand], ...] = (
    # What opens an inbox or a project, or ends what does.
    (rf"{_UNSAFE} /v2/jwt/.*", _CONFIRM),
    (rf"{_UNSAFE} /users/{{user}}/revoke_tokens", _CONFIRM),
    (r"(POST|PUT) /v2/channels/in_app/inbox/tokens", _CONFIRM),
    (rf"{_UNSAFE} /v2/integrations/\w+/installations(/\w+)?", _CONFIRM),
    (r"POST /v2/webhooks/endpoints", _CONFIRM),
    (r"POST /v2/webhooks/endpoints/{endpoint_id}/rotate", _CONFIRM),
    # Channel tokens open inboxes, and send to devices. People see them in the user's summary, without their secrets.
    (r"GET /v2(/users/{user_id})?/channels/.*/tokens(/.*)?", _CONFIRM),
    # What cannot be undone.
    (r"DELETE (/v2)?/users/{user}", _CONFIRM),
    (r"DELETE /v2/integrations/.*", _CONFIRM),
    (r"DELETE /v2/webhooks/endpoints/{endpoint_id}", _CONFIRM),
    # What only reads, and leaves no entry in the audit log.
    (r"POST /v2/(integrations/templates/preview|previews|broadcasts/audience)", _VIEW),
    # What people do every day.
    (r"POST (/v2)?/(notifications|broadcasts|users|imports)", _EDIT),
    (r"(POST|DELETE) /v2/broadcasts/.*", _EDIT),
    (r"(PUT|PATCH) (/v2)?/users/{user}", _EDIT),
    (r"POST /v2/users/.*/retry", _EDIT),
    (r"DELETE /v2/users/{user}/channels/{channel}/suppressions", _EDIT),
    (r"POST /v2/webhooks/endpoints/{endpoint_id}/messages/{message_id}/retry", _EDIT),
    (r"POST /v2/delivery/tests/{integration}", _EDIT),
    (rf"{_UNSAFE} (/v2)?/notifications/.*", _EDIT),
    (rf"{_UNSAFE} (/notification_preferences|/v2/channels/user_preferences)", _EDIT),
    (rf"{_UNSAFE} /subscriptions.*", _EDIT),
    (r"GET .*", _VIEW),
    (rf"{_UNSAFE} .*", _ADMINISTER),
)
"""What operations need. The first pattern that matches the method and path of one decides."""


class Mirror:
    """Runs operations of projects and of users for admins."""

    def __init__(self, directory: Directory):
        self._directory = directory

    def operations(self, operations: Sequence[BoundOperation]) -> list[BoundOperation]:
        """Return the mirrored form of each operation that has one."""
        return [BoundOperation(mirrored(each.row), self._handler(each)) for each in operations if is_mirrored(each.row)]

    def _handler(self, operation: BoundOperation) -> Handler:
        row, handler = operation

        async def for_project(call: AdminProjectCall) -> Response:
            return await handler(ProjectCall(call.inputs, call.request, call.context, call.project))

        async def for_user(call: AdminProjectCall) -> Response:
            user = await self._user(call, call.project)
            return await handler(UserCall(call.inputs, call.request, call.context, call.project, user, UNGUARDED))

        return for_project if row.caller is PROJECT else for_user

    async def _user(self, call: AdminProjectCall, project: Project) -> User:
        """Return the user whom the headers name. Raises ApiError 404 and 422."""
        credentials = header_credentials(call.request.headers.get)
        if not credentials.external_id and not credentials.email:
            raise invalid("Header 'X-MAGICBELL-USER-EXTERNAL-ID' or 'X-MAGICBELL-USER-EMAIL' is missing")
        identity = proven_identity(credentials)
        name = f"x:{identity.external_id}" if identity.external_id else f"e:{identity.email}"
        user = await self._directory.find(project.id, name)
        if user is None:
            raise not_found("User")
        call.note(user=identity.external_id or identity.email)
        return user


def is_mirrored(row: AnyOperation) -> bool:
    """Return whether an operation is mirrored: all of projects and users, except live connections."""
    return row.caller in (PROJECT, USER) and not row.is_live


def demand_of(row: AnyOperation) -> Demand:
    """Return what an operation needs if an admin calls it."""
    return next(demand for pattern, demand in DEMANDS if re.fullmatch(pattern, f"{row.method} {row.path}"))


def mirrored(row: AnyOperation) -> AnyOperation:
    """Return the row of the mirrored form of an operation."""
    demand = demand_of(row)
    return Operation(
        row.method,
        f"{MIRROR}{row.path}",
        ADMIN_PROJECT,
        row.handler,
        row.summary,
        row.success,
        row.inputs.body,
        row.inputs.query,
        failures=row.failures,
        idempotent=row.idempotent,
        strict=row.inputs.strict,
        streams=row.streams,
        role=demand.role,
        confirmed=demand.is_confirmed,
        audited=row.audited,
    )
