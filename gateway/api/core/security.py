"""The credentials of each kind of caller, as the OpenAPI document describes them."""

from collections.abc import Mapping
from typing import Any

from gateway.api.core.call import ADMIN, ADMIN_PROJECT, PROJECT, PUBLIC, USER, WORKSPACE, Caller

Json = dict[str, Any]


def _header_key(name: str, description: str) -> Json:
    return {"type": "apiKey", "in": "header", "name": name, "description": description}


def _token(description: str) -> Json:
    return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": description}


SECURITY_SCHEMES: Json = {
    "ApiKey": _header_key("X-MAGICBELL-API-KEY", "Identifies the project."),
    "ApiSecret": _header_key(
        "X-MAGICBELL-API-SECRET", "Authenticates your backend. Keep it on your servers, never in a web page or an app."
    ),
    "UserExternalId": _header_key(
        "X-MAGICBELL-USER-EXTERNAL-ID",
        "Identifies a user by the id in your application. It takes precedence over an email.",
    ),
    "UserEmail": _header_key("X-MAGICBELL-USER-EMAIL", "Identifies a user by email."),
    "UserHmac": _header_key(
        "X-MAGICBELL-USER-HMAC",
        "Authenticates a user: base64(HMAC-SHA256(API secret, external id or lower-case email)). In a shell: "
        '`HMAC=$(printf %s ada | openssl dgst -sha256 -hmac "$API_SECRET" -binary | base64)`. Not needed in a project '
        "with HMAC off.",
    ),
    "Token": _token(
        "A user's token. `POST /v2/jwt/user` issues one, or your backend signs one with the claims `api_key`, `iat`, "
        "`exp`, and `user_external_id` or `user_email`: by HS256 with the API secret, or by RS256 or ES256 with a key "
        "whose public half is set by `PUT /v2/jwt/keys`."
    ),
    "InboxToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "An inbox token, which your client has generated and the user has registered by "
        "`PUT /v2/channels/in_app/inbox/tokens`. It opens live connections only, and needs the API key beside it.",
    },
    "ProjectToken": _token("A project's token, which `POST /v2/jwt/project` issues. It replaces API key and secret."),
    "WorkspaceToken": _token("A workspace's token, which `inbox-gateway token --workspace` prints."),
    "AdminCookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-inbox_admin",
        "description": "The session of an admin, which `POST /admin/api/login` begins. Without TLS, on the gateway's "
        "own machine, its name is `inbox_admin`. An unsafe request must come from a page of the gateway.",
    },
    "AdminToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "An admin's token for scripts, which `inbox-gateway admin token EMAIL` prints.",
    },
}

USER_SECURITY: list[Json] = [
    *(
        {"ApiKey": [], name: [], proof: []}
        for name in ("UserExternalId", "UserEmail")
        for proof in ("UserHmac", "ApiSecret")
    ),
    {"Token": []},
]

LIVE_SECURITY: list[Json] = [*USER_SECURITY, {"ApiKey": [], "InboxToken": []}]

SECURITY: Mapping[Caller[Any], list[Json]] = {
    PUBLIC: [],
    PROJECT: [{"ApiKey": [], "ApiSecret": []}, {"ProjectToken": []}],
    WORKSPACE: [{"WorkspaceToken": []}],
    USER: USER_SECURITY,
    ADMIN: [{"AdminCookie": []}, {"AdminToken": []}],
    ADMIN_PROJECT: [{"AdminCookie": []}, {"AdminToken": []}],
}
