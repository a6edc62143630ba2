"""What a live connection brings with its opening request: credentials, a position, an origin."""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qs

from gateway.auth import header_credentials
from gateway.domain.principal import Credentials

MAX_SINCE_LENGTH = 64


class Handshake(NamedTuple):
    """The opening request, understood. `since` is as the client wrote it."""

    credentials: Credentials
    since: str | None
    origin: str | None
    request_id: str = ""
    client: str = ""
    """The client's address, "" where it is not needed."""


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
    return Handshake(credentials, since[:MAX_SINCE_LENGTH] if since else None, headers.get("origin"))


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
    spelt = (value for name, value in fields.items() if re.sub("[-_]", "", name).lower() == "lasteventid")
    return next(spelt, None)
