"""Requests and calls without a server, for tests of the API's core."""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.api.core.body import Body
from gateway.api.core.body_budget import BodyBudget
from gateway.api.core.body_reader import BodyReader
from gateway.api.core.call import CallContext, ProjectCall, UserCall
from gateway.api.core.inputs import NO_BODY, Inputs
from gateway.api.core.query import QueryParam
from gateway.api.core.requests import ApiRequest
from gateway.api.core.scope import HEADERS, PEER, REQUEST_ID
from gateway.domain.guard import UNGUARDED
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import Project, User
from gateway.domain.proxy import Proxies

MAX_BODY_BYTES = 1_000_000

PROJECT = Project(ProjectId("7"), "Shop", "key", True, ("secret",))
STRICT_PROJECT = Project(ProjectId("8"), "Strict", "key", True, ("secret",), strict=True)


def request_of(
    method: str = "GET",
    path: str = "/",
    headers: Mapping[str, str] = {},
    *,
    query: str = "",
    parts: Iterable[bytes] = (b"",),
    path_params: Mapping[str, str] = {},
    peer: str = "192.0.2.1",
) -> ApiRequest:
    """Return a request whose body arrives in these parts."""
    left = list(parts)

    async def receive() -> dict[str, Any]:
        part = left.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(left)}

    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
        HEADERS: {name.lower(): value for name, value in headers.items()},
        "query_string": query.encode(),
        "path_params": dict(path_params),
        PEER: lambda: peer,
        REQUEST_ID: "r1",
    }
    return ApiRequest.of_scope(scope, receive)


def context_of(budget: BodyBudget | None = None) -> CallContext:
    """Return what calls share, with a body budget of its own unless one is given."""
    return CallContext(Proxies(()), BodyReader(budget or BodyBudget(MAX_BODY_BYTES), MAX_BODY_BYTES))


def project_call(
    request: ApiRequest,
    body: Body = NO_BODY,
    query: tuple[QueryParam, ...] = (),
    project: Project = PROJECT,
    context: CallContext | None = None,
) -> ProjectCall:
    """Return a call by a project's backend."""
    return ProjectCall(Inputs(body, query, strict=False), request, context or context_of(), project)


def user_call(request: ApiRequest, body: Body = NO_BODY, project: Project = PROJECT) -> UserCall:
    """Return a call by a user of a project."""
    user = User(project.id, UserId("u1"), "ada", None)
    return UserCall(Inputs(body, (), strict=False), request, context_of(), project, user, UNGUARDED)
