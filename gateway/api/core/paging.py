"""Pages as v2 has them: newest first, `page[size]`, `page[after]` and `page[before]` in, `links` out.

Newer clients of v2 say `limit`, `starting_after` and `ending_before`, which count where the others are absent.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec

from gateway.api.core.query import Formed, Number, QueryParam
from gateway.domain.errors import invalid

DEFAULT_SIZE = 20
MAX_SIZE = 100

_UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_CURSOR = ("the id of an entry", _UUID)

PAGING: tuple[QueryParam, ...] = (
    Number("page[size]", "How many entries.", default=DEFAULT_SIZE, least=1, most=MAX_SIZE),
    Formed("page[after]", "Entries right after this one.", *_CURSOR),
    Formed("page[before]", "Entries right before this one.", *_CURSOR),
    Number("limit", "As `page[size]`.", default=DEFAULT_SIZE, least=1, most=MAX_SIZE),
    Formed("starting_after", "As `page[after]`.", *_CURSOR),
    Formed("ending_before", "As `page[before]`.", *_CURSOR),
)
"""The query of a list."""


class Links(msgspec.Struct):
    """Where the other pages of a list are, if there are any."""

    first: str
    next: str | None
    prev: str | None


class Page(NamedTuple):
    """What part of a list is asked for; at most one of the cursors is set."""

    size: int
    after: str | None
    before: str | None


def read_page(query: Mapping[str, Any]) -> Page:
    """Read the page from a row's query. Raises ApiError 422."""
    after, before = (query[ours] or query[newer] for ours, newer in _CURSOR_NAMES)
    if after and before:
        raise invalid("Param 'page[before]' must not come with 'page[after]'")
    size = query["page[size]"] if query["page[size]"] != DEFAULT_SIZE else query["limit"]
    return Page(size, after and after.lower(), before and before.lower())


_CURSOR_NAMES = (("page[after]", "starting_after"), ("page[before]", "ending_before"))


def links(path: str, size: int, newer_than: str | None, older_than: str | None) -> dict[str, str | None]:
    """Build the links of a page: to the first one, to what is older than its last entry, newer than its first."""

    def link(**cursor: str) -> str:
        query = {"page[size]": str(size), **{f"page[{name}]": value for name, value in cursor.items()}}
        return f"{quote(path)}?{urlencode(query)}"

    return {
        "first": link(),
        "next": link(after=older_than) if older_than else None,
        "prev": link(before=newer_than) if newer_than else None,
    }
