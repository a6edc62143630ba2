"""Workspaces, to which projects belong, for admins."""

from dataclasses import dataclass

import msgspec
from starlette.responses import Response

from gateway.api.admin.shapes import TAG
from gateway.api.core.body import Body
from gateway.api.core.call import ADMIN, AdminCall
from gateway.api.core.operation import Operation
from gateway.api.core.problems import not_found
from gateway.api.core.responses import json_response
from gateway.api.core.schema import ResponseSpec
from gateway.domain.admin import EVERY_WORKSPACE, Role
from gateway.domain.errors import ErrorCode, api_error
from gateway.domain.ids import WorkspaceId
from gateway.domain.objects import Object
from gateway.domain.params import Text
from gateway.store.workspaces import WorkspaceStore

TITLE = Body(
    "",
    Object(
        required=True,
        name="WorkspaceTitle",
        fields={"title": Text(required=True, max_length=255, description="A title.")},
    ),
    example={"title": "Team Blue"},
)


class AdminWorkspace(msgspec.Struct):
    """A workspace. `role` is what the admin may do in its projects."""

    id: str
    title: str
    role: str


class AdminWorkspaceList(msgspec.Struct):
    """The workspaces that the admin may enter, by number."""

    data: list[AdminWorkspace]


WORKSPACE = ResponseSpec(200, "The workspace", AdminWorkspace)
CREATED = ResponseSpec(201, "The new workspace", AdminWorkspace)
WORKSPACES = ResponseSpec(200, "The workspaces", AdminWorkspaceList)


@dataclass(frozen=True, slots=True)
class AdminWorkspacesResource:
    """The operations on workspaces."""

    workspaces: WorkspaceStore

    async def list_all(self, call: AdminCall) -> Response:
        """Return the workspaces that the admin may enter."""
        admin = call.principal.admin
        found = [(each, role) for each in await self.workspaces.all() if (role := admin.role_in(each.id)) is not None]
        found.sort(key=lambda entry: int(entry[0].id))
        shown = [{"id": each.id, "title": each.title, "role": role.value} for each, role in found]
        return json_response({"data": shown})

    async def create(self, call: AdminCall) -> Response:
        """Create a workspace. This needs an owner of all workspaces."""
        if call.principal.admin.role_in(EVERY_WORKSPACE) is not Role.OWNER:
            raise api_error(ErrorCode.ROLE_TOO_LOW, "This needs the role owner in all workspaces")
        title = call.fields(await call.body())["title"].strip()
        workspace = await self.workspaces.create(title)
        call.note(workspace_id=workspace.id, title=title)
        return json_response({"id": workspace.id, "title": title, "role": Role.OWNER.value}, 201)

    async def rename(self, call: AdminCall) -> Response:
        """Change the title of a workspace. This needs an owner of the workspace."""
        workspace_id = WorkspaceId(call.text("workspace_id"))
        role = call.principal.admin.role_in(workspace_id)
        if role is None:
            raise not_found("Workspace")
        if role is not Role.OWNER:
            raise api_error(ErrorCode.ROLE_TOO_LOW, "This needs the role owner in the workspace")
        title = call.fields(await call.body())["title"].strip()
        workspace = await self.workspaces.rename(workspace_id, title)
        if workspace is None:
            raise not_found("Workspace")
        call.note(title=title)
        return json_response({"id": workspace.id, "title": title, "role": role.value})


_R = AdminWorkspacesResource
_PATH = "/admin/api/workspaces"
_OWNER = Role.OWNER

OPERATIONS: list[Operation[AdminWorkspacesResource]] = [
    Operation("GET", _PATH, ADMIN, _R.list_all, "List workspaces", WORKSPACES, tag=TAG, strict=True),
    Operation("POST", _PATH, ADMIN, _R.create, "Create a workspace", CREATED, TITLE, tag=TAG, strict=True, role=_OWNER),
    Operation(
        *("PATCH", f"{_PATH}/{{workspace_id}}", ADMIN, _R.rename, "Rename a workspace", WORKSPACE, TITLE),
        tag=TAG,
        strict=True,
        role=_OWNER,
    ),
]
