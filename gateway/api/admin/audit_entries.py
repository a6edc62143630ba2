"""The entries of the audit log for requests: who did what, from where, and how it ended."""

import re
from collections.abc import Mapping
from typing import Any

from gateway.api.admin.shapes import TAG
from gateway.api.core.call import CHANGED
from gateway.api.core.operation import AnyOperation
from gateway.api.core.requests import ApiRequest
from gateway.domain.admin import AdminPrincipal
from gateway.domain.errors import ApiError
from gateway.store.audit_log import AuditEntry, AuditLog
from gateway.store.redis.client import StoreUnavailableError
from gateway.telemetry.logs import log

MAX_TARGET_LENGTH = 255

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class AuditWriter:
    """Writes entries. An entry that the store does not take is logged, and the request has its outcome all the same."""

    def __init__(self, audit: AuditLog):
        self._audit = audit

    async def write(self, entry: AuditEntry) -> None:
        """Append an entry."""
        try:
            await self._audit.append(entry)
        except StoreUnavailableError as problem:
            log.error("audit_entry_not_written", action=entry.action, actor=entry.actor, problem=problem.cause)

    async def write_call(
        self,
        action: "Action",
        request: ApiRequest,
        principal: AdminPrincipal,
        address: str,
        project_id: str,
        problem: BaseException | None,
    ) -> None:
        """Append the entry of an admin's request, which ended in `problem`, or well."""
        noted = dict(request.audited or {})
        changed = noted.pop(CHANGED, ())
        await self.write(
            AuditEntry(
                actor=principal.admin.email,
                via="token" if principal.is_token else "session",
                admin_id=principal.admin.id,
                session_id=principal.session_id,
                address=address,
                action=action.id,
                summary=action.summary,
                project_id=project_id,
                target=target_of(request.path_params),
                changed=changed,
                detail=noted,
                outcome=outcome_of(problem),
                error=error_of(problem),
            )
        )


class Action:
    """What the log says of an operation: its id in the OpenAPI document, and its summary."""

    def __init__(self, method: str, path: str, summary: str):
        without_converters = re.sub(r":\w+}", "}", path)
        self.id = "_".join([method.lower(), *re.findall(r"\w+", without_converters)])
        self.summary = summary

    @classmethod
    def of_row(cls, row: AnyOperation) -> "Action":
        """Return the action of a row. A mirrored one has the id of the operation that it mirrors."""
        return cls(row.method, row.path if row.tag == TAG else row.path.removeprefix(MIRROR), row.summary)


MIRROR = "/admin/api/projects/{project_id}"
"""Where the operations of projects are mirrored. Rows of the dashboard's own are below it, too."""


def outcome_of(problem: BaseException | None) -> str:
    """Return the outcome of a request in a word."""
    if problem is None:
        return "done"
    return "refused" if isinstance(problem, ApiError) and problem.status < 500 else "failed"


def error_of(problem: BaseException | None) -> str:
    """Return the code of an error, or its status. Messages may quote what was sent."""
    if isinstance(problem, ApiError):
        return problem.code.kind.code if problem.code is not None else str(problem.status)
    return "" if problem is None else type(problem).__name__


def target_of(params: Mapping[str, Any]) -> dict[str, str]:
    """Return what a request is about: the parameters of its path, besides the project, and without secrets."""
    return {name: _target(name, str(value)) for name, value in params.items() if name != "project_id"}


def _target(name: str, value: str) -> str:
    """Return a parameter of a path. Of a token, which somebody sent in place of its id, only the end."""
    if "token" in name and not _UUID.fullmatch(value):
        return "…" + value[-4:]
    return value[:MAX_TARGET_LENGTH]
