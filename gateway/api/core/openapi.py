"""The OpenAPI 3.1 document, made from the rows that route and decode; only the live transports are described here."""

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

from gateway import __version__
from gateway.api.core.operation import Operation, Scope
from gateway.api.core.params import Body
from gateway.api.core.query import QueryParam
from gateway.api.core.schema import HEADERS, Answer, Errors
from gateway.domain.errors import ErrorCode

Json = dict[str, Any]

_DESCRIPTION = """\
A self-hosted inbox of notifications. Backends send them, users read them, and every open inbox follows live.

A **backend** calls with the API key and the API secret, or with a project's token alone. A **user** calls with the API
key, an external id or an email, and the HMAC of that name (or the API secret in its place); or with a token alone. A
**workspace token** administers projects. Times are unix seconds, and RFC 3339 under `/v2`.
Every error is an `errors` array.
"""

_TAGS = {
    "Backend": "For your servers: API key and API secret.",
    "Inbox": "For users.",
    "Workspace": "For administering projects: a workspace token, as `inbox-gateway token --workspace` prints it.",
    "Live": "Events, over whichever transport a client can hold. All give the same events with the same positions.",
    "Gateway": "The process itself. Open to all.",
    "Not built yet": "What the v1 and v2 contracts have and this version answers with 501.",
}
_SCOPE_TAGS = {
    Scope.ADMIN: "Backend",
    Scope.USER: "Inbox",
    Scope.WORKSPACE: "Workspace",
    Scope.PUBLIC: "Gateway",
}

# ---- credentials


def _header_key(name: str, description: str) -> Json:
    return {"type": "apiKey", "in": "header", "name": name, "description": description}


_SECURITY_SCHEMES: Json = {
    "ApiKey": _header_key("X-MAGICBELL-API-KEY", "Names the project."),
    "ApiSecret": _header_key("X-MAGICBELL-API-SECRET", "Proves a backend. Never give it to a browser."),
    "UserExternalId": _header_key("X-MAGICBELL-USER-EXTERNAL-ID", "Names a user, before an email."),
    "UserEmail": _header_key("X-MAGICBELL-USER-EMAIL", "Names a user."),
    "UserHmac": _header_key(
        "X-MAGICBELL-USER-HMAC",
        "base64(HMAC-SHA256(API secret, external id or lower-case email)). In a shell: "
        '`HMAC=$(printf %s ada | openssl dgst -sha256 -hmac "$API_SECRET" -binary | base64)`.',
    ),
    "Token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "Of a user; claims: api_key, iat, exp, user_external_id or user_email. HS256 with the API "
        "secret, or RS256 or ES256 with a key whose public half the project has; or issued by `POST /v2/jwt/user`.",
    },
    "ProjectToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "Issued by `POST /v2/jwt/project`, in place of the API key and secret.",
    },
    "WorkspaceToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "Made by the gateway: `inbox-gateway token --workspace`.",
    },
}
_USER_PROOFS = [("UserHmac",), ("ApiSecret",)]
_SECURITY: Mapping[Scope, list[Json]] = {
    Scope.PUBLIC: [],
    Scope.ADMIN: [{"ApiKey": [], "ApiSecret": []}, {"ProjectToken": []}],
    Scope.WORKSPACE: [{"WorkspaceToken": []}],
    Scope.USER: [
        {"ApiKey": [], name: [], **{proof: [] for proof in proofs}}
        for name in ("UserExternalId", "UserEmail")
        for proofs in _USER_PROOFS
    ]
    + [{"Token": []}],
}

USER_SECURITY = _SECURITY[Scope.USER]
ERROR_CONTENT = {"application/json": {"schema": {"$ref": "#/components/schemas/Errors"}}}

# ---- parameters


def parameter(where: str, name: str, schema: Json, description: str, required: bool = False) -> Json:
    """Return a parameter object."""
    return {"name": name, "in": where, "required": required, "description": description, "schema": schema}


