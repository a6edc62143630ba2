"""The catalogues of REST error codes and of WebSocket close codes, and the exceptions of this package.

A REST error is raised as `ApiError` where the fact is known, and becomes a response at the edge of the API.
A live connection ends with a `CloseCode`: after 4000-4499 the client reconnects and resumes, after 4500-4999 it does
not. Where RFC 6455 (7.4.1) defines a code, that code is sent: 1002 protocol error, 1007 invalid UTF-8, 1009 message
too large.

The exceptions of `gateway.domain`:

    DomainError
    ├── ApiError            a refused request, with its status and the entries of the `errors` array
    ├── UserDeletedError    gateway.domain.guard: the user that a name resolved to has been deleted
    ├── TokenRevokedError   gateway.domain.guard: the token of the call has been revoked
    ├── RateLimitedError    gateway.domain.guard: the rate limit of the call is used up
    └── ConditionError      gateway.domain.condition: a broadcast's condition is not valid (also a ValueError)
"""

from dataclasses import dataclass
from enum import Enum

import msgspec


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """An entry of the catalogue: stable code, HTTP status, default message, and what the client can do about it."""

    code: str
    status: int
    message: str
    suggestion: str = ""
    help_link: str = ""
    """The path of a page of this gateway that explains the error, or ""."""


UNKNOWN_FORMAT_REMEDY = "serve this store with the version that wrote it, or a newer one."
"""What an operator can do about `ErrorCode.STORE_FORMAT_UNKNOWN`; the command line prints it too."""


