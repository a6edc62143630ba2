"""Pages of inboxes by cursor, as v2 lists them. `store/inbox.py` has the pages by number of v1."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from gateway.domain.event import Position
from gateway.domain.guard import UNGUARDED, Guard
from gateway.domain.notification import Filter
from gateway.domain.principal import User
from gateway.store.contents import ContentStore
from gateway.store.guarded import UserFunctions
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import Arguments, untouched, user_reading_function


class ItemCursor(NamedTuple):
    """A place in an inbox: an item, and its offset if that is known. With the offset, the item may be deleted."""

    item_id: UUID
    offset: int | None = None


class CursorPage(NamedTuple):
    """A page of an inbox, with items as JSON, newest first.

    `position` is the log's at the time of this page, None without a log. `newer` is the offset of the first item if
    there are newer ones, and `older` that of the last item if there are older ones.
    """

    position: Position | None
    newer: int | None
    older: int | None
    items: Sequence[bytes]


def _list(
    buckets: str,
    limit: int,
    way: str,
    item_id: bytes,
    place: int | str,
    categories: Sequence[str],
    topics: Sequence[str],
) -> Arguments:
    return (buckets, limit, way, item_id, place, len(categories), *categories, len(topics), *topics)


LIST_BESIDE = user_reading_function("list_beside", _list, untouched)


class ItemPages:
    """Reads pages of inboxes. Methods raise StoreUnavailableError.

    They also raise RateLimitedError, TokenRevokedError and UserDeletedError if the guard refuses the caller.
    """

    def __init__(self, client: FunctionClient, contents: ContentStore):
        self._functions = UserFunctions(client)
        self._contents = contents

    async def page(
        self,
        user: User,
        matching: Filter,
        size: int,
        after: ItemCursor | None = None,
        before: ItemCursor | None = None,
        guard: Guard = UNGUARDED,
    ) -> CursorPage | None:
        """Return the items that follow or precede a cursor, or the newest; None if the cursor's item does not exist."""
        cursor = after or before
        way = "" if cursor is None else "after" if after is not None else "before"
        epoch, offset, total, newer, older, *items = await self._read(user, matching, size, way, cursor, guard)
        if total < 0:
            return None
        position = Position(epoch.decode(), int(offset)) if epoch else None
        expanded = await self._contents.expand(user.project_id, items)
        return CursorPage(position, int(newer) or None, int(older) or None, expanded)

    async def count(self, user: User, matching: Filter, guard: Guard = UNGUARDED) -> int:
        """Return how many items match."""
        total: int = (await self._read(user, matching, 0, "", None, guard))[2]
        return total

    async def _read(
        self, user: User, matching: Filter, limit: int, way: str, cursor: ItemCursor | None, guard: Guard
    ) -> list[Any]:
        call = LIST_BESIDE(
            buckets=matching.bucket_digits,
            limit=limit,
            way=way,
            item_id=cursor.item_id.bytes if cursor else b"",
            place="" if cursor is None or cursor.offset is None else cursor.offset,
            categories=matching.categories,
            topics=matching.topics,
        )
        reply: list[Any] = await self._functions.read(user, guard, call)
        return reply
