"""What a live connection brings with its opening request: credentials, a position, an origin."""

import difflib
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qs

from gateway.auth.credentials import header_credentials
from gateway.domain.errors import Problem, unknown_parameter
from gateway.domain.principal import Credentials

MAX_SINCE_LENGTH = 64

MAX_NAME_LENGTH = 40
"""Longer names are nobody's spelling mistakes."""

_LAST_EVENT_ID = re.compile("last[-_]*event[-_]*id[-_]*", re.IGNORECASE)


class Handshake(NamedTuple):
    """The opening request, understood. `since` is as the client wrote it."""

    credentials: Credentials
    since: str | None
    origin: str | None
    request_id: str = ""
    client: str = ""
    """The client's address, "" where it is not needed."""
    problem: Problem | None = None
    """What is wrong with the request itself."""


def read_handshake(headers: Mapping[str, str], query: str) -> Handshake:
    """Read headers, named in lower case, and the query string; a header wins over the query's field.

    `EventSource` repeats its URL, so the newer position of `Last-Event-ID` wins over `since`. Libraries in its
    place that cannot set a header say `lastEventId` in the query, each in its own spelling.
    """
    fields = _query_fields(query) if query else {}
    from_headers = header_credentials(headers.get)
    credentials = Credentials(
        api_key=from_headers.api_key or fields.get("api_key"),
        api_secret=from_headers.api_secret,
        external_id=from_headers.external_id or fields.get("user_external_id"),
        email=from_headers.email or fields.get("user_email"),
        hmac=from_headers.hmac or _base64_field(fields.get("user_hmac")),
        token=from_headers.token or fields.get("token"),
    )
    since = headers.get("last-event-id") or _last_event_id(fields) or fields.get("since")
    return Handshake(
        credentials,
        since[:MAX_SINCE_LENGTH] if since else None,
        headers.get("origin"),
        problem=_misspelt(fields) if fields.keys() - _KNOWN else None,
    )


_KNOWN = frozenset(("api_key", "user_external_id", "user_email", "user_hmac", "token", "since"))


def _misspelt(fields: Mapping[str, str]) -> Problem | None:
    """Return what is wrong where a field is not known and much like one that is, which it was to be.

    Others are let through: libraries in place of `EventSource`, and those who keep caches apart, add their own.
    """
    for name in fields:
        if name not in _KNOWN and len(name) <= MAX_NAME_LENGTH and not _LAST_EVENT_ID.fullmatch(name):
            close = difflib.get_close_matches(name.lower(), _KNOWN, n=1, cutoff=0.75)
            if close:
                return unknown_parameter(f"Param '{name}' is not known; did you mean '{close[0]}'?")
    return None


def _query_fields(query: str) -> dict[str, str]:
    try:
        # A query has few fields; a long one is an attack on the parser.
        parsed = parse_qs(query, max_num_fields=32)
    except ValueError:
        return {}
    return {name: values[-1] for name, values in parsed.items()}


def _base64_field(value: str | None) -> str | None:
    """Return base64 whose `+` was not escaped, and so came as a space."""
    return value.replace(" ", "+") if value else None


def _last_event_id(fields: Mapping[str, str]) -> str | None:
    return next((value for name, value in fields.items() if _LAST_EVENT_ID.fullmatch(name)), None)