class ErrorCode(Enum):
    """The REST errors that have a code. A 422 for an invalid parameter has none, as in the v1 contract."""

    MALFORMED_REQUEST = ErrorKind(
        "malformed_request", 400, "The request is not valid HTTP", "The connection is closed; see RFC 9112."
    )
    API_KEY_NOT_PROVIDED = ErrorKind(
        "api_key_not_provided", 401, "API Key not provided", "Send the project's key as X-MAGICBELL-API-KEY."
    )
    INCORRECT_API_KEY = ErrorKind(
        "incorrect_api_key", 401, "API Key is incorrect", "`inbox-gateway project list` shows the keys."
    )
    API_SECRET_NOT_PROVIDED = ErrorKind(
        "api_secret_not_provided",
        401,
        "API Secret not provided",
        "This is an admin call: send X-MAGICBELL-API-SECRET.",
    )
    API_SECRET_IS_INCORRECT = ErrorKind(
        "api_secret_is_incorrect",
        401,
        "API Secret is incorrect",
        "Send the secret of the project that the API key names; `inbox-gateway project rotate-secret` creates one.",
        "/docs#credential-ApiSecret",
    )
    NEITHER_USER_HMAC_NOR_API_SECRET_PROVIDED = ErrorKind(
        "neither_user_hmac_nor_api_secret_provided",
        401,
        "Neither user HMAC nor API secret provided",
        "The project has HMAC enabled: send X-MAGICBELL-USER-HMAC.",
    )
    USER_EMAIL_NOT_PROVIDED = ErrorKind(
        "user_email_not_provided",
        401,
        "User email or external id not provided",
        "Send X-MAGICBELL-USER-EXTERNAL-ID or X-MAGICBELL-USER-EMAIL.",
    )
    USER_NOT_FOUND = ErrorKind(
        "user_not_found",
        401,
        "The project has no such user",
        "Create the user first: POST /users, or send it a notification.",
    )
    USER_HMAC_IS_INCORRECT = ErrorKind(
        "user_hmac_is_incorrect",
        401,
        "User HMAC is incorrect",
        "Send base64(HMAC-SHA256(API secret, external id or lower-case email)).",
    )
    WEBHOOK_NOT_SIGNED = ErrorKind(
        "webhook_not_signed",
        401,
        "The webhook has no valid signature",
        "Save the signing secret that the provider shows, and check the clocks.",
    )
    TOKEN_IS_INCORRECT = ErrorKind(
        "token_is_incorrect",
        401,
        "The token is incorrect",
        "Sign it with the project's API secret (HS256) or one of its keys (RS256, ES256); claims: api_key, exp, "
        "user_external_id or user_email.",
    )
    TOKEN_REVOKED = ErrorKind(
        "token_revoked",
        401,
        "The token was revoked",
        "Get a new one. A token that your backend signs needs the current time in its `iat` claim.",
    )
    CREDENTIALS_ROTATED = ErrorKind(
        "credentials_rotated", 401, "The secret or key that proves these credentials has ended", "Get new credentials."
    )
    TOKEN_EXPIRED = ErrorKind("token_expired", 401, "The token has expired", "Sign a new one.")
    FORBIDDEN = ErrorKind("forbidden", 403, "These credentials do not allow this call")
    ORIGIN_NOT_ALLOWED = ErrorKind(
        "origin_not_allowed",
        403,
        "This origin is not allowed",
        "Add it to the project's allowed_origins, or to INBOX_ALLOWED_ORIGINS if it has none.",
    )
    SESSION_NEEDED = ErrorKind(
        "session_needed",
        401,
        "Nobody is signed in",
        "Sign in at /admin, or send a token: `inbox-gateway admin token EMAIL` prints one.",
    )
    EMAIL_OR_PASSWORD_INCORRECT = ErrorKind(
        "email_or_password_incorrect",
        401,
        "The email or the password is incorrect",
        "`inbox-gateway admin reset-password EMAIL` sets another password.",
    )
    ROLE_TOO_LOW = ErrorKind(
        "role_too_low", 403, "Your role does not allow this", "Ask an owner for another role: Settings, Admins."
    )
    CONFIRMATION_REQUIRED = ErrorKind(
        "confirmation_required",
        403,
        "This needs your password again",
        "POST /admin/api/confirm with the password. It is good for 15 minutes.",
    )
    CROSS_SITE = ErrorKind(
        "cross_site",
        403,
        "The request does not come from a page of the dashboard",
        "Send `Sec-Fetch-Site: same-origin` or the `Origin` of the gateway, or a token in place of the cookie.",
    )
    NEEDS_HTTPS = ErrorKind(
        "needs_https",
        403,
        "Nobody can sign in over plain HTTP from another machine",
        "Open the dashboard by https, or on the gateway's own machine by http://localhost. Behind a proxy, set "
        "X-Forwarded-Proto, INBOX_TRUSTED_PROXIES or INBOX_PUBLIC_URL.",
    )
    SETUP_LINK_ENDED = ErrorKind(
        "setup_link_ended",
        403,
        "This link was used already, or has ended",
        "`inbox-gateway admin setup-link` prints another one for the first owner; otherwise ask an owner.",
    )
    NOT_FOUND = ErrorKind("not_found", 404, "Not found")
    METHOD_NOT_ALLOWED = ErrorKind("method_not_allowed", 405, "Method not allowed")
    REQUEST_TIMEOUT = ErrorKind("request_timeout", 408, "The body did not come in time", "See INBOX_BODY_SECONDS.")
    IDEMPOTENCY_KEY_IN_USE = ErrorKind(
        "idempotency_key_in_use",
        409,
        "The first request with this Idempotency-Key is still running",
        "Try again in a moment.",
    )
    WEBHOOK_ENDPOINT_DISABLED = ErrorKind(
        "webhook_endpoint_disabled", 409, "Nothing is sent to this endpoint, because it is disabled", "Enable it first."
    )
    DELIVERY_NOT_RETRYABLE = ErrorKind(
        "delivery_not_retryable",
        409,
        "The delivery cannot be retried",
        "The message says why; the trace of the notification has the rest.",
    )
    BODY_TOO_LARGE = ErrorKind(
        "body_too_large",
        413,
        "The body is too large",
        "The message has the limit of this operation. The limit of all operations is INBOX_MAX_BODY_BYTES.",
    )
    LAST_OWNER = ErrorKind(
        "last_owner",
        409,
        "Nobody would be left who may change admins",
        "Make somebody else an owner of all workspaces first.",
    )
    CONTENT_TYPE_NOT_SUPPORTED = ErrorKind(
        "content_type_not_supported",
        415,
        "The body must be JSON",
        "Send `Content-Type: application/json`.",
    )
    CONTENT_CODING_NOT_SUPPORTED = ErrorKind(
        "content_coding_not_supported",
        415,
        "The body has a Content-Encoding, and only plain JSON is read",
        "Send the body without compression.",
    )
    TOO_MANY_TOKENS = ErrorKind(
        "too_many_tokens",
        422,
        "There are too many tokens that have not expired",
        "Discard some, or issue them for a shorter time.",
    )
    IDEMPOTENCY_KEY_REUSED = ErrorKind(
        "idempotency_key_reused",
        422,
        "This Idempotency-Key came with another body before",
        "Use a fresh key for each distinct request.",
    )
    UPGRADE_REQUIRED = ErrorKind(
        "upgrade_required",
        426,
        "This address takes WebSocket connections only",
        "Send `Connection: Upgrade, Upgrade: websocket`.",
    )
    RATE_LIMIT_EXCEEDED = ErrorKind(
        "rate_limit_exceeded",
        429,
        "Too many requests in this minute",
        "Wait for Retry-After seconds. Open inboxes receive changes without polling.",
    )
    TOO_MANY_TRIES = ErrorKind(
        "too_many_tries",
        429,
        "Too many passwords were tried",
        "Wait for Retry-After seconds. `inbox-gateway admin reset-password EMAIL` sets another password.",
    )
    TOO_MANY_NEW_USERS = ErrorKind(
        "too_many_new_users",
        429,
        "Too many new users",
        "Wait for Retry-After seconds. With HMAC disabled, new users are created without proof: enable it, "
        "create users with the API secret, or raise INBOX_NEW_USERS_PER_HOUR or INBOX_NEW_USERS_PER_HOUR_PER_ADDRESS.",
    )
    USER_LIMIT_REACHED = ErrorKind(
        "user_limit_reached",
        403,
        "The project has as many users as it may have",
        "Delete users, or raise `max_users` of the project.",
    )
    STORAGE_LIMIT_REACHED = ErrorKind(
        "storage_limit_reached",
        403,
        "The project stores as much as it may",
        "Delete notifications or users, keep fewer (`item_retention_count`), or raise `max_storage_bytes`. What was "
        "deleted counts for up to ten minutes.",
    )
    SENDS_PER_MINUTE_REACHED = ErrorKind(
        "sends_per_minute_reached",
        429,
        "The project has sent as often in this minute as it may",
        "Wait for Retry-After seconds, or raise `max_sends_per_minute` of the project.",
    )
    SENDS_PER_MONTH_REACHED = ErrorKind(
        "sends_per_month_reached",
        429,
        "The project has sent as often in this month as it may",
        "Raise `max_sends_per_month` of the project. Retry-After is the end of the month.",
    )
    TOO_MANY_TAILS = ErrorKind(
        "too_many_tails",
        429,
        "There are too many open tails of events",
        "Close some. A worker has at most 10 of a project, 4 of an admin, and 200 in all.",
    )
    TOO_MANY_BODIES = ErrorKind(
        "too_many_bodies",
        429,
        "Too many bytes of request bodies are under way from here",
        "Send fewer large requests at once, and each body without pauses.",
    )
    HEADERS_TOO_LARGE = ErrorKind(
        "headers_too_large", 431, "The request's headers are too large", "Keep them under 64 KB and 100 lines together."
    )
    INTERNAL_ERROR = ErrorKind("internal_error", 500, "Something went wrong on our side")
    NOT_BUILT = ErrorKind("not_built", 501, "This operation is not built yet")
    METHOD_NOT_IMPLEMENTED = ErrorKind("method_not_implemented", 501, "This method is not served")
    TRANSFER_CODING_NOT_IMPLEMENTED = ErrorKind(
        "transfer_coding_not_implemented", 501, "This Transfer-Encoding is not understood", "Send `chunked`."
    )
    REDIS_UNAVAILABLE = ErrorKind(
        "redis_unavailable", 503, "The store cannot be reached", "Nothing was lost; try again in a moment."
    )
    STORE_REFUSED = ErrorKind(
        "store_refused",
        503,
        "The store refuses the gateway",
        "Try again in a moment. For the operator: check the password and the access list in Redis.",
    )
    STORE_READ_ONLY = ErrorKind(
        "store_read_only",
        503,
        "The store takes no writes",
        "Reads still work; try again in a moment. For the operator: see Redis's log.",
    )
    STORE_DATA_BROKEN = ErrorKind(
        "store_data_broken",
        503,
        "A record in the store cannot be read",
        "Try again in a moment. For the operator: the log names the record; repair or remove it.",
    )
    STORE_FORMAT_UNKNOWN = ErrorKind(
        "store_format_unknown",
        503,
        "What is stored is of a format that this version does not know",
        f"Try again in a moment. For the operator: {UNKNOWN_FORMAT_REMEDY}",
    )
    STORE_EMPTY = ErrorKind(
        "store_empty",
        503,
        "The store has lost its data",
        "Try again in a moment. For the operator: restore the store, or create the projects again.",
    )
    PROVIDER_FAILED = ErrorKind(
        "provider_failed", 502, "The provider did not respond as it should", "Nothing was saved; try again in a moment."
    )
    HTTP_VERSION_NOT_SUPPORTED = ErrorKind(
        "http_version_not_supported", 505, "This version of HTTP is not supported", "Use HTTP/1.1."
    )
    STORE_FULL = ErrorKind(
        "store_full",
        507,
        "The store is full",
        "Reads and deletions still work; try again later. For the operator: raise maxmemory in Redis, or delete data.",
    )
    OVERLOADED = ErrorKind(
        "overloaded", 503, "This worker holds as many bytes of request bodies as it may", "Try again in a moment."
    )

    @property
    def kind(self) -> ErrorKind:
        """Return the entry of the catalogue."""
        return self.value

    def problem(self, message: str = "", suggestion: str = "") -> "Problem":
        """Return an entry of the `errors` array, with a more precise message or suggestion where given."""
        kind = self.kind
        return Problem(message or kind.message, kind.code, suggestion or kind.suggestion, kind.help_link)


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entry of the `errors` array, as it is encoded. `code` is "" where the contract gives none."""

    message: str
    code: str = ""
    suggestion: str = ""
    help_link: str = ""


class DomainError(Exception):
    """Base class of the exceptions of this package; the module's docstring lists them."""