_PARAMETERS: Json = {
    "IdempotencyKey": parameter(
        "header",
        "Idempotency-Key",
        {"type": "string", "maxLength": 255},
        "The first answer is kept for 24 hours and given again to whoever repeats the request with this key.",
    ),
    "ClientId": parameter(
        "header",
        "X-MAGICBELL-CLIENT-ID",
        {"type": "string"},
        "Your name for this client. The live event carries it, so that a client knows its own change.",
    ),
}


def _query_parameter(param: QueryParam) -> Json:
    # `read=` is as good as no `read` at all.
    return parameter("query", param.name, param.schema(), param.description) | {"allowEmptyValue": True}


_PATH_PARAMETERS = {
    "user": "The user's id, or `external_id:…` or `email:…`.",
    "user_or_token": "To list, the user's id, or `external_id:…` or `email:…`; to discard, the token's id.",
    "topic": "The topic; a slash in it is written `%2F`.",
    "device_token": "The device token; a slash in it is written `%2F`.",
    "workspace_id": "The workspace's number, or `default`.",
    "project_id": "The project's number.",
}


def _path_parameters(path: str) -> Iterable[Json]:
    for name in re.findall(r"{(\w+)}", path):
        is_notification = path.startswith("/notifications/")
        schema = {"type": "string"} | ({"format": "uuid"} if is_notification else {})
        yield parameter("path", name, schema, _PATH_PARAMETERS.get(name, ""), True)


# ---- answers


