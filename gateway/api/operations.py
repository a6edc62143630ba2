"""The route table. What the v1 contract promises and this version does not do yet answers 501 and says so."""

from functools import cache

from starlette.responses import Response

from gateway.api.core.openapi import document
from gateway.api.core.operation import Call, Operation, Scope, encode, json_response, raw_json_response
from gateway.api.core.paging import PAGING
from gateway.api.system import pages, realtime
from gateway.api.v1 import (
    activity,
    broadcasts,
    devices,
    imports,
    notifications,
    preferences,
    subscriptions,
    users,
    workspaces,
)
from gateway.api.v1 import schemas as s
from gateway.api.v1.notifications import FILTER, LISTING, SENDING
from gateway.api.v2 import tokens
from gateway.domain.errors import ErrorCode, api_error
from gateway.domain.notification import BulkCommand as Bulk
from gateway.domain.notification import Command
from gateway.telemetry.metrics import metrics_text


async def _healthz(call: Call) -> Response:
    return json_response({"status": "ok"})


async def _readyz(call: Call) -> Response:
    reason = call.services.not_ready()
    if reason:
        kind = next((code.kind for code in ErrorCode if code.kind.code == reason), None)
        message = f"{kind.message}. {kind.suggestion}" if kind is not None else ""
        told = {"status": "not ready", "reason": reason} | ({"message": message} if message else {})
        return json_response(told, 503, {"Retry-After": "1"})
    return json_response({"status": "ready"})


