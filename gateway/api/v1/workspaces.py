"""A workspace's projects, as who holds its token administers them."""

from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import Response

from gateway.api.core.operation import Call, Operation, Scope, json_response
from gateway.api.core.params import Array, Body, Integer, Object, Param, Switch, Text
from gateway.api.core.query import Number
from gateway.api.core.schema import Answer
from gateway.domain import principal
from gateway.domain.errors import ErrorCode, api_error, invalid
from gateway.domain.origin import MAX_ORIGIN_LENGTH, ORIGIN_PATTERN, read_origin
from gateway.domain.principal import ProjectId
from gateway.domain.retention import DEFAULT, MOST_ITEMS, MOST_SECONDS
from gateway.store.errors import TooManyProjectsError
from gateway.store.projects import ProjectChange
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
    """Where a page comes from."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check the form; give it as browsers write it."""
        origin = read_origin(value) if isinstance(value, str) else None
        if origin is None:
            problems.append(f"Param '{path}' must be an origin such as https://app.example.com, or *")
        return origin

    def shape(self) -> dict[str, Any]:
        """Name the length and the form."""
        return {"type": "string", "maxLength": MAX_ORIGIN_LENGTH, "pattern": f"^{ORIGIN_PATTERN}$"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound(Param):
    """A bound of a project's own, 0 for none, or the gateway's."""

    most: int

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check type and range."""
        if value == DEFAULT:
            return value
        found: list[str] = []
        number = Integer(least=0, most=self.most).check(value, path, found)
        problems += [f'{problem}, or "{DEFAULT}" for the gateway\'s setting' for problem in found]
        return number

    def shape(self) -> dict[str, Any]:
        """Name the range and the word."""
        return {"anyOf": [Integer(least=0, most=self.most).shape(), {"const": DEFAULT}, {"type": "null"}]}


def _fields(name_required: bool) -> dict[str, Param]:
    return {
        "name": Text(required=name_required, filled=True, max_length=255),
        "hmac_enabled": Switch(description="Whether users are to be proven by an HMAC."),
        "allowed_origins": Array(
            item=Origin(),
            max_items=MAX_ORIGINS,
            description="Origins of the pages that may call: `https://app.example.com`, `https://*.example.com`, `*`. "
            "None means those of INBOX_ALLOWED_ORIGINS.",
        ),
        "item_retention_count": Bound(
            most=MOST_ITEMS, description="Notifications kept per user; of more, the oldest are removed. 0 keeps all."
        ),
        "item_retention_seconds": Bound(
            most=MOST_SECONDS, description="How long notifications are kept; 0 is for ever."
        ),
        "strict": Switch(
            description="Whether fields and query parameters that an operation does not know are refused with 422. "
            "Unless it is so, `X-Inbox-Warnings` names them."
        ),
    }


_BOUNDS = ("item_retention_count", "item_retention_seconds")

_EXAMPLE = {"name": "Shop", "hmac_enabled": True, "allowed_origins": ["https://shop.example.com"]}

CREATED = Body(
    "project", Object(required=True, name="NewProject", fields=_fields(name_required=True)), example=_EXAMPLE
)
UPDATED = Body(
    "project", Object(required=True, name="ProjectChange", fields=_fields(name_required=False)), example=_EXAMPLE
)


class Workspace(msgspec.Struct):
    """Whose projects these are."""

    id: int
    title: str


class Project(msgspec.Struct):
    """A project with its keys. The secret is null if it was encrypted with another INBOX_SECRET_KEY, and a null
    retention is the gateway's.
    """

    id: int
    name: str
    hmac_enabled: bool
    api_key: str
    api_secret: str | None
    allowed_origins: list[str]
    item_retention_count: int | None
    item_retention_seconds: int | None
    strict: bool
    workspace: Workspace


class ProjectAnswer(msgspec.Struct):
    """One project."""

    project: Project


class ProjectList(msgspec.Struct):
    """A page of a workspace's projects, oldest first."""

    projects: list[Project]


PROJECT = Answer(200, "The project", ProjectAnswer)
PROJECTS = Answer(200, "A page", ProjectList)


async def list_projects(call: Call) -> Response:
    """Return the workspace's projects, oldest first, with keys and secrets; a page that is not full is the last."""
    query, workspace = call.query(), call.workspace
    rank = (query["page"] - 1) * query["per_page"]
    _, projects = await call.services.projects.of_workspace(workspace.id, rank, query["per_page"])
    return json_response({"projects": [_shown(project, workspace) for project in projects]})


async def create(call: Call) -> Response:
    """Create a project. Its users must be proven by an HMAC unless `hmac_enabled` is false."""
    values = call.fields(await call.body())
    try:
        project = await call.services.projects.create(
            values["name"],
            values["hmac_enabled"] is not False,
            workspace_id=call.workspace.id,
            allowed_origins=values["allowed_origins"] or (),
            strict=values["strict"] is True,
            **{name: None if values[name] == DEFAULT else values[name] for name in _BOUNDS},
        )
    except TooManyProjectsError as problem:
        raise invalid(f"The workspace would have {problem}") from None
    return _answer(project, call)


async def get(call: Call) -> Response:
    """Return a project with its key and secret."""
    return _answer(await _find(call), call)


async def update(call: Call) -> Response:
    """Update the given fields of a project; they apply to the next request on every node."""
    values = call.fields(await call.body())
    found = await _find(call)
    change = ProjectChange(
        values["name"],
        values["hmac_enabled"],
        values["allowed_origins"],
        **{name: values[name] for name in _BOUNDS},
        strict=values["strict"],
    )
    project = await call.services.projects.update(found.api_key, change)
    if project is None:
        raise _not_found()
    default = call.services.settings.item_retention
    keep = project.item_retention(default)
    if keep.bounded and keep != found.item_retention(default):
        await call.services.jobs.enqueue_retention(project.id, keep)
    return _answer(project, call)


async def delete(call: Call) -> Response:
    """Delete a project: its keys and tokens are refused at once, and its data is removed in the background."""
    projects, project_id = call.services.projects, ProjectId(call.text("project_id"))
    try:
        project = await projects.find(call.workspace.id, project_id)
        is_there = project is not None and await projects.delete(project)
    except StoreDataError:
        is_there = await projects.discard_of(call.workspace.id, project_id)  # what cannot be read can be removed
    if not is_there and (await projects.deleted()).get(project_id) != call.workspace.id:
        raise _not_found()
    # Should we die before this, a repetition of the request does it, or the next start of a gateway.
    await call.services.jobs.enqueue_project_deletion(project_id)
    await projects.forget_deleted(project_id)
    return json_response({"message": "The project was deleted."})


async def _find(call: Call) -> principal.Project:
    project = await call.services.projects.find(call.workspace.id, call.text("project_id"))
    if project is None:
        raise _not_found()
    return project


def _answer(project: principal.Project, call: Call) -> Response:
    return json_response({"project": _shown(project, call.workspace)})


def _shown(project: principal.Project, workspace: principal.Workspace) -> dict[str, Any]:
    return {
        "id": int(project.id),
        "name": project.name,
        "hmac_enabled": project.hmac_enabled,
        "api_key": project.api_key,
        # None when it was encrypted with another INBOX_SECRET_KEY.
        "api_secret": project.secrets[0] if project.secrets else None,
        "allowed_origins": list(project.allowed_origins),
        # None follows the gateway's settings.
        "item_retention_count": project.item_retention_count,
        "item_retention_seconds": project.item_retention_seconds,
        "strict": project.strict,
        "workspace": {"id": int(workspace.id), "title": workspace.title},
    }


def _not_found() -> Exception:
    return api_error(ErrorCode.NOT_FOUND, "Project not found")


OPERATIONS = [
    Operation(
        "GET",
        "/workspaces/{workspace_id}/projects",
        Scope.WORKSPACE,
        list_projects,
        "List projects",
        PROJECTS,
        query=PAGES,
    ),
    Operation(
        "POST", "/workspaces/{workspace_id}/projects", Scope.WORKSPACE, create, "Create a project", PROJECT, CREATED
    ),
    Operation(
        "GET", "/workspaces/{workspace_id}/projects/{project_id}", Scope.WORKSPACE, get, "Fetch a project", PROJECT
    ),
    Operation(
        "PUT",
        "/workspaces/{workspace_id}/projects/{project_id}",
        Scope.WORKSPACE,
        update,
        "Update a project",
        PROJECT,
        UPDATED,
    ),
    Operation(
        "DELETE", "/workspaces/{workspace_id}/projects/{project_id}", Scope.WORKSPACE, delete, "Delete a project"
    ),
]