class ApiError(DomainError):
    """A request that is refused.

    `code` is the entry of the catalogue, or None for an invalid parameter or body, to which the v1 contract gives no
    code. `problems` are the entries of the response's `errors` array; there is at least one.
    Create it with `api_error`, `invalid` or `malformed_body`.
    """

    def __init__(
        self,
        code: ErrorCode | None,
        status: int,
        problems: tuple[Problem, ...],
        retry_after_seconds: int | None = None,
    ):
        super().__init__("; ".join(problem.message for problem in problems))
        self.code = code
        self.status = status
        self.problems = problems
        self.retry_after_seconds = retry_after_seconds

    def problems_with_links(self, base: str) -> tuple[Problem, ...]:
        """Return the problems with their help links as URLs; `base` is the address of the gateway's root."""
        return tuple(
            msgspec.structs.replace(problem, help_link=base + problem.help_link) if problem.help_link else problem
            for problem in self.problems
        )


def api_error(
    code: ErrorCode, message: str = "", retry_after_seconds: int | None = None, *, suggestion: str = ""
) -> ApiError:
    """Create the error of a catalogue entry, with a more precise message or suggestion where given."""
    return ApiError(code, code.kind.status, (code.problem(message, suggestion),), retry_after_seconds)


HASH_IS = 'A hash is a JSON object, such as {"plan": "pro"}.'
"""The suggestion for messages of the v1 contract that call a JSON object by its Ruby name."""


