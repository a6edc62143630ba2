"""The OpenAPI 3.1 document. It is made from the rows that also drive routing and decoding."""

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

from gateway import __version__
from gateway.api.core.body_components import BodyComponents
from gateway.api.core.call import ADMIN, ADMIN_PROJECT, PROJECT, PUBLIC, USER, WORKSPACE, Caller
from gateway.api.core.operation import AnyOperation
from gateway.api.core.query import QueryParam
from gateway.api.core.schema import HEADERS, Errors, ResponseSpec
from gateway.api.core.security import LIVE_SECURITY, SECURITY, SECURITY_SCHEMES
from gateway.domain.errors import ErrorCode

Json = dict[str, Any]

_DESCRIPTION = """\
A self-hosted notification inbox. Backends send notifications, users read them, and open inboxes receive every change.

- A **backend** authenticates with the API key and the API secret of its project, or with a project's token alone.
- A **user** authenticates with the API key, an external id or email, and the HMAC of that name, or with a token alone.
- A **backend that acts for a user** sends the API secret in place of the HMAC.
- A **workspace token** administers projects.
- An **admin** signs in to the dashboard, or sends a token.

Times are unix seconds, and RFC 3339 under `/v2`. Every error response is an `errors` array. Requests without
credentials get 401 under `/v2`, and 404 elsewhere, except where an operation lists another status.
"""

_TAGS = {
    "Backend": "For your servers, with the API key and the API secret.",
    "Inbox": "For users.",
    "Channel tokens": "Device tokens, webhooks of chats, and tokens of live connections. Users register them; backends "
    "list and discard them.",
    "Integrations": "The configurations of providers, the installations of users, and incoming webhooks.",
    "Deliveries": "How notifications reach users on the channels besides the inbox, and why one did not.",
    "Outgoing webhooks": "Endpoints of your servers, to which the gateway posts signed messages about what happens.",
    "Events": "What happened in a project: a log, and a live tail of it.",
    "Figures": "What a project uses, and how it is doing now. The gateway counts as it works, and scans nothing.",
    "Workspace": "For administering projects, with a workspace token: `inbox-gateway token --workspace` prints one.",
    "Dashboard": "What the dashboard at `/admin` calls, for admins. A script sends a token in place of the cookie: "
    "`inbox-gateway admin token` prints one. Below `/admin/api/projects/{project_id}`, admins can also call every "
    "operation of that project's backend and users, at the path that this document has for it.",
    "Live": "The events of an inbox over WebSocket, server-sent events or requests. All transports have the same "
    "events with the same positions.",
    "Gateway": "The process itself. No credentials are needed.",
    "Browser files": "The client and the bell, for pages of every origin. No credentials are needed.",
    "Not built yet": "Operations of the v1 contract that this version does not have. They respond with 501.",
}
_CALLER_TAGS: Mapping[Caller[Any], str] = {
    PROJECT: "Backend",
    USER: "Inbox",
    WORKSPACE: "Workspace",
    PUBLIC: "Gateway",
    ADMIN: "Dashboard",
    ADMIN_PROJECT: "Dashboard",
}

_PATH_TAGS: Mapping[str, str] = {
    r"/v2(/users/{\w+})?/channels/.*/tokens.*": "Channel tokens",
    r"/v2/integrations.*": "Integrations",
    r"/v2/webhooks.*": "Outgoing webhooks",
    r"/v2/events.*": "Events",
    r"/v2/(usage.*|overview|storage|connections.*)": "Figures",
}
"""The sections of resources that have one of their own, by a pattern of their paths."""

ERROR_CONTENT: Json = {"application/json": {"schema": {"$ref": "#/components/schemas/Errors"}}}


class Addition(NamedTuple):
    """Paths that are served without the route table, and the types that their descriptions refer to."""

    paths: Json
    types: Sequence[type]


