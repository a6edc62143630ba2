"""Pages as v2 defines them: newest first, with `page[size]`, `page[after]`, `page[before]`, and `links` in responses.

Newer clients of v2 send `limit`, `starting_after` and `ending_before`. These apply where the others are absent.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode
from uuid import UUID

import msgspec
from starlette.responses import Response

from gateway.api.core.call import Call
from gateway.api.core.query import Fields, Formed, Number, QueryParam
from gateway.api.core.responses import json_response
from gateway.domain.errors import invalid

DEFAULT_SIZE = 50
MAX_SIZE = 100

_UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def _paging(form: str, pattern: str) -> tuple[QueryParam, ...]:
    return (
        Number("page[size]", "Entries on a page.", default=DEFAULT_SIZE, least=1, most=MAX_SIZE),
        Formed("page[after]", "Entries that follow the one with this id.", form, pattern),
        Formed("page[before]", "Entries that precede the one with this id.", form, pattern),
        Number("limit", "The same as `page[size]`.", default=DEFAULT_SIZE, least=1, most=MAX_SIZE),
        Formed("starting_after", "The same as `page[after]`.", form, pattern),
        Formed("ending_before", "The same as `page[before]`.", form, pattern),
    )


PAGING = _paging("the id of an entry", _UUID)
"""The query parameters of a list."""

PLACED_PAGING = _paging("the id of an entry, or a cursor of `links`", rf"{_UUID}(\.[0-9]{{1,15}})?")
"""The same for a list whose cursors in `links` have an entry's place after its id. So a page can follow an entry that
was deleted meanwhile."""

_NAMES = ("page[size]", "page[after]", "page[before]")
_NEWER_NAMES = ("limit", "starting_after", "ending_before")


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
    after, before = (query[ours] or query[newer] for ours, newer in zip(_NAMES[1:], _NEWER_NAMES[1:], strict=True))
    if after and before:
        raise invalid("Param 'page[before]' must not come with 'page[after]'")
    size = query["page[size]"] if query["page[size]"] != DEFAULT_SIZE else query["limit"]
    return Page(size, after and after.lower(), before and before.lower())


def page_response(
    call: Call, page: Page, entries: Sequence[Mapping[str, Any]], has_newer: bool, has_older: bool
) -> Response:
    """Return the response with a page of a list: its `data` and its `links`. Each entry has an `id`, its cursor.

    `has_newer` and `has_older` are whether there are entries beyond the two ends of the page.
    """
    newer_than = entries[0]["id"] if has_newer and entries else None
    older_than = entries[-1]["id"] if has_older and entries else None
    path = call.forwarded.prefix + call.request.path
    fields = call.request.query_params.multi_items()
    return json_response({"data": entries, "links": links(path, fields, page.size, newer_than, older_than)})


def whole_list_response(call: Call, entries: Sequence[Mapping[str, Any]]) -> Response:
    """Return the response with the requested page of a short list, which was read as a whole, newest first."""
    page = read_page(call.query())
    wanted = [
        entry
        for entry in entries
        if (page.after is None or entry["id"] < page.after) and (page.before is None or entry["id"] > page.before)
    ]
    wanted = wanted[-page.size :] if page.before is not None else wanted[: page.size]
    has_newer = bool(wanted) and wanted[0] is not entries[0]
    has_older = bool(wanted) and wanted[-1] is not entries[-1]
    return page_response(call, page, wanted, has_newer, has_older)


class Cursor(NamedTuple):
    """A cursor of PLACED_PAGING: the id of an entry, and its place in the list, None if it is not known."""

    id: UUID
    place: int | None

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Return the cursor that a text of the right form denotes."""
        entry_id, _, place = text.partition(".")
        return cls(UUID(entry_id), int(place) if place else None)


def links(
    path: str, fields: Fields, size: int, newer_than: str | None, older_than: str | None
) -> dict[str, str | None]:
    """Return the `links` of a page: addresses without scheme and host, with the filters of the query.

    `fields` are those of the query, whose names for paging the links keep. `newer_than` is the id of the page's first
    entry, None if no entry is newer; `older_than` that of its last.
    """
    given = {name for name, _ in fields}
    names = _NEWER_NAMES if given.isdisjoint(_NAMES) and not given.isdisjoint(_NEWER_NAMES) else _NAMES
    filters = [(name, text) for name, text in fields if name not in _NAMES and name not in _NEWER_NAMES]

    def link(*cursor: tuple[str, str]) -> str:
        return f"{quote(path)}?{urlencode([*filters, (names[0], str(size)), *cursor])}"

    return {
        "first": link(),
        "next": link((names[1], older_than)) if older_than else None,
        "prev": link((names[2], newer_than)) if newer_than else None,
    }