def invalid(*messages: str) -> ApiError:
    """Create the 422 of invalid parameters; each message names one of them."""
    return ApiError(None, 422, tuple(Problem(message, suggestion=_suggestion(message)) for message in messages))


def malformed_body(message: str) -> ApiError:
    """Create the 400 of a body that cannot be decoded."""
    return ApiError(None, 400, (Problem(message),))


def unknown_parameter(message: str) -> Problem:
    """Return the problem of a live connection whose request has a misspelt parameter (`CloseCode.INVALID_REQUEST`)."""
    return Problem(message, "unknown_parameter")


def _suggestion(message: str) -> str:
    return HASH_IS if message.endswith("must be a hash") else ""


class CloseCode(Enum):
    """Why a live connection ended. The name in lower case is the `reason` that clients receive."""

    # The client reconnects and resumes.
    DRAINING = 4001
    HEARTBEAT_TIMEOUT = 4002
    SLOW_READER = 4003
    TRY_AGAIN_LATER = 4004
    INTERNAL_ERROR = 4005
    TOO_MANY_NEW_USERS = 4006
    # The client does not reconnect with the same credentials or behaviour.
    UNAUTHORIZED = 4501
    AUTHENTICATION_TIMEOUT = 4502
    FORBIDDEN = 4503
    TOKEN_EXPIRED = 4504
    TOO_MANY_MESSAGES = 4505
    TOO_MANY_CONNECTIONS = 4506
    USER_DELETED = 4507
    TOKEN_REVOKED = 4508
    CREDENTIALS_ROTATED = 4509
    INVALID_REQUEST = 4510

    @property
    def reason(self) -> str:
        """Return the stable name that clients receive and metrics are labelled with."""
        return self.name.lower()

    @property
    def may_resume(self) -> bool:
        """Return whether the client should reconnect with its last position."""
        return self.value < 4500

    @property
    def problem(self) -> Problem:
        """Return the entry of the `errors` array for a stream that is refused without a more precise reason."""
        return Problem(self.reason)


