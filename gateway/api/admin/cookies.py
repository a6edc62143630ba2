"""The cookie of a session, and the checks that a request comes from a page of the dashboard.

The cookie is `__Host-inbox_admin`, which browsers only accept and send over TLS, and which no other host can set
(RFC 6265bis, 4.1.3.2). A gateway on the same machine may be used without TLS: then the cookie has no prefix.
"""

import re

from gateway.api.core.requests import ApiRequest
from gateway.domain.errors import ErrorCode, api_error
from gateway.domain.proxy import Forwarded

NAME = "inbox_admin"
SIGN_IN_NAME = "inbox_sso"
_LOOPBACK = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?")


def is_loopback(forwarded: Forwarded) -> bool:
    """Return whether the client called this machine by a name that is always its own."""
    return _LOOPBACK.fullmatch(forwarded.host) is not None


def session_cookie(forwarded: Forwarded, secret: str, seconds: int) -> str:
    """Return the value of `Set-Cookie` that begins a session. Raises ApiError 403 for plain HTTP between machines."""
    return _set_cookie(forwarded, NAME, secret, seconds)


def ended_cookie(forwarded: Forwarded) -> str:
    """Return the value of `Set-Cookie` that removes the cookie."""
    return _removed_cookie(forwarded, NAME)


def session_secret(request: ApiRequest, forwarded: Forwarded) -> str:
    """Return the secret in the cookie of a request, "" if there is none. Over TLS, only the prefixed name counts.

    Without TLS, other servers on the same machine can set cookies too (RFC 6265, 8.5). With two of this name, nobody
    knows which one is the gateway's: neither counts. What cookies of other names contain does not matter.
    """
    return _value(request, forwarded, NAME)


def sign_in_cookie(forwarded: Forwarded, value: str, seconds: int) -> str:
    """Return the value of `Set-Cookie` that remembers a sign-in at the provider. Raises ApiError 403 as above."""
    return _set_cookie(forwarded, SIGN_IN_NAME, value, seconds)


def ended_sign_in_cookie(forwarded: Forwarded) -> str:
    """Return the value of `Set-Cookie` that forgets the sign-in at the provider."""
    return _removed_cookie(forwarded, SIGN_IN_NAME)


def sign_in_value(request: ApiRequest, forwarded: Forwarded) -> str:
    """Return what the cookie of a request remembers of a sign-in at the provider, "" if there is none."""
    return _value(request, forwarded, SIGN_IN_NAME)


def _set_cookie(forwarded: Forwarded, name: str, value: str, seconds: int) -> str:
    if forwarded.scheme == "https":
        return f"__Host-{name}={value}; Max-Age={seconds}; Path=/; Secure; HttpOnly; SameSite=Lax"
    if is_loopback(forwarded):
        return f"{name}={value}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Lax"
    raise api_error(ErrorCode.NEEDS_HTTPS)


def _removed_cookie(forwarded: Forwarded, name: str) -> str:
    if forwarded.scheme == "https":
        return f"__Host-{name}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"
    return f"{name}=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"


def _value(request: ApiRequest, forwarded: Forwarded, name: str) -> str:
    if forwarded.scheme != "https" and not is_loopback(forwarded):
        return ""
    full_name = f"__Host-{name}" if forwarded.scheme == "https" else name
    pairs = (pair.strip().partition("=") for pair in request.headers.get("cookie", "").split(";"))
    found = {value for key, _, value in pairs if key == full_name}
    return found.pop() if len(found) == 1 else ""


def check_same_origin(request: ApiRequest, forwarded: Forwarded, *, is_needed: bool = True) -> None:
    """Raise ApiError 403 unless a page of the gateway sent a request, as net/http of Go 1.25 checks it.

    Browsers send `Sec-Fetch-Site`, which pages cannot change; those that do not, send `Origin`. Without `is_needed`, a
    program that sends neither may call too: it has no cookie that a page could use.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        is_ours = site == "same-origin"
    elif origin is not None:
        is_ours = bool(forwarded.host) and origin.partition("://")[2].lower() == forwarded.host
    else:
        is_ours = not is_needed
    if not is_ours:
        raise api_error(ErrorCode.CROSS_SITE)


def check_not_embedded(request: ApiRequest) -> None:
    """Raise ApiError 403 for a request that a page of another origin makes, or links to.

    Such a page cannot read the response, but can measure it, or hold live tails open.
    """
    if request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        raise api_error(ErrorCode.CROSS_SITE)


def check_json(request: ApiRequest, *, reads_body: bool) -> None:
    """Raise ApiError 415 for a body that is not said to be JSON. A form of another site cannot say that it is."""
    content_type = request.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != "application/json" and (reads_body or content_type):
        raise api_error(ErrorCode.CONTENT_TYPE_NOT_SUPPORTED)
