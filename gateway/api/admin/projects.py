"""The projects that an admin may enter, and their API secrets."""

from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import Response

from gateway.api.admin.audit_entries import MIRROR
from gateway.api.admin.shapes import TAG
from gateway.api.core.body import Body
from gateway.api.core.call import ADMIN, ADMIN_PROJECT, AdminCall, AdminProjectCall
from gateway.api.core.operation import AnyOperation, Operation
from gateway.api.core.problems import not_found
from gateway.api.core.query import Formed, Number
from gateway.api.core.responses import json_response, no_content
from gateway.api.core.schema import ResponseSpec
from gateway.api.v1.projects import NEW_PROJECT, PROJECT_CHANGE, ProjectsResource
from gateway.domain.admin import Role
from gateway.domain.errors import ErrorCode, api_error, invalid
from gateway.domain.ids import WorkspaceId
from gateway.domain.limits import ProjectLimits
from gateway.domain.objects import Object
from gateway.domain.params import Integer, Text
from gateway.domain.principal import DEFAULT_WORKSPACE, Project, Workspace
from gateway.domain.signing import secret_id
from gateway.store.workspaces import WorkspaceStore

OVERLAP_SECONDS = 24 * 3600
MAX_OVERLAP_SECONDS = 30 * 24 * 3600

MAX_PAGE = 1000

LIST = (
    Number("limit", "Projects on a page.", default=100, least=1, most=MAX_PAGE),
    Formed("starting_after", "The `next` of the page before.", "the `next` of a page", r"[0-9]{1,15}\.[0-9]{1,9}"),
    Formed("workspace", "Only projects of the workspace with this number.", "a number", r"[0-9]{1,15}"),
)

NEW = Body(
    "",
    Object(
        required=True,
        name="NewAdminProject",
        fields={
            **NEW_PROJECT.param.fields,
            "workspace_id": Text(max_length=15, description="The number of the workspace; the default one if absent."),
        },
    ),
    example={**NEW_PROJECT.example, "workspace_id": "1"},
)
CHANGE = Body(
    "",
    Object(required=True, name="AdminProjectChange", fields=PROJECT_CHANGE.param.fields),
    example=PROJECT_CHANGE.example,
)
ROTATION = Body(
    "",
    Object(
        required=True,
        name="SecretRotation",
        fields={
            "overlap_seconds": Integer(
                least=0,
                most=MAX_OVERLAP_SECONDS,
                description=f"For how many seconds the old secret is accepted too, by default {OVERLAP_SECONDS}.",
            )
        },
    ),
    example={"overlap_seconds": 3600},
)


class WorkspaceOfProject(msgspec.Struct):
    """The owner of projects."""

    id: str
    title: str


class AdminProject(msgspec.Struct):
    """A project, without secrets. `role` is what the admin may do in it.

    A retention is null where the gateway's setting applies, and a limit 0 where there is none. While a former API
    secret is accepted too, `former_secret_ends_at` is the unix second at which it ends. `has_secret` is false if the
    secret was encrypted with another INBOX_SECRET_KEY.
    """

    id: str
    name: str
    api_key: str
    hmac_enabled: bool
    allowed_origins: list[str]
    item_retention_count: int | None
    item_retention_seconds: int | None
    event_retention_count: int | None
    event_retention_seconds: int | None
    max_users: int
    max_storage_bytes: int
    max_sends_per_minute: int
    max_sends_per_month: int
    strict: bool
    workspace: WorkspaceOfProject
    role: str
    has_secret: bool
    former_secret_ends_at: int | None


class AdminProjectList(msgspec.Struct):
    """A page of projects, oldest first. `next` is the cursor of the following page, null at the end."""

    data: list[AdminProject]
    next: str | None


class ProjectSecret(msgspec.Struct):
    """The API secret of a project, and when the former one ends, null if there is none."""

    api_key: str
    api_secret: str
    former_secret_ends_at: int | None


