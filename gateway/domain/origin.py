"""Origins of browser pages (RFC 6454), and which of them may call.

An allowed origin is `scheme://host[:port]`; the same with a leading `*.`, for every subdomain but not the domain
itself; or `*`, for every origin. Both sides of a comparison are normalised first: lower case, without the scheme's
default port and without a trailing slash.
"""

import re
from collections.abc import Collection
from functools import lru_cache

from gateway.domain.address import HOST_PATTERN, NAME_PATTERN, PORT_PATTERN, canonical_host

ANY = "*"

# Any scheme is allowed: webviews of mobile apps have schemes of their own (capacitor://localhost).
ORIGIN_PATTERN = rf"(\*|[A-Za-z][A-Za-z0-9+.-]*://(\*\.{NAME_PATTERN}|{HOST_PATTERN})(:{PORT_PATTERN})?/?)"
"""What `read_origin` accepts. The syntax is common to Python and ECMA-262."""

MAX_ORIGIN_LENGTH = 255

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def read_origin(text: str) -> str | None:
    """Return an allowed origin as browsers spell it, or None if `text` is not an origin."""
    return _read_origin(text) if len(text) <= MAX_ORIGIN_LENGTH else None


@lru_cache(maxsize=1024)
def _read_origin(text: str) -> str | None:
    if not re.fullmatch(ORIGIN_PATTERN, text):
        return None
    if text == ANY:
        return ANY
    scheme, _, rest = text.rstrip("/").lower().partition("://")
    star = "*." if rest.startswith("*.") else ""
    host = canonical_host(rest.removeprefix(star), _DEFAULT_PORTS.get(scheme))
    return None if host is None else f"{scheme}://{star}{host}"


def origin_allowed(origin: str | None, allowed: Collection[str]) -> bool:
    """Return whether a page of this origin may call. Programs other than browsers send no origin (None) and may call.

    `allowed` are return values of `read_origin`. Every request is checked here: REST, preflight, SSE and WebSocket.
    """
    if origin is None or ANY in allowed:
        return True
    canonical = None if "*" in origin else read_origin(origin)
    if canonical is None:
        return False
    return canonical in allowed or any(_is_below(canonical, entry) for entry in allowed)


def allow_origin(origin: str, allowed: Collection[str]) -> str | None:
    """Return the value of `Access-Control-Allow-Origin` for a page of this origin, None for no such header."""
    if ANY in allowed:
        return ANY
    return origin if origin_allowed(origin, allowed) else None


def _is_below(origin: str, entry: str) -> bool:
    head, star, tail = entry.partition("://*.")
    scheme, _, host = origin.partition("://")
    return bool(star) and scheme == head and host.endswith(f".{tail}")