def document(operations: Sequence[AnyOperation], addition: Addition) -> Json:
    """Return the document of these operations and of the addition."""
    schemas, components = _schemas(operations, addition.types)
    bodies = BodyComponents(components)
    paths: Json = {}
    for row in operations:
        path = re.sub(r":\w+}", "}", row.path)  # OpenAPI cannot express that a parameter may contain slashes
        paths.setdefault(path, {})[row.method.lower()] = _operation(row, path, schemas, bodies)
    for path, methods in addition.paths.items():
        paths.setdefault(path, {}).update(methods)
    tags = {tag for methods in paths.values() for each in methods.values() for tag in each.get("tags", ())}
    statuses = sorted({status for row in operations for status in _error_statuses(row)})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Inbox gateway",
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items() if name in tags],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {str(status): _error_response(status) for status in statuses},
            "parameters": _PARAMETERS,
            "headers": HEADERS,
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _schemas(operations: Sequence[AnyOperation], added: Sequence[type]) -> tuple[Mapping[Any, Json], Json]:
    """Return the schema of each type in a response, and the components that the schemas refer to."""
    specs = (spec for row in operations for spec in (row.success, *row.failures))
    types = list(dict.fromkeys([*(spec.type for spec in specs if spec.type is not None), Errors, *added]))
    found, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    for component in components.values():  # msgspec keeps the indentation of docstrings
        if "description" in component:
            component["description"] = inspect.cleandoc(component["description"])
    return dict(zip(types, found, strict=True)), components


def _operation(row: AnyOperation, path: str, schemas: Mapping[Any, Json], bodies: BodyComponents) -> Json:
    described: Json = {
        "operationId": "_".join([row.method.lower(), *re.findall(r"\w+", path)]),
        "tags": [_tag(row)],
        "summary": row.summary,
        "security": LIVE_SECURITY if row.is_live else SECURITY[row.caller],
        "responses": {str(status): _reference("responses", str(status)) for status in sorted(_error_statuses(row))}
        | {str(spec.status): _response(spec, schemas) for spec in (row.success, *row.failures)},
    }
    if text := inspect.getdoc(row.handler):
        described["description"] = text
    if parameters := _parameters(row, path):
        described["parameters"] = parameters
    if row.reads_body:
        content = bodies.described(row.inputs.body, is_closed=row.inputs.strict)
        described["requestBody"] = {"required": True, "content": {"application/json": content}}
    return described


def _tag(row: AnyOperation) -> str:
    by_path = (tag for pattern, tag in _PATH_TAGS.items() if re.fullmatch(pattern, row.path))
    return row.tag or next(by_path, _CALLER_TAGS[row.caller])


# ---- parameters


def parameter(where: str, name: str, schema: Json, description: str, required: bool = False) -> Json:
    """Return a parameter object."""
    return {"name": name, "in": where, "required": required, "description": description, "schema": schema}


_PARAMETERS: Json = {
    "IdempotencyKey": parameter(
        "header",
        "Idempotency-Key",
        {"type": "string", "maxLength": 255},
        "Makes it safe to repeat the request. The first response is kept for 24 hours, and each request with the same "
        "key and body gets it again.",
    ),
    "ClientId": parameter(
        "header",
        "X-MAGICBELL-CLIENT-ID",
        {"type": "string"},
        "Your name for this client. The live event has it as `client_id`, so that a client recognizes its own change.",
    ),
}

_PATH_PARAMETERS = {
    "id": "The id of the notification.",
    "user": "The user's id, or `external_id:…` or `email:…`.",
    "user_id": "The user's id, or `external_id:…` or `email:…`.",
    "user_or_token": "To list: the user's id, or `external_id:…` or `email:…`. To discard: the token's id.",
    "token_id": "The id of the token.",
    "integration": "The name of the provider, such as `smtp`.",
    "channel": "The channel, such as `email`.",
    "lane": "The lane, such as `email` or `apns`.",
    "topic": "The topic. Write a slash in it as `%2F`.",
    "device_token": "The device token. Write a slash in it as `%2F`.",
    "broadcast_id": "The id of the broadcast.",
    "notification_id": "The id of the notification, or of the broadcast.",
    "event_id": "The id of the event.",
    "import_id": "The id of the import.",
    "workspace_id": "The number of the workspace, or `default`.",
    "project_id": "The number of the project.",
    "integration_id": "The id of the saved configuration.",
    "admin_id": "The id of the admin.",
    "session_id": "The id of the session.",
    "token": "The signed end of a link that the gateway made.",
    "endpoint_id": "The id of the endpoint.",
    "version": "The version of the gateway, such as `1.2.0`.",
    "file": "The name of the file, such as `locale-de.js`.",
    "page": "The name of the page, such as `docs`.",
    "message_id": "The id of the message, which its `webhook-id` header has.",
}


