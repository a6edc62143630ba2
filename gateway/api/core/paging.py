"""Pages as v2 defines them: newest first, with `page[size]`, `page[after]`, `page[before]`, and `links` in responses.

Newer clients of v2 send `limit`, `starting_after` and `ending_before`. These apply where the others are absent.
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
    Number("page[size]", "Entries on a page.", default=DEFAULT_SIZE, least=1, most=MAX_SIZE),
    Formed("page[after]", "Entries that follow the one with this id.", *_CURSOR),
    Formed("page[before]", "Entries that precede the one with this id.", *_CURSOR),
    Number("limit", "The same as `page[size]`.", default=DEFAULT_SIZE, least=1, most=MAX_SIZE),
    Formed("starting_after", "The same as `page[after]`.", *_CURSOR),
    Formed("ending_before", "The same as `page[before]`.", *_CURSOR),
)
"""The query parameters of a list."""

_CURSOR_NAMES = (("page[after]", "starting_after"), ("page[before]", "ending_before"))


class Links(msgspec.Struct):
    """The addresses of other pages of a list, null where there is none."""

    first: str
    next: str | None
    prev: str | None


class Page(NamedTuple):
    """The requested part of a list. At most one of the cursors is set."""

    size: int
    after: str | None
    before: str | None


def read_page(query: Mapping[str, Any]) -> Page:
    """Return the page that a query selects. Raises ApiError 422."""
    after, before = (query[ours] or query[newer] for ours, newer in _CURSOR_NAMES)
    if after and before:
        raise invalid("Param 'page[before]' must not come with 'page[after]'")
    size = query["page[size]"] if query["page[size]"] != DEFAULT_SIZE else query["limit"]
    return Page(size, after and after.lower(), before and before.lower())


def links(path: str, size: int, newer_than: str | None, older_than: str | None) -> dict[str, str | None]:
    """Return the `links` of a page.

    `newer_than` is the id of the page's first entry, None if no entry is newer; `older_than` that of its last.
    """

    def link(**cursor: str) -> str:
        query = {"page[size]": str(size), **{f"page[{name}]": value for name, value in cursor.items()}}
        return f"{quote(path)}?{urlencode(query)}"

    return {
        "first": link(),
        "next": link(after=older_than) if older_than else None,
        "prev": link(before=newer_than) if newer_than else None,
    }
