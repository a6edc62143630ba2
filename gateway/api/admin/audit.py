"""The audit log: a list with filters, and an export."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import Response, StreamingResponse

from gateway.api.admin.shapes import TAG
from gateway.api.core.call import ADMIN, AdminCall
from gateway.api.core.operation import Operation
from gateway.api.core.problems import not_found
from gateway.api.core.query import Formed, Number
from gateway.api.core.responses import encode, json_response
from gateway.api.core.schema import ResponseSpec, Seconds
from gateway.domain.admin import EVERY_WORKSPACE, Role
from gateway.domain.errors import ErrorCode, api_error
from gateway.domain.ids import ProjectId
from gateway.store.audit_log import AuditLog, StoredEntry
from gateway.store.projects import ProjectStore

EXPORTED_AT_ONCE = 200

_ID = r"[1-9][0-9]{0,14}-[0-9]{1,15}"

FILTERS = (
    Formed("project", "Only entries about the project with this number.", "a number", r"[0-9]{1,15}"),
    Formed("actor", "Only entries of the admin with this email, or of another actor.", "a text", r".{1,255}"),
    Formed("action", "Only entries of this operation, by its id in this document.", "an id", r"\w{1,255}"),
)
LIST = (
    *FILTERS,
    Number("limit", "Entries on a page.", default=50, least=1, most=200),
    Formed("starting_after", "The `next` of the page before.", "the `next` of a page", _ID),
)


class AuditShown(msgspec.Struct):
    """What somebody changed, or tried to.

    `actor` is the email of an admin, or what else acted: "API secret", "project token", "workspace token", "command
    line". `via` is how it was proven. `outcome` is `done`, `refused` or `failed`, and `error` says why. `target` has
    the parameters of the path, `changed` the names of the fields that were sent, and `detail` what else is known.
    There are no secrets.
    """

    id: str
    at: Seconds
    actor: str
    via: str
    action: str
    summary: str
    outcome: str
    error: str
    admin_id: str
    session_id: str
    address: str
    project_id: str
    target: dict[str, str]
    changed: list[str]
    detail: dict[str, Any]


class AuditList(msgspec.Struct):
    """A page of entries, newest first. `next` is the cursor of the following page, null at the end.

    With filters, a page may have fewer entries than its limit, and none, although more follow.
    """

    data: list[AuditShown]
    next: str | None


ENTRIES = ResponseSpec(200, "A page", AuditList)
EXPORT = ResponseSpec(200, "The entries, one JSON object a line, newest first", media_type="application/x-ndjson")


@dataclass(frozen=True, slots=True)
class AuditResource:
    """The operations on the audit log."""

    log: AuditLog
    projects: ProjectStore

    async def list_page(self, call: AdminCall) -> Response:
        """Return entries of the audit log, newest first.

        Without a project, this needs the role admin in all workspaces.
        """
        query = call.query()
        project_id = await self._project_id(call, query)
        page = await self.log.page(
            project_id,
            query["limit"],
            query["starting_after"] or "",
            actor=query["actor"] or "",
            action=query["action"] or "",
        )
        return json_response({"data": [_shown(each) for each in page.entries], "next": page.next or None})

    async def export(self, call: AdminCall) -> Response:
        """Return all entries that pass the filters, as JSON lines."""
        query = call.query()
        lines = self._lines(await self._project_id(call, query), query["actor"] or "", query["action"] or "")
        headers = {"Content-Disposition": 'attachment; filename="audit.jsonl"', "Cache-Control": "no-store"}
        return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)

    async def _lines(self, project_id: ProjectId | None, actor: str, action: str) -> AsyncIterator[bytes]:
        place = ""
        while True:
            page = await self.log.page(project_id, EXPORTED_AT_ONCE, place, actor=actor, action=action)
            yield b"".join(encode(_shown(each)) + b"\n" for each in page.entries)
            place = page.next
            if not place:
                return

    async def _project_id(self, call: AdminCall, query: Mapping[str, Any]) -> ProjectId | None:
        """Return the project that a query names, None for all. Raises ApiError 403 and 404."""
        admin, project_id = call.principal.admin, query["project"]
        role = admin.role_in(EVERY_WORKSPACE)
        if project_id is not None and role is None:
            project = await self.projects.by_id(ProjectId(project_id))
            role = admin.role_in(project.workspace_id) if project is not None else None
            if role is None:
                raise not_found("Project")
        if role is None or not role.allows(Role.ADMIN):
            raise api_error(ErrorCode.ROLE_TOO_LOW, "This needs the role admin, for all projects in all workspaces")
        return None if project_id is None else ProjectId(project_id)


def _shown(stored: StoredEntry) -> dict[str, Any]:
    entry = stored.entry
    return {
        "id": stored.id,
        "at": stored.at_ms // 1000,
        "actor": entry.actor,
        "via": entry.via,
        "action": entry.action,
        "summary": entry.summary,
        "outcome": entry.outcome,
        "error": entry.error,
        "admin_id": entry.admin_id,
        "session_id": entry.session_id,
        "address": entry.address,
        "project_id": entry.project_id,
        "target": entry.target,
        "changed": entry.changed,
        "detail": entry.detail,
    }


_R = AuditResource

OPERATIONS: list[Operation[AuditResource]] = [
    Operation(
        *("GET", "/admin/api/audit", ADMIN, _R.list_page, "List the audit log", ENTRIES),
        query=LIST,
        tag=TAG,
        strict=True,
        role=Role.ADMIN,
    ),
    Operation(
        *("GET", "/admin/api/audit/export", ADMIN, _R.export, "Export the audit log", EXPORT),
        query=FILTERS,
        tag=TAG,
        strict=True,
        role=Role.ADMIN,
    ),
]