PROJECT = ResponseSpec(200, "The project", AdminProject)
CREATED = ResponseSpec(201, "The new project", AdminProject)
PROJECTS = ResponseSpec(200, "A page", AdminProjectList)
SECRET = ResponseSpec(200, "The secret", ProjectSecret)


@dataclass(frozen=True, slots=True)
class AdminProjectsResource:
    """The operations on projects, with the operations of workspace tokens, of which they are another form."""

    base: ProjectsResource
    workspaces: WorkspaceStore

    async def list_page(self, call: AdminCall) -> Response:
        """Return the projects that the admin may enter, oldest first in each workspace, without their secrets."""
        query = call.query()
        begin, rank = _cursor(query["starting_after"])
        left, entries, following = query["limit"], [], None
        for workspace in await self._open_workspaces(call):
            if int(workspace.id) < begin or query["workspace"] not in (None, workspace.id):
                continue
            if not left:
                following = f"{workspace.id}.0"
                break
            start = rank if int(workspace.id) == begin else 0
            total, found = await self.base.projects.of_workspace(workspace.id, start, left)
            entries += [_shown(project, workspace, call) for project in found]
            if start + left < total:
                following = f"{workspace.id}.{start + left}"
                break
            left -= max(0, total - start)
        return json_response({"data": entries, "next": following})

    async def create(self, call: AdminCall) -> Response:
        """Create a project, with an API key and an API secret. `POST …/secret` returns the secret."""
        values = call.fields(await call.body())
        workspace = await self._workspace(WorkspaceId(values["workspace_id"] or DEFAULT_WORKSPACE))
        role = call.principal.admin.role_in(workspace.id)
        if role is None or not role.allows(Role.ADMIN):
            raise api_error(ErrorCode.ROLE_TOO_LOW, "This needs the role admin in the workspace")
        project = await self.base.create_in(workspace.id, values)
        call.note(project_id=project.id, name=project.name)
        return json_response(_shown(project, workspace, call), 201)

    async def get(self, call: AdminProjectCall) -> Response:
        """Return a project, without its secret."""
        return await self._response(call, call.project)

    async def update(self, call: AdminProjectCall) -> Response:
        """Change the given fields of a project. Every node follows with its next request."""
        values = call.fields(await call.body())
        before = call.project
        project = await self.base.change(before, values)
        given = [name for name in values if values[name] is not None]
        changed = {name: [_value(before, name), _value(project, name)] for name in given}
        call.note(**{name: both for name, both in changed.items() if both[0] != both[1]})
        return await self._response(call, project)

    async def delete(self, call: AdminProjectCall) -> Response:
        """Delete a project. Its keys and tokens are refused at once; a job removes its users and their inboxes."""
        call.note(name=call.project.name)
        await self.base.remove(call.project.workspace_id, call.project.id)
        return no_content()

    async def reveal(self, call: AdminProjectCall) -> Response:
        """Return the API secret of a project."""
        return _secret(call.project)

    async def rotate(self, call: AdminProjectCall) -> Response:
        """Replace the API secret of a project, and return the new one. For a while the old one is accepted, too.

        If a former secret is still accepted, it ends now: a project has two at most.
        """
        overlap = call.fields(await call.body())["overlap_seconds"]
        overlap = OVERLAP_SECONDS if overlap is None else overlap
        project = await self.base.projects.rotate_secret(call.project.api_key, overlap)
        if project is None:
            raise not_found("Project")
        call.note(overlap_seconds=overlap)
        return _secret(project)

    async def end_former(self, call: AdminProjectCall) -> Response:
        """End the former API secret of a project now. What it proved, such as users' HMACs, is refused."""
        if await self.base.projects.end_former_secrets(call.project.api_key) is None:
            raise not_found("Project")
        return no_content()

    async def _response(self, call: AdminProjectCall, project: Project) -> Response:
        return json_response(_shown(project, await self._workspace(project.workspace_id), call))

    async def _open_workspaces(self, call: AdminCall) -> list[Workspace]:
        """Return the workspaces that the admin may enter, by number."""
        admin, found = call.principal.admin, await self.workspaces.all()
        return sorted((each for each in found if admin.role_in(each.id) is not None), key=lambda each: int(each.id))

    async def _workspace(self, workspace_id: WorkspaceId) -> Workspace:
        workspace = (await self.workspaces.open(workspace_id, "")).workspace
        if workspace is None:
            raise invalid("Param 'workspace_id' must be the number of a workspace")
        return workspace


