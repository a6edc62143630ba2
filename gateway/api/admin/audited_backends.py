"""Entries of the audit log for what backends and scripts configure, with an API secret or a token.

The handlers of these operations are wrapped, so that all other operations cost nothing more. What an application does
all day is left out: sends, users' tokens, and changes of users.
"""

import re
from collections.abc import Sequence

from starlette.responses import Response

from gateway.api.admin.audit_entries import Action, AuditWriter, error_of, outcome_of, target_of
from gateway.api.core.call import CHANGED, PROJECT, WORKSPACE, ProjectCall, WorkspaceCall
from gateway.api.core.operation import AnyOperation, BoundOperation
from gateway.domain.errors import ApiError
from gateway.domain.principal import ProjectPrincipal
from gateway.store.audit_log import AuditEntry

_CONFIGURATION = re.compile(
    r"(PUT|POST|PATCH|DELETE) ("
    r"/v2/jwt/(project|keys)(/.*)?"
    r"|/users/{user}/revoke_tokens"
    r"|/v2/channels/deliveryconfig"
    r"|/v2/delivery/lanes/.*"
    r"|/v2/integrations/(?!templates/preview).*"
    r"|/v2/webhooks/endpoints(/{endpoint_id}(/(rotate|enable))?)?"
    r"|/workspaces/.*"
    r")|DELETE (/v2)?/users/{user}"
)
"""The operations that change how a project works, or remove a user, by method and path."""


def is_audited(row: AnyOperation) -> bool:
    """Return whether the calls of a backend or a workspace's administrator leave an entry."""
    return row.caller in (PROJECT, WORKSPACE) and _CONFIGURATION.fullmatch(f"{row.method} {row.path}") is not None


def audited(operations: Sequence[BoundOperation], audit: AuditWriter) -> list[BoundOperation]:
    """Return operations, of which those that configure a project leave an entry."""
    return [_audited(each, audit) if is_audited(each.row) else each for each in operations]


def _audited(operation: BoundOperation, audit: AuditWriter) -> BoundOperation:
    row, handler = operation
    action = Action.of_row(row)

    async def run(call: ProjectCall | WorkspaceCall) -> Response:
        call.request.audited = {}
        problem: BaseException | None = None
        try:
            return await handler(call)
        except BaseException as raised:
            problem = raised
            raise
        finally:
            await audit.write(_entry(action, call, problem))

    return BoundOperation(row, run)


def _entry(action: Action, call: ProjectCall | WorkspaceCall, problem: BaseException | None) -> AuditEntry:
    noted = dict(call.request.audited or {})
    actor, via = _caller(call)
    return AuditEntry(
        actor=actor,
        via=via,
        address=call.forwarded.client,
        action=action.id,
        summary=action.summary,
        project_id=_project_id(call, problem),
        target=target_of(call.request.path_params),
        changed=noted.pop(CHANGED, ()),
        detail=noted,
        outcome=outcome_of(problem),
        error=error_of(problem),
    )


def _project_id(call: ProjectCall | WorkspaceCall, problem: BaseException | None) -> str:
    """Return the project of a call. One that was not found may be another workspace's, whose log this is not for."""
    if isinstance(call, ProjectCall):
        return call.project.id
    named: str = call.request.path_params.get("project_id", "")
    is_own = not (isinstance(problem, ApiError) and problem.status == 404)
    return named if is_own and re.fullmatch(r"[0-9]{1,15}", named) else ""


def _caller(call: ProjectCall | WorkspaceCall) -> tuple[str, str]:
    """Return who acts, and how it was proven."""
    if isinstance(call, WorkspaceCall):
        return "workspace token", "workspace_token"
    principal = call.request.principal
    if isinstance(principal, ProjectPrincipal) and principal.token_id:
        return "project token", "project_token"
    return "API secret", "api_secret"