CLOSE_CODE_MEANINGS = {
    CloseCode.DRAINING: "The node is shutting down; reconnect after `retry_after_ms`.",
    CloseCode.HEARTBEAT_TIMEOUT: "The client sent nothing for 2.5 heartbeats.",
    CloseCode.SLOW_READER: "The client does not read, and more than INBOX_MAX_WRITE_BUFFER_BYTES are buffered for it.",
    CloseCode.TRY_AGAIN_LATER: "The store was not reachable while the connection was opened, or it has lost its data.",
    CloseCode.INTERNAL_ERROR: "Something went wrong on our side.",
    CloseCode.TOO_MANY_NEW_USERS: "The user is new, and too many new users without proof were created recently; "
    "reconnect after `retry_after_ms`.",
    CloseCode.UNAUTHORIZED: "The credentials are missing or wrong; `message` has the details.",
    CloseCode.FORBIDDEN: "The credentials or the origin do not allow this connection.",
    CloseCode.AUTHENTICATION_TIMEOUT: "The client sent no credentials in time.",
    CloseCode.TOKEN_EXPIRED: "The token's `exp` has passed; connect with a new one.",
    CloseCode.USER_DELETED: "The user was deleted.",
    CloseCode.TOKEN_REVOKED: "The token was revoked.",
    CloseCode.INVALID_REQUEST: "The opening request has a misspelt parameter.",
    CloseCode.CREDENTIALS_ROTATED: "The API secret was rotated, the public key or the project was removed, or HMAC "
    "was enabled.",
    CloseCode.TOO_MANY_MESSAGES: "The client sent messages faster than INBOX_MAX_MESSAGES_PER_MINUTE.",
    CloseCode.TOO_MANY_CONNECTIONS: "The user has INBOX_MAX_CONNECTIONS_PER_USER connections on this worker.",
}
