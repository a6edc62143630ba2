"""Lists of a project's users by cursor, newest first, and their summaries.

A page reads a bounded part of the user index, so it takes the same time in a project of any size. Where most of that
part belongs to deleted users, the page is short although there are more users.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from gateway.domain.ids import ProjectId
from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.directory import decode_user
from gateway.store.profiles import ATTRIBUTES, decode_attributes
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import Arguments, no_arguments, reading_function, untouched
from gateway.store.redis.problems import StoreDataError

SCANNED_PLACES = 20_000
"""How many places of the user index one page reads at most: some milliseconds of Redis."""

NAMES_PER_READ = 200
NAMES_PER_PAGE = 1000
"""How many users' names are read in one round trip, and for one page of a search by name, which takes 80 ms (measured
on two busy cores)."""


class UserCursor(NamedTuple):
    """A place in the user index: a user, and the user's place if that is known. With it, the user may be deleted."""

    user_id: str
    place: int | None = None


class UserPage(NamedTuple):
    """A page of users with their places, newest first, and where other pages begin, None at an end."""

    entries: list[tuple[User, int]]
    newer: int | None
    older: int | None


class UserSummary(NamedTuple):
    """The attributes of a user, None for unset ones, and times in unix seconds, None for never."""

    attributes: dict[str, Any]
    created_at: int | None
    last_seen_at: int | None
    last_notified_at: int | None

    def is_named_like(self, text: str) -> bool:
        """Return whether the first and the last name, with a space between them, contain a text in lower case."""
        names = (self.attributes["first_name"], self.attributes["last_name"])
        return text in " ".join(name for name in names if isinstance(name, str)).casefold()

    def is_like(self, user: User, text: str) -> bool:
        """Return whether the names, the external id or the email contain a text in lower case."""
        return text in (user.external_id or "").casefold() or text in (user.email or "") or self.is_named_like(text)


def _list(size: int, scanned: int, way: str, user_id: str, place: int | str) -> Arguments:
    return (size, scanned, way, user_id, place)


def _read_created(user_ids: Sequence[str]) -> Arguments:
    return tuple(user_ids)


LIST_USERS = reading_function("list_users", "directory", _list, untouched)
READ_CREATED = reading_function("read_created", "directory", _read_created, untouched)
READ_SUMMARY = reading_function("read_summary", "user", no_arguments, untouched)

_NOTHING = (None,) * (len(ATTRIBUTES) + 2)


class UserPages:
    """Reads lists of users. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient):
        self._client = client

    async def page(
        self, project_id: ProjectId, size: int, after: UserCursor | None = None, before: UserCursor | None = None
    ) -> UserPage | None:
        """Return the users that follow or precede a cursor, or the newest; None if the cursor's user does not exist."""
        cursor = after or before
        call = LIST_USERS(
            keys.directory(project_id),
            size,
            SCANNED_PLACES,
            way="" if cursor is None else "after" if after is not None else "before",
            user_id=cursor.user_id if cursor else "",
            place="" if cursor is None or cursor.place is None else cursor.place,
        )
        reply = await self._client.call(call)
        if not reply:
            return None
        has_newer, has_older, last, *rows = reply
        places = [row[3] for row in rows]
        # At the end where reading stopped, the other page begins beyond the places that were read.
        newest, oldest = (last, min(places, default=last)) if before else (max(places, default=last), last)
        return UserPage(
            [(decode_user(project_id, row), row[3]) for row in rows],
            newest if has_newer else None,
            oldest if has_older else None,
        )

    async def search(
        self,
        project_id: ProjectId,
        name: str,
        size: int,
        after: UserCursor | None = None,
        before: UserCursor | None = None,
        *,
        names_only: bool = True,
    ) -> UserPage | None:
        """Return a page as `page` does, with only those users whose first and last name contain a text in any case.

        Without `names_only`, the external id or the email may contain it as well. It reads the names of at most
        NAMES_PER_PAGE users. If it finds fewer than `size`, other pages may have more.
        There is no index of names: it would make every notification that sets a name more expensive, and a search by
        name is rare, and made by people.
        """
        start = page = await self.page(project_id, NAMES_PER_READ, after, before)
        if start is None or page is None:
            return None
        found: list[tuple[User, int]] = []
        text = name.casefold()
        for left in reversed(range(NAMES_PER_PAGE // NAMES_PER_READ)):
            # In the order of reading, so that the next page begins after the last user of this one.
            read = page.entries[::-1] if before else page.entries
            summaries = await self.summaries([user for user, _ in read])
            found += [
                entry
                for entry, summary in zip(read, summaries, strict=True)
                if (summary.is_named_like(text) if names_only else summary.is_like(entry[0], text))
            ]
            end = page.newer if before else page.older
            if len(found) >= size or end is None or not left:
                break
            further = UserCursor("", end)
            page = await self.page(project_id, NAMES_PER_READ, *((None, further) if before else (further, None)))
            assert page is not None, "a cursor with a place is always valid"
        if len(found) >= size and found[size - 1] is not read[-1]:
            end = found[size - 1][1]
        found = found[:size]
        return UserPage(found[::-1], end, start.older) if before else UserPage(found, start.newer, end)

    async def summaries(self, users: Sequence[User]) -> list[UserSummary]:
        """Return the summaries of users of one project, in order, in one round trip.

        What cannot be read is None. So is when a user was created, if that was by an earlier version.
        """
        if not users:
            return []
        directory = keys.directory(users[0].project_id)
        calls = [READ_SUMMARY(keys.user(user.project_id, user.id)) for user in users]
        created, *replies = await self._client.call_each([READ_CREATED(directory, [user.id for user in users]), *calls])
        if isinstance(created, StoreDataError):
            created = [None] * len(users)
        return [
            _summary(_NOTHING if isinstance(reply, StoreDataError) else reply, created_at)
            for reply, created_at in zip(replies, created, strict=True)
        ]


def _summary(values: Sequence[bytes | None], created_at: bytes | None) -> UserSummary:
    *attributes, seen_at, sent_at = values
    return UserSummary(decode_attributes(attributes), _second(created_at), _second(seen_at), _second(sent_at))


def _second(text: bytes | None) -> int | None:
    return int(text) or None if text is not None and text.isdigit() else None
