"""Origins of browser pages (RFC 6454), and which of them may call.

An allowed origin is `scheme://host[:port]`, the same with a leading `*.` for every subdomain (and not the domain
itself), or `*` for all.
"""

import re
from collections.abc import Sequence

ANY = "*"

_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = rf"((\*\.)?{_LABEL}(\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])"
# Any scheme: pages of apps have their own (capacitor://localhost), and webviews are clients of ours.
ORIGIN_PATTERN = rf"(\*|[A-Za-z][A-Za-z0-9+.-]*://{_HOST}(:[0-9]{{1,5}})?/?)"
"""What `read_origin` takes, in words that Python and ECMA-262 share."""

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def read_origin(text: str) -> str | None:
    """Bring an allowed origin to the form in which browsers send it; None when it is none."""
    if not re.fullmatch(ORIGIN_PATTERN, text):
        return None
    origin = text.rstrip("/").lower()
    scheme = origin.partition("://")[0]
    return origin.removesuffix(_DEFAULT_PORTS.get(scheme, "\0"))


def origin_allowed(origin: str | None, allowed: Sequence[str]) -> bool:
    """Whether a browser page of this origin may call; other programs send none."""
    if origin is None or ANY in allowed:
        return True
    origin = origin.rstrip("/").lower()
    return origin in allowed or any(_is_below(origin, entry) for entry in allowed)


def _is_below(origin: str, entry: str) -> bool:
    head, star, tail = entry.partition("://*.")
    scheme, _, host = origin.partition("://")
    return bool(star) and scheme == head and host.endswith(f".{tail}")