def _parameters(row: AnyOperation, path: str) -> list[Json]:
    parameters = [*_path_parameters(path), *map(_query_parameter, row.inputs.query)]
    if row.idempotent:
        parameters.append(_reference("parameters", "IdempotencyKey"))
    if row.caller is USER and row.method != "GET":
        parameters.append(_reference("parameters", "ClientId"))
    return parameters


def _path_parameters(path: str) -> Iterable[Json]:
    for name in re.findall(r"{(\w+)}", path):
        is_notification = path.startswith(("/notifications/", "/v2/notifications/"))
        schema = {"type": "string"} | ({"format": "uuid"} if is_notification else {})
        yield parameter("path", name, schema, _PATH_PARAMETERS.get(name, ""), True)


def _query_parameter(param: QueryParam) -> Json:
    # `read=` means the same as no `read` at all.
    return parameter("query", param.name, param.schema(), param.description) | {"allowEmptyValue": True}


# ---- responses


def _reference(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _response(spec: ResponseSpec, schemas: Mapping[Any, Json]) -> Json:
    response: Json = {"description": spec.description}
    if spec.headers:
        response["headers"] = {name: _reference("headers", name) for name in spec.headers}
    if spec.type is not None:
        response["content"] = {spec.media_type: {"schema": schemas[spec.type]}}
    elif spec.status == 200:  # an error may be JSON as well
        response["content"] = {spec.media_type: {"schema": {"type": "string"}}}
    return response


_BODY_STATUSES = (400, 408, 413, 415)
"""The statuses of errors in a body, besides 422."""


def _error_statuses(row: AnyOperation) -> set[int]:
    """Return the statuses of the errors that follow from a row."""
    if row.caller is PUBLIC:
        return set(_BODY_STATUSES) if row.reads_body and row.tag else set()
    codes = [ErrorCode.REDIS_UNAVAILABLE, ErrorCode.FORBIDDEN, row.without_credentials]
    is_admins = row.caller in (ADMIN, ADMIN_PROJECT)
    if is_admins:
        codes = [ErrorCode.REDIS_UNAVAILABLE, ErrorCode.SESSION_NEEDED, ErrorCode.ROLE_TOO_LOW]
        if row.method != "GET":
            codes += [ErrorCode.CROSS_SITE, ErrorCode.CONTENT_TYPE_NOT_SUPPORTED, ErrorCode.BODY_TOO_LARGE]
    elif row.caller is WORKSPACE:
        codes.append(ErrorCode.TOKEN_IS_INCORRECT)
    else:
        codes += [ErrorCode.RATE_LIMIT_EXCEEDED, ErrorCode.INCORRECT_API_KEY, ErrorCode.ORIGIN_NOT_ALLOWED]
    if "{" in row.path:
        codes.append(ErrorCode.NOT_FOUND)
    if row.idempotent:
        codes += [ErrorCode.IDEMPOTENCY_KEY_IN_USE, ErrorCode.IDEMPOTENCY_KEY_REUSED]
    statuses = {code.kind.status for code in codes}
    # The name of the calling user may be too long in any operation.
    if row.inputs.query or row.reads_body or row.caller is USER:
        statuses.add(422)
    if row.reads_body:
        statuses |= {*_BODY_STATUSES, *(code.kind.status for code in row.inputs.body.refusals)}
    return statuses


def _error_response(status: int) -> Json:
    kinds = [code.kind for code in ErrorCode if code.kind.status == status]
    lines = [f"- `{kind.code}`: {kind.message}" for kind in kinds]
    if status == 400:
        lines.append("- no code: the body is not valid JSON")
    if status == 422:
        lines.append("- no code: a parameter is missing or not valid; each one has an entry")
    example = (
        {"code": kinds[0].code, "message": kinds[0].message}
        if kinds and status != 422
        else {"message": "Param 'notification.title' is missing"}
    )
    headers = {"Retry-After": _reference("headers", "Retry-After")} if status in (409, 429, 503) else {}
    content = {"application/json": {"schema": _reference("schemas", "Errors"), "example": {"errors": [example]}}}
    return {
        "description": "\n".join([f"{HTTPStatus(status).phrase}", "", *lines]),
        "headers": headers,
        "content": content,
    }