def _reference(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _refusal_statuses(operation: Operation) -> set[int]:
    """Say which errors follow from a row."""
    if operation.scope is Scope.PUBLIC:
        return set()
    refusals = [ErrorCode.REDIS_UNAVAILABLE, ErrorCode.FORBIDDEN, operation.without_credentials]
    if operation.scope is Scope.WORKSPACE:
        refusals.append(ErrorCode.TOKEN_IS_INCORRECT)
    else:
        refusals += [ErrorCode.RATE_LIMIT_EXCEEDED, ErrorCode.INCORRECT_API_KEY, ErrorCode.ORIGIN_NOT_ALLOWED]
    if "{" in operation.path:
        refusals.append(ErrorCode.NOT_FOUND)
    if operation.idempotent:
        refusals += [ErrorCode.IDEMPOTENCY_KEY_IN_USE, ErrorCode.IDEMPOTENCY_KEY_REUSED]
    statuses = {refusal.kind.status for refusal in refusals}
    # A user's name may be too long, whatever is called.
    if operation.query or operation.body or operation.scope is Scope.USER:
        statuses.add(422)
    if operation.body:
        statuses |= {400, 408, 413, 415, *(refusal.kind.status for refusal in operation.body.refusals)}
    return statuses


def _refusal(status: int) -> Json:
    kinds = [code.kind for code in ErrorCode if code.kind.status == status]
    lines = [f"- `{kind.code}`: {kind.message}" for kind in kinds]
    if status == 400:
        lines.append("- no code: the body is not valid JSON")
    if status == 422:
        lines.append("- no code: a parameter is missing or wrong; each one has an entry")
    example = (
        {"code": kinds[0].code, "message": kinds[0].message}
        if kinds and status != 422
        else {"message": "Param 'notification.title' is missing"}
    )
    headers = {"Retry-After": _reference("headers", "Retry-After")} if status in (409, 429, 503) else {}
    return {
        "description": "\n".join([f"{HTTPStatus(status).phrase}", "", *lines]),
        "headers": headers,
        "content": {"application/json": {"schema": _reference("schemas", "Errors"), "example": {"errors": [example]}}},
    }


def _answer(answer: Answer, schemas: Mapping[Any, Json]) -> Json:
    response: Json = {"description": answer.description}
    if answer.headers:
        response["headers"] = {name: _reference("headers", name) for name in answer.headers}
    if answer.type is not None:
        response["content"] = {answer.media_type: {"schema": schemas[answer.type]}}
    elif answer.status == 200:
        response["content"] = {answer.media_type: {"schema": {"type": "string"}}}
    return response


# ---- the document


class Addition(NamedTuple):
    """Paths that are served without the route table, and the types that their descriptions name."""

    paths: Json
    types: Sequence[type]


def document(operations: Sequence[Operation], addition: Addition) -> Json:
    """Describe every row, and what is served besides."""
    schemas, components = _schemas(operations, addition.types)
    bodies = _Bodies(components)
    paths: Json = {}
    for row in operations:
        path = re.sub(r":\w+}", "}", row.path)  # OpenAPI has no word for a path that goes on
        paths.setdefault(path, {})[row.method.lower()] = _operation(row, path, schemas, bodies)
    for path, methods in addition.paths.items():
        paths.setdefault(path, {}).update(methods)
    statuses = sorted({status for row in operations for status in _refusal_statuses(row)})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Inbox gateway",
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {str(status): _refusal(status) for status in statuses},
            "parameters": _PARAMETERS,
            "headers": HEADERS,
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


def _schemas(operations: Sequence[Operation], added: Sequence[type]) -> tuple[Mapping[Any, Json], Json]:
    """Give the schema of each type that is answered, and the components that they refer to."""
    answered = [answer.type for row in operations for answer in (row.answer, *row.refusals) if answer.type is not None]
    types = list(dict.fromkeys([*answered, Errors, *added]))
    found, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    return dict(zip(types, found, strict=True)), components


def _operation(row: Operation, path: str, schemas: Mapping[Any, Json], bodies: "_Bodies") -> Json:
    answers = [row.answer, *row.refusals]
    parameters = [*_path_parameters(path), *map(_query_parameter, row.query)]
    if row.idempotent:
        parameters.append(_reference("parameters", "IdempotencyKey"))
    if row.scope is Scope.USER and row.method != "GET":
        parameters.append(_reference("parameters", "ClientId"))
    described: Json = {
        "operationId": "_".join([row.method.lower(), *re.findall(r"\w+", path)]),
        "tags": [row.tag or _SCOPE_TAGS[row.scope]],
        "summary": row.summary,
        "security": _SECURITY[row.scope],
        "responses": {str(status): _reference("responses", str(status)) for status in sorted(_refusal_statuses(row))}
        | {str(answer.status): _answer(answer, schemas) for answer in answers},
    }
    if text := inspect.getdoc(row.handler):
        described["description"] = text
    if parameters:
        described["parameters"] = parameters
    if row.body:
        content = bodies.described(row.body, is_closed=row.is_ours)
        described["requestBody"] = {"required": True, "content": {"application/json": content}}
    return described


class _Bodies:
    """Describes what requests bring. Objects with a name become components: generated clients name types after them."""

    def __init__(self, components: Json):
        self._components = components

    def described(self, body: Body, is_closed: bool) -> Json:
        """Return the media type object of a body. Raises ValueError when two components have one name.

        A closed one holds nothing but its fields.
        """
        described = body.param.schema() | ({"additionalProperties": False} if is_closed else {})
        schema = self._with_references(described)
        if body.root:
            wrapper = {"type": "object", "required": [body.root], "properties": {body.root: schema}}
            schema = self._component(f"{body.param.name}Body", wrapper)
        return {"schema": schema, "example": body.wrapped(body.example)}

    def _with_references(self, schema: Any) -> Any:
        """Return a schema in which each object that has a name is a reference to its component."""
        if isinstance(schema, list):
            return [self._with_references(each) for each in schema]
        if not isinstance(schema, dict):
            return schema
        found = {key: self._with_references(value) for key, value in schema.items()}
        name = found.get("title")
        if not isinstance(name, str):  # no name, or the properties of an object that has one called so
            return found
        described = {"description": found["description"]} if "description" in found else {}
        whole = {key: value for key, value in found.items() if key not in ("title", "description")}
        reference = self._component(name, {**whole, "type": "object"})
        nullable = isinstance(found["type"], list)
        return {**({"anyOf": [reference, {"type": "null"}]} if nullable else reference), **described}

    def _component(self, name: str, schema: Json) -> Json:
        if self._components.setdefault(name, schema) != schema:
            raise ValueError(f"two components are called {name}")
        return _reference("schemas", name)
