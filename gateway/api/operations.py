"""The route table: the rows of all resources, and the OpenAPI document that they make."""

from functools import cache
from typing import Any

from starlette.responses import Response

from gateway.api.core import openapi
from gateway.api.core.operation import Call, Operation, Scope, encode, raw_json_response
from gateway.api.core.schema import Answer, Hash
from gateway.api.system import health, pages, realtime
from gateway.api.v1 import (
    activity,
    broadcasts,
    config,
    devices,
    imports,
    notifications,
    preferences,
    subscriptions,
    users,
    workspaces,
)
from gateway.api.v2 import tokens, unbuilt

DOCUMENT = Answer(200, "The document", Hash)


def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    return openapi.document(OPERATIONS, realtime.TRANSPORTS)


@cache
def _encoded_document() -> bytes:
    return encode(document())


async def _openapi(call: Call) -> Response:
    # Relative to the document's host, so that it holds whichever of several names a client uses.
    server = encode([{"url": call.forwarded.prefix or "/"}])
    served = _encoded_document().replace(b'"servers":[{"url":"/"}]', b'"servers":' + server, 1)
    return raw_json_response(served, headers={"Cache-Control": "no-cache"})


OPERATIONS = [
    *notifications.OPERATIONS,
    *preferences.OPERATIONS,
    *subscriptions.OPERATIONS,
    *devices.OPERATIONS,
    # Before the users, whose names may hold slashes.
    *tokens.OPERATIONS,
    *users.OPERATIONS,
    *broadcasts.OPERATIONS,
    *imports.OPERATIONS,
    *activity.OPERATIONS,
    *workspaces.OPERATIONS,
    *config.OPERATIONS,
    *realtime.OPERATIONS,
    *health.OPERATIONS,
    *pages.OPERATIONS,
    Operation("GET", "/openapi.json", Scope.PUBLIC, _openapi, "This API, as an OpenAPI document", DOCUMENT),
    *unbuilt.OPERATIONS,
]
