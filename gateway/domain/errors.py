"""Every error that a client can meet: one catalogue for REST codes, one for close codes.

A REST error is raised as `ApiError` where the fact is known and turned into a response at the edge.
A live connection ends with a `CloseCode`: 4000-4499 mean "come back and resume", 4500-4999 "do not come back".
What RFC 6455 has a code for keeps that: 1002 protocol error, 1007 not UTF-8, 1009 message too large.
"""

from dataclasses import dataclass
from enum import Enum

import msgspec


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """A row of the catalogue: stable code, HTTP status, message, and what to do about it."""

    code: str
    status: int
    message: str
    suggestion: str = ""


class ErrorCode(Enum):
    """REST errors that carry a code. A 422 for a bad parameter carries none, as the v1 contract has it."""

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
    API_SECRET_IS_INCORRECT = ErrorKind("api_secret_is_incorrect", 401, "API Secret is incorrect")
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
        "user_not_found", 401, "The project has no such user", "Create the user first: POST /users, or send something."
    )
    USER_HMAC_IS_INCORRECT = ErrorKind(
        "user_hmac_is_incorrect",
        401,
        "User HMAC is incorrect",
        "Send base64(HMAC-SHA256(API secret, external id or lower-case email)).",
    )
    TOKEN_IS_INCORRECT = ErrorKind(
        "token_is_incorrect",
        401,
        "The token is incorrect",
        "Sign it with the project's API secret (HS256) or one of its keys (RS256, ES256); claims: api_key, exp, "
        "user_external_id or user_email.",
    )
    TOKEN_REVOKED = ErrorKind("token_revoked", 401, "The token was revoked", "Sign a new one.")
    CREDENTIALS_ROTATED = ErrorKind(
        "credentials_rotated", 401, "What these credentials rest on does not count any more", "Make new ones."
    )
    TOKEN_EXPIRED = ErrorKind("token_expired", 401, "The token has expired", "Sign a new one.")
    FORBIDDEN = ErrorKind("forbidden", 403, "These credentials do not allow this call")
    ORIGIN_NOT_ALLOWED = ErrorKind(
        "origin_not_allowed",
        403,
        "This origin is not allowed",
        "Add it to the project's allowed_origins, or to INBOX_ALLOWED_ORIGINS if it has none.",
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
    BODY_TOO_LARGE = ErrorKind(
        "body_too_large",
        413,
        "The body is too large",
        "The message says what this operation takes; where that is the most of all, INBOX_MAX_BODY_BYTES sets it.",
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
    RATE_LIMIT_EXCEEDED = ErrorKind(
        "rate_limit_exceeded",
        429,
        "Too many requests in this minute",
        "Wait for Retry-After seconds; open inboxes get changes without asking.",
    )
    )
    TOO_MANY_BODIES = ErrorKind(
        "too_many_bodies",
        429,
        "Too many bytes of request bodies are under way from here",
        "Send fewer large requests at once, and each of them in one go.",
