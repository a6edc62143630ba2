"""Translates exceptions into responses with the v1 `errors` array. No other module does so.

The API has no exceptions of its own. It raises `ApiError` (`gateway.domain.errors` has the tree). It translates the
exceptions of the domain and the store that concern a call: RateLimitedError, TokenRevokedError and
StoreUnavailableError.
"""

from collections.abc import Callable

from starlette.responses import Response

from gateway.api.core.responses import json_response
from gateway.domain.errors import ApiError, ErrorCode, api_error
from gateway.domain.guard import Allowance, RateLimitedError, TokenRevokedError
from gateway.store.redis.client import StoreUnavailableError
from gateway.telemetry.metrics import RATE_LIMITED


def not_found(what: str, suggestion: str = "") -> ApiError:
    """Return the 404 error for something that does not exist, such as a "Notification"."""
    return api_error(ErrorCode.NOT_FOUND, f"{what} not found", suggestion=suggestion)


def no_route(method: str, path: str) -> ApiError:
    """Return the 404 error for a path that no operation has."""
    return api_error(ErrorCode.NOT_FOUND, f"No route {method} {path}")


def body_too_large(max_bytes: int) -> ApiError:
    """Return the 413 error for a body that has more than `max_bytes`."""
    return api_error(ErrorCode.BODY_TOO_LARGE, f"The body is larger than {max_bytes} bytes")


def error_response(error: ApiError, base: Callable[[], str] | None = None) -> Response:
    """Return the response to a request that failed with an error.

    `base` returns the address at which the client reached the gateway. It is called only for a problem with a help
    link.
    """
    problems = error.problems
    if base is not None and any(problem.help_link for problem in problems):
        problems = error.problems_with_links(base())
    headers = {"Retry-After": str(error.retry_after_seconds)} if error.retry_after_seconds is not None else {}
    if error.code is ErrorCode.REQUEST_TIMEOUT:
        # The rest of the body may never arrive, so no other request can follow on this connection. (After a 413 the
        # rest does arrive and is discarded. Closing then would reset the connection before the client has read the
        # response.)
        headers["Connection"] = "close"
    return json_response({"errors": problems}, error.status, headers)


def rate_limited_response(limited: RateLimitedError) -> Response:
    """Return the 429 response to a call over its rate limit."""
    allowance = limited.allowance
    RATE_LIMITED.labels(allowance.kind.value).inc()
    message = f"More than {allowance.limit} {allowance.kind.value} in this minute"
    response = error_response(api_error(ErrorCode.RATE_LIMIT_EXCEEDED, message, limited.retry_after_seconds))
    add_rate_headers(response, allowance)
    return response


def add_rate_headers(response: Response, allowance: Allowance) -> None:
    """Add the `RateLimit-*` headers of a counted call to its response."""
    response.raw_headers += (
        (b"ratelimit-limit", b"%d" % allowance.limit),
        (b"ratelimit-remaining", b"%d" % allowance.remaining),
        (b"ratelimit-reset", b"%d" % allowance.reset_seconds),
    )


def failure_response(
    failure: RateLimitedError | TokenRevokedError | StoreUnavailableError,
) -> Response:
    """Return the response to a call that failed in the domain or the store."""
    match failure:
        case RateLimitedError():
            return rate_limited_response(failure)
        case TokenRevokedError():
            return error_response(api_error(ErrorCode.TOKEN_REVOKED))
        case StoreUnavailableError():
            return error_response(api_error(failure.code, failure.cause, failure.retry_after_seconds))