def _cursor(text: str | None) -> tuple[int, int]:
    workspace, _, rank = (text or "0.0").partition(".")
    return int(workspace), int(rank)


def former_secret_ends_at(project: Project) -> int | None:
    """Return when the former API secret of a project ends (unix seconds), None if there is none."""
    ends = [project.valid_credentials.get(secret_id(secret)) for secret in project.secrets]
    return next((end for end in ends if end is not None), None)


def _secret(project: Project) -> Response:
    if not project.secrets:
        raise not_found("Secret", "It was encrypted with another INBOX_SECRET_KEY.")
    body = {
        "api_key": project.api_key,
        "api_secret": project.secrets[0],
        "former_secret_ends_at": former_secret_ends_at(project),
    }
    return json_response(body)


def _value(project: Project, name: str) -> Any:
    """Return a field of a project, or one of its limits."""
    return getattr(project.limits if name in ProjectLimits._fields else project, name)


def _shown(project: Project, workspace: Workspace, call: AdminCall) -> dict[str, Any]:
    role = call.principal.admin.role_in(workspace.id) or Role.VIEWER
    return {
        "id": project.id,
        "name": project.name,
        "api_key": project.api_key,
        "hmac_enabled": project.hmac_enabled,
        "allowed_origins": list(project.allowed_origins),
        "item_retention_count": project.item_retention_count,
        "item_retention_seconds": project.item_retention_seconds,
        "event_retention_count": project.event_retention_count,
        "event_retention_seconds": project.event_retention_seconds,
        **project.limits._asdict(),
        "strict": project.strict,
        "workspace": {"id": workspace.id, "title": workspace.title},
        "role": role.value,
        "has_secret": bool(project.secrets),
        "former_secret_ends_at": former_secret_ends_at(project),
    }


_R = AdminProjectsResource
_PATH = "/admin/api/projects"
_ADMIN, _OWNER = Role.ADMIN, Role.OWNER

OPERATIONS: list[AnyOperation] = [
    Operation("GET", _PATH, ADMIN, _R.list_page, "List projects", PROJECTS, query=LIST, tag=TAG, strict=True),
    Operation("POST", _PATH, ADMIN, _R.create, "Create a project", CREATED, NEW, tag=TAG, strict=True, role=_ADMIN),
    Operation("GET", MIRROR, ADMIN_PROJECT, _R.get, "Fetch a project", PROJECT, tag=TAG, strict=True),
    Operation(
        *("PATCH", MIRROR, ADMIN_PROJECT, _R.update, "Update a project", PROJECT, CHANGE),
        tag=TAG,
        strict=True,
        role=_ADMIN,
    ),
    Operation(
        *("DELETE", MIRROR, ADMIN_PROJECT, _R.delete, "Delete a project"),
        tag=TAG,
        strict=True,
        role=_OWNER,
        confirmed=True,
    ),
    Operation(
        *("POST", f"{MIRROR}/secret", ADMIN_PROJECT, _R.reveal, "Reveal the API secret", SECRET),
        tag=TAG,
        strict=True,
        role=_ADMIN,
        confirmed=True,
    ),
    Operation(
        *("POST", f"{MIRROR}/secret/rotate", ADMIN_PROJECT, _R.rotate, "Rotate the API secret", SECRET, ROTATION),
        tag=TAG,
        strict=True,
        role=_ADMIN,
        confirmed=True,
    ),
    Operation(
        *("DELETE", f"{MIRROR}/secret/former", ADMIN_PROJECT, _R.end_former, "End the former API secret"),
        tag=TAG,
        strict=True,
        role=_ADMIN,
        confirmed=True,
    ),
]
