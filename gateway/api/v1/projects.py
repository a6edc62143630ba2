"""The projects of a workspace, administered with a workspace token."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import Response

from gateway.api.core.body import Body
from gateway.api.core.call import WORKSPACE, WorkspaceCall
from gateway.api.core.operation import Operation
from gateway.api.core.problems import not_found
from gateway.api.core.query import Number
from gateway.api.core.responses import json_response
from gateway.api.core.schema import ResponseSpec
from gateway.domain import principal
from gateway.domain.errors import invalid
from gateway.domain.ids import ProjectId, WorkspaceId
from gateway.domain.limits import MAX_LIMIT, Limit, ProjectLimits
from gateway.domain.objects import Array, Object
from gateway.domain.origin import MAX_ORIGIN_LENGTH, ORIGIN_PATTERN, read_origin
from gateway.domain.params import Integer, Param, Switch, Text
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.domain.retention import DEFAULT, MAX_ITEMS, MAX_SECONDS, ItemRetention
from gateway.store.errors import TooManyProjectsError
from gateway.store.jobs import JobStore
from gateway.store.project_deletion import ProjectDeletion
from gateway.store.project_events import ProjectEvents
from gateway.store.project_records import BOUNDS, ProjectChange
from gateway.store.projects import ProjectStore
from gateway.store.redis.problems import StoreDataError

MAX_PAGE = 100_000
MAX_PER_PAGE = 1000
MAX_ORIGINS = 50

PAGES = (
    Number("page", "Number of the page, from 1.", 1, 1, MAX_PAGE),
    Number("per_page", "Projects on a page.", MAX_PER_PAGE, 1, MAX_PER_PAGE),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin(Param):
    """An origin of web pages (RFC 6454), or a pattern for origins."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check the form, and return the origin as browsers send it."""
        origin = read_origin(value) if isinstance(value, str) else None
        if origin is None:
            problems.append(f"Param '{path}' must be an origin such as https://app.example.com, or *")
        return origin

    def shape(self) -> dict[str, Any]:
        """Return the schema of the length and the form."""
        return {"type": "string", "maxLength": MAX_ORIGIN_LENGTH, "pattern": f"^{ORIGIN_PATTERN}$"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound(Param):
    """A bound that the project sets, 0 for no bound, or "default" for the gateway's setting."""

    most: int
    least: int = 0

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check type and range."""
        if value == DEFAULT:
            return value
        found: list[str] = []
        number = Integer(least=self.least, most=self.most).check(value, path, found)
        problems += [f'{problem}, or "{DEFAULT}" for the gateway\'s setting' for problem in found]
        return number

    def shape(self) -> dict[str, Any]:
        """Return the schema of the range and of "default"."""
        return {"anyOf": [Integer(least=self.least, most=self.most).shape(), {"const": DEFAULT}, {"type": "null"}]}


def _fields(name_required: bool) -> dict[str, Param]:
    return {
        "name": Text(required=name_required, filled=True, max_length=255),
        "hmac_enabled": Switch(description="Whether users must prove their identity by an HMAC or a token."),
        "allowed_origins": Array(
            item=Origin(),
            max_items=MAX_ORIGINS,
            description="The origins of the web pages that may call: `https://app.example.com`, "
            "`https://*.example.com`, `*`. If empty, those of INBOX_ALLOWED_ORIGINS may.",
        ),
        "item_retention_count": Bound(
            most=MAX_ITEMS,
            description="How many notifications of a user are kept: the newest ones. 0 keeps all; "
            f'`"{DEFAULT}"` follows INBOX_ITEM_RETENTION_COUNT.',
        ),
        "item_retention_seconds": Bound(
            most=MAX_SECONDS,
            description="For how many seconds notifications are kept. 0 keeps them for ever; "
            f'`"{DEFAULT}"` follows INBOX_ITEM_RETENTION_SECONDS.',
        ),
        "event_retention_count": Bound(
            least=1,
            most=MAX_ITEMS,
            description="How many events of each type the project's log keeps: at most those of INBOX_PROJECT_EVENTS, "
            f'which `"{DEFAULT}"` follows.',
        ),
        "event_retention_seconds": Bound(
            most=MAX_SECONDS,
            description="For how many seconds the log keeps events: at most INBOX_PROJECT_EVENTS_SECONDS, which 0 and "
            f'`"{DEFAULT}"` follow.',
        ),
        "max_users": Integer(
            least=0,
            most=MAX_LIMIT,
            description="How many users the project may have; 0 is no limit. Unknown users are then refused with 403.",
        ),
        "max_storage_bytes": Integer(
            least=0,
            most=MAX_LIMIT,
            description="How many bytes of the store it may use, as `GET /v2/storage` estimates them; 0 is no limit. "
            "Sending is then refused with 403.",
        ),
        "max_sends_per_minute": Integer(
            least=0,
            most=MAX_LIMIT,
            description="How often it may send in a minute; 0 is no limit. More requests get a 429.",
        ),
        "max_sends_per_month": Integer(
            least=0,
            most=MAX_LIMIT,
            description="How often it may send in a calendar month (UTC); 0 is no limit. More requests get a 429.",
        ),
        "strict": Switch(
            description="Whether a request with fields or query parameters that the operation does not define is "
            "refused with 422. Otherwise these are ignored, and named in the header `X-Inbox-Warnings`."
        ),
    }


_LIMITS = tuple(limit.value for limit in Limit)

_EXAMPLE = {"name": "Shop", "hmac_enabled": True, "allowed_origins": ["https://shop.example.com"]}

NEW_PROJECT = Body(
    "project", Object(required=True, name="NewProject", fields=_fields(name_required=True)), example=_EXAMPLE
)
PROJECT_CHANGE = Body(
    "project", Object(required=True, name="ProjectChange", fields=_fields(name_required=False)), example=_EXAMPLE
)


class Workspace(msgspec.Struct):
    """The owner of projects."""

    id: int
    title: str


class Project(msgspec.Struct):
    """A project with its keys.

    The secret is null if it was encrypted with another INBOX_SECRET_KEY. A retention is null where the gateway's
    setting applies. A limit is 0 where there is none.
    """

    id: int
    name: str
    hmac_enabled: bool
    api_key: str
    api_secret: str | None
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
    workspace: Workspace


class ProjectAnswer(msgspec.Struct):
    """One project."""

    project: Project


class ProjectList(msgspec.Struct):
    """A page of a workspace's projects, oldest first."""

    projects: list[Project]


PROJECT = ResponseSpec(200, "The project", ProjectAnswer)
PROJECTS = ResponseSpec(200, "A page", ProjectList)


@dataclass(frozen=True, slots=True)
class ProjectsResource:
    """The operations on projects. `item_retention` applies to projects that have none of their own."""

    projects: ProjectStore
    jobs: JobStore
    item_retention: ItemRetention
    events: ProjectEvents

    async def list_page(self, call: WorkspaceCall) -> Response:
        """Return a page of the workspace's projects, oldest first, with their keys and secrets.

        The last page is the first one that has fewer than `per_page` projects.
        """
        query = call.query()
        rank = (query["page"] - 1) * query["per_page"]
        _, projects = await self.projects.of_workspace(call.workspace.id, rank, query["per_page"])
        return json_response({"projects": [_shown(project, call.workspace) for project in projects]})

    async def create(self, call: WorkspaceCall) -> Response:
        """Create a project, with an API key and an API secret.

        Its users must prove their identity by an HMAC or a token, unless `hmac_enabled` is false.
        """
        return _response(await self.create_in(call.workspace.id, call.fields(await call.body())), call)

    async def create_in(self, workspace_id: WorkspaceId, values: Mapping[str, Any]) -> principal.Project:
        """Create a project in a workspace from the fields of a body. Raises ApiError 422."""
        try:
            return await self.projects.create(
                values["name"],
                values["hmac_enabled"] is not False,
                workspace_id=workspace_id,
                allowed_origins=values["allowed_origins"] or (),
                strict=values["strict"] is True,
                limits=ProjectLimits(*(values[name] or 0 for name in _LIMITS)),
                **{name: None if values[name] == DEFAULT else values[name] for name in BOUNDS},
            )
        except TooManyProjectsError as problem:
            raise invalid(f"The workspace would have {problem}") from None

    async def get(self, call: WorkspaceCall) -> Response:
        """Return a project with its key and secret."""
        return _response(await self._find(call), call)

    async def update(self, call: WorkspaceCall) -> Response:
        """Update a project. The change applies to the next request on every node.

        Fields that the body leaves out keep their values.
        """
        values = call.fields(await call.body())
        return _response(await self.change(await self._find(call), values), call)

    async def change(self, found: principal.Project, values: Mapping[str, Any]) -> principal.Project:
        """Apply the fields of a body to a project, and return it. Raises ApiError 404 if it was deleted meanwhile."""
        change = ProjectChange(
            values["name"],
            values["hmac_enabled"],
            values["allowed_origins"],
            **{name: values[name] for name in (*BOUNDS, *_LIMITS)},
            strict=values["strict"],
        )
        project = await self.projects.update(found.api_key, change)
        if project is None:
            raise not_found("Project")
        fields = ",".join(name for name in values if values[name] is not None)
        event = ProjectEvent(ProjectEventType.PROJECT_CHANGED, None, {"fields": fields})
        await self.events.write(project.id, event)
        keep = project.item_retention(self.item_retention)
        if keep.bounded and keep != found.item_retention(self.item_retention):
            await self.jobs.enqueue_retention(project.id, keep)
        return project

    async def delete(self, call: WorkspaceCall) -> Response:
        """Delete a project. Its keys and tokens are refused at once, and its data is removed in the background."""
        await self.remove(call.workspace.id, ProjectId(call.text("project_id")))
        return json_response({"message": "The project was deleted."})

    async def remove(self, workspace_id: WorkspaceId, project_id: ProjectId) -> None:
        """Delete a project of a workspace. Raises ApiError 404."""
        deletion = ProjectDeletion(self.projects)
        try:
            project = await self.projects.find(workspace_id, project_id)
            is_there = project is not None and await deletion.delete(project)
        except StoreDataError:
            is_there = await deletion.discard_of(workspace_id, project_id)  # a broken record can be removed
        if not is_there and (await deletion.list_deleted()).get(project_id) != workspace_id:
            raise not_found("Project")
        # If the process dies before this, a repetition of the request or the next start of a gateway enqueues the job.
        await self.jobs.enqueue_project_deletion(project_id)
        await deletion.forget(project_id)

    async def _find(self, call: WorkspaceCall) -> principal.Project:
        project = await self.projects.find(call.workspace.id, call.text("project_id"))
        if project is None:
            raise not_found("Project")
        return project


def _response(project: principal.Project, call: WorkspaceCall) -> Response:
    return json_response({"project": _shown(project, call.workspace)})


def _shown(project: principal.Project, workspace: principal.Workspace) -> dict[str, Any]:
    return {
        "id": int(project.id),
        "name": project.name,
        "hmac_enabled": project.hmac_enabled,
        "api_key": project.api_key,
        # None if it was encrypted with another INBOX_SECRET_KEY.
        "api_secret": project.secrets[0] if project.secrets else None,
        "allowed_origins": list(project.allowed_origins),
        # None where the gateway's settings apply.
        "item_retention_count": project.item_retention_count,
        "item_retention_seconds": project.item_retention_seconds,
        "event_retention_count": project.event_retention_count,
        "event_retention_seconds": project.event_retention_seconds,
        **project.limits._asdict(),
        "strict": project.strict,
        "workspace": {"id": int(workspace.id), "title": workspace.title},
    }


_PATH = "/workspaces/{workspace_id}/projects"
_R = ProjectsResource

OPERATIONS = [
    Operation("GET", _PATH, WORKSPACE, _R.list_page, "List projects", PROJECTS, query=PAGES),
    Operation("POST", _PATH, WORKSPACE, _R.create, "Create a project", PROJECT, NEW_PROJECT),
    Operation("GET", f"{_PATH}/{{project_id}}", WORKSPACE, _R.get, "Fetch a project", PROJECT),
    Operation("PUT", f"{_PATH}/{{project_id}}", WORKSPACE, _R.update, "Update a project", PROJECT, PROJECT_CHANGE),
    Operation("DELETE", f"{_PATH}/{{project_id}}", WORKSPACE, _R.delete, "Delete a project"),
]
