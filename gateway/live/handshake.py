"""The opening request of a live connection: its credentials, its position and its origin."""

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
"""The longest name of a query field that may be a misspelling of a known one."""

_LAST_EVENT_ID = re.compile("last[-_]*event[-_]*id[-_]*", re.IGNORECASE)


class Handshake(NamedTuple):
    """The content of an opening request. `since` is unparsed text, cut to `MAX_SINCE_LENGTH` characters."""

    credentials: Credentials
    since: str | None
    origin: str | None
    request_id: str = ""
    client: str = ""
    """The client's address, "" where it was not determined."""
    problem: Problem | None = None
    """Why the request is refused before its credentials are verified, None if it is not."""
    wait: str | None = None
    """The seconds to wait for an event, as unparsed text. Long polling has it."""


def read_handshake(headers: Mapping[str, str], query: str, request_id: str = "", client: str = "") -> Handshake:
    """Read the headers, with lower-case names, and the query string. A header takes precedence over a query field.

    `EventSource` repeats its URL, so the newer position of `Last-Event-ID` takes precedence over `since`. Replacements
    of `EventSource` that cannot set headers send `lastEventId` in the query, each in its own spelling.
    """
    credentials, since = header_credentials(headers.get), headers.get("last-event-id")
    problem = wait = None
    if query:
        fields = _query_fields(query)
        credentials = Credentials(
            api_key=credentials.api_key or fields.get("api_key"),
            api_secret=credentials.api_secret,
            external_id=credentials.external_id or fields.get("user_external_id"),
            email=credentials.email or _with_plus(fields.get("user_email")),
            hmac=credentials.hmac or _with_plus(fields.get("user_hmac")),
            token=credentials.token or fields.get("token"),
        )
        since = since or _last_event_id(fields) or fields.get("since")
        wait = fields.get("wait")
        problem = _misspelt(fields) if fields.keys() - _KNOWN else None
    return Handshake(
        credentials,
        since[:MAX_SINCE_LENGTH] if since else None,
        headers.get("origin"),
        request_id,
        client,
        problem,
        wait,
    )


_KNOWN = frozenset(("api_key", "user_external_id", "user_email", "user_hmac", "token", "since"))


def _misspelt(fields: Mapping[str, str]) -> Problem | None:
    """Return the problem of an unknown field whose name is similar to a known one, None if there is no such field.

    Other unknown fields are ignored: replacements of `EventSource` add their own, and so do clients that bypass caches.
    """
    for name in fields:
        if name not in _KNOWN and len(name) <= MAX_NAME_LENGTH and not _LAST_EVENT_ID.fullmatch(name):
            close = difflib.get_close_matches(name.lower(), _KNOWN, n=1, cutoff=0.75)
            if close:
                return unknown_parameter(f"Param '{name}' is not known; did you mean '{close[0]}'?")
    return None


def _query_fields(query: str) -> dict[str, str]:
    try:
        # A query has few fields. One with many is an attack on the parser.
        parsed = parse_qs(query, max_num_fields=32)
    except ValueError:
        return {}
    return {name: values[-1] for name, values in parsed.items()}


def _with_plus(value: str | None) -> str | None:
    """Return a field with its `+` restored, which arrives as a space if the client did not escape it.

    Neither base64 nor an email address has spaces, so nothing else can have been meant. An id may have both.
    """
    return value.strip().replace(" ", "+") if value else None


def _last_event_id(fields: Mapping[str, str]) -> str | None:
    return next((value for name, value in fields.items() if _LAST_EVENT_ID.fullmatch(name)), None)