async def _metrics(call: Call) -> Response:
    return Response(metrics_text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _not_built(call: Call) -> Response:
    raise api_error(ErrorCode.NOT_BUILT)


@cache
def _encoded_document() -> bytes:
    return encode(document(OPERATIONS))


async def _openapi(call: Call) -> Response:
    # Relative to the document's host, so that it holds whichever of several names a client uses.
    server = encode([{"url": call.forwarded.prefix or "/"}])
    served = _encoded_document().replace(b'"servers":[{"url":"/"}]', b'"servers":' + server, 1)
    return raw_json_response(served, headers={"Cache-Control": "no-cache"})


U, A, P, W = Scope.USER, Scope.ADMIN, Scope.PUBLIC, Scope.WORKSPACE
Row = Operation
UNSUBSCRIBE = "/subscriptions/{topic}/unsubscribe"
REVOKE = "/users/{user}/revoke_tokens"
TOKENS = "/v2/jwt/user/{user_or_token}"
PROJECTS = "/workspaces/{workspace_id}/projects"
PROJECT = PROJECTS + "/{project_id}"
NO_KEY = ErrorCode.API_KEY_NOT_PROVIDED

# After the summary: what it answers (204 if nothing is said), its body, and other columns by name.
OPERATIONS = [
    Row("POST", "/notifications", A, notifications.create, "Send a notification", s.SENT, SENDING, idempotent=True),
    Row("GET", "/notifications", U, notifications.list_notifications, "List notifications", s.LISTED, query=LISTING),
    Row("POST", "/notifications/read", U, notifications.change_all(Bulk.READ_ALL), "Mark all as read", query=FILTER),
    Row("POST", "/notifications/seen", U, notifications.change_all(Bulk.SEEN_ALL), "Mark all as seen", query=FILTER),
    Row("GET", "/notifications/{id}", U, notifications.get, "Fetch a notification", s.FOUND),
    Row("DELETE", "/notifications/{id}", U, notifications.delete, "Delete a notification"),
    Row("POST", "/notifications/{id}/read", U, notifications.change(Command.READ), "Mark as read"),
    Row("POST", "/notifications/{id}/unread", U, notifications.change(Command.UNREAD), "Mark as unread"),
    Row("POST", "/notifications/{id}/seen", U, notifications.change(Command.SEEN), "Mark as seen"),
    Row("POST", "/notifications/{id}/archive", U, notifications.change(Command.ARCHIVE), "Archive a notification"),
    Row(
        "DELETE", "/notifications/{id}/archive", U, notifications.change(Command.UNARCHIVE), "Unarchive a notification"
    ),
    Row(
        *("GET", "/notification_preferences", U, preferences.get, "Fetch preferences", s.PREFERENCES),
        known_users_only=True,
    ),
    Row("PUT", "/notification_preferences", U, preferences.put, "Update preferences", s.PREFERENCES, preferences.BODY),
    Row(
        "GET",
        "/subscriptions",
        U,
        subscriptions.list_subscriptions,
        "List topic subscriptions",
        s.SUBSCRIPTIONS,
        query=subscriptions.LISTING,
    ),
    Row("POST", "/subscriptions", U, subscriptions.subscribe, "Subscribe to a topic", s.SUBSCRIPTION, subscriptions.ON),
    # Before the topic itself, which may hold slashes.
    Row(
        "POST", UNSUBSCRIBE, U, subscriptions.unsubscribe, "Unsubscribe from a topic", s.SUBSCRIPTION, subscriptions.OFF
    ),
    Row("GET", "/subscriptions/{topic}", U, subscriptions.get, "Fetch a topic subscription", s.SUBSCRIPTION),
    Row("DELETE", "/subscriptions/{topic}", U, subscriptions.delete, "Delete a topic subscription"),
    Row("POST", "/push_subscriptions", U, devices.register, "Register a device", s.REGISTERED, devices.BODY),
    Row("DELETE", "/push_subscriptions/{device_token}", U, devices.unregister, "Unregister a device"),
    Row("POST", "/users", A, users.create, "Create a user", s.CREATED_USER, users.CREATED, idempotent=True),
    # Before the user, whose name may hold slashes.
    Row("POST", REVOKE, A, tokens.revoke_of_user, "Revoke a user's tokens", s.REVOKED, tokens.REVOCATION, own=True),
    Row("PUT", "/users/{user}", A, users.update, "Update a user", s.USER, users.UPDATED),
    Row("DELETE", "/users/{user}", A, users.delete, "Delete a user"),
    Row(
        "POST",
        "/v2/jwt/user",
        A,
        tokens.issue_for_user,
        "Issue a user's token",
        s.ISSUED,
        tokens.USER_TOKEN,
        idempotent=True,
    ),
    Row("GET", TOKENS, A, tokens.list_of_user, "List a user's tokens", s.TOKENS, query=PAGING),
    Row("DELETE", TOKENS, A, tokens.discard_of_user, "Discard a user's token", s.DISCARDED),
    Row(
        "POST",
        "/v2/jwt/project",
        A,
        tokens.issue_for_project,
        "Issue a project's token",
        s.ISSUED,
        tokens.PROJECT_TOKEN,
        idempotent=True,
    ),
    Row("GET", "/v2/jwt/project", A, tokens.list_of_project, "List the project's tokens", s.TOKENS, query=PAGING),
    Row("DELETE", "/v2/jwt/project/{token_id}", A, tokens.discard_of_project, "Discard a project's token", s.DISCARDED),
    Row("GET", "/v2/jwt/keys", A, tokens.list_keys, "List public keys", s.PUBLIC_KEYS),
    Row("PUT", "/v2/jwt/keys", A, tokens.put_keys, "Replace public keys", s.PUBLIC_KEYS, tokens.KEYS),
    Row(
        "POST",
        "/broadcasts",
        A,
        broadcasts.create,
        "Send a broadcast",
        s.BROADCASTING,
        broadcasts.BODY,
        idempotent=True,
    ),
    Row("GET", "/broadcasts", A, broadcasts.list_broadcasts, "List broadcasts", s.BROADCASTS, query=broadcasts.PAGING),
    Row("GET", "/broadcasts/{broadcast_id}", A, broadcasts.get, "Fetch a broadcast", s.BROADCAST),
    Row(
        *("GET", "/broadcasts/{broadcast_id}/notifications", A, broadcasts.list_notifications),
        *("List a broadcast's notifications", s.BROADCAST_NOTIFICATIONS),
        query=broadcasts.PAGING,
    ),
    Row("POST", "/imports", A, imports.create, "Import users", s.IMPORTING, imports.BODY, idempotent=True),
    Row("GET", "/imports/{import_id}", A, imports.get, "Fetch an import", s.IMPORT),
    Row(
        "GET",
        "/active_users",
        A,
        activity.active_users,
        "Count a month's users",
        s.ACTIVE_USERS,
        query=(activity.MONTH,),
        own=True,
    ),
    Row("GET", PROJECTS, W, workspaces.list_projects, "List projects", s.PROJECTS, query=workspaces.PAGES),
    Row("POST", PROJECTS, W, workspaces.create, "Create a project", s.PROJECT, workspaces.CREATED),
    Row("GET", PROJECT, W, workspaces.get, "Fetch a project", s.PROJECT),
    Row("PUT", PROJECT, W, workspaces.update, "Update a project", s.PROJECT, workspaces.UPDATED),
    Row("DELETE", PROJECT, W, workspaces.delete, "Delete a project"),
    Row("GET", "/config", U, realtime.config, "How to connect", s.CONFIG, without_credentials=NO_KEY),
    Row("GET", "/realtime/events", U, realtime.events, "Pull events", s.EVENTS, query=(realtime.SINCE,), own=True),
    Row("GET", "/healthz", P, _healthz, "Whether this process runs", s.HEALTHY),
    Row("GET", "/readyz", P, _readyz, "Whether this process should get traffic", s.READY, refusals=(s.NOT_READY,)),
    Row("GET", "/metrics", P, _metrics, "Prometheus metrics", s.METRICS),
    Row("GET", "/", P, pages.to_demo, "To the demo page", s.ELSEWHERE),
    Row("GET", "/demo", P, pages.page("demo.html", "'self' ws: wss:"), "The demo page", s.PAGE),
    Row("GET", "/docs", P, pages.page("docs.html"), "This API, to read", s.PAGE),
    Row("GET", "/openapi.json", P, _openapi, "This API, as an OpenAPI document", s.DOCUMENT),
    Row("GET", "/client.js", P, pages.script("client.js"), "The browser client", s.SCRIPT),
]

_NOT_BUILT = [
    "GET /inbox-bell.js",
    "POST /ws/auth",
    *(
        f"{method} /v2/{resource}{rest}"
        for resource in ("broadcasts", "channels", "events", "integrations", "users")
        for rest in ("", "/{path:path}")
        for method in ("GET", "POST", "PUT", "DELETE")
    ),
]

OPERATIONS += [
    Operation(method, path, Scope.PUBLIC, _not_built, "Not built yet", s.NOT_BUILT)
    for method, path in (row.split(" ") for row in _NOT_BUILT)
]
