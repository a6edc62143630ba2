"""Active users: those that made a request or connected in a calendar month (UTC), and when each was last seen.

`seen` only collects users in memory, at most once in SEEN_SECONDS, and `run` adds them to Redis every second. A
HyperLogLog per project and month has at most 12 KB however many users there are, with a standard error of 0.81 %. When
a user was last seen is in the user's record.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby, islice

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import Arguments, FunctionCall, no_arguments, nothing, writing_function
from gateway.store.redis.problems import StoreDataError, StoreUnavailableError
from gateway.telemetry.logs import log
from gateway.telemetry.metrics import ACTIVE_USERS, UNCOUNTED_ACTIVE_USERS

STANDARD_ERROR = 0.0081
KEEP_SECONDS = 25 * 31 * 24 * 3600
ADD_SECONDS = 1.0
SEEN_SECONDS = 600
"""How exactly it is known when a user was last seen. A worker writes it once in this time: 23 µs of Redis (measured),
so that 100,000 users who make requests all the time cost 4 ms a second."""

SHOW_SECONDS = 60.0

REMEMBERED_USERS = 200_000
"""How many users a worker records as added in SEEN_SECONDS: 20 MB. Beyond that the record is cleared, and users are
added to Redis again, which costs only time."""

WAITING_USERS = 200_000
"""How many users may wait until Redis is reachable. Any others are counted at their next request."""

USERS_PER_CALL = 1000

_WRITTEN = -1
"""Stands for the second at which a user was seen, where another call writes it."""


def _add(user_ids: Sequence[UserId]) -> Arguments:
    return (KEEP_SECONDS, *user_ids)


def _note_seen(second: int) -> Arguments:
    return (second,)


ADD_ACTIVE = writing_function("add_active", "active users", _add, nothing, durable=False)
NOTE_SEEN = writing_function("note_seen", "user", _note_seen, nothing, durable=False)
COUNT_ACTIVE = writing_function("count_active", "active users", no_arguments, int, durable=False)


class ActiveUsers:
    """Counts the users of every project by month. Call `seen` for every request of a user; `run` must be running."""

    def __init__(self, client: FunctionClient, unix: Callable[[], float] = time.time):
        self._client = client
        self._unix = unix
        self._month = ""
        self._window_until = 0.0
        self._seen: set[UserId] = set()
        self._waiting: dict[tuple[str, ProjectId, UserId], int] = {}

    @property
    def month(self) -> str:
        """Return the current month, `YYYY-MM`."""
        if self._unix() >= self._window_until:
            self._begin_window()
        return self._month

    def seen(self, user: User) -> None:
        """Count a user that made a request or connected. Never fails and never waits."""
        self._add(user, 0)

    def seen_by_reader(self, user: User) -> int:
        """Count a user as `seen` does, but leave it to the caller to write when the user was seen.

        Return the second that the caller is to write, 0 if it need not write any. A read of the user's log writes it
        for 1 µs of Redis, and a call of its own for 7 (measured).
        """
        return self._add(user, _WRITTEN)

    def _add(self, user: User, second: int) -> int:
        month = self.month
        if user.id in self._seen:
            return 0
        if len(self._waiting) >= WAITING_USERS:
            UNCOUNTED_ACTIVE_USERS.inc()
            return 0
        if len(self._seen) >= REMEMBERED_USERS:
            self._seen.clear()
        self._seen.add(user.id)
        now = int(self._unix())
        self._waiting[(month, user.project_id, user.id)] = second or now
        return now

    def forget(self, project_id: ProjectId) -> None:
        """Remove the users of a deleted project that are not yet added to Redis."""
        for entry in [entry for entry in self._waiting if entry[1] == project_id]:
            del self._waiting[entry]

    async def run(self, connected: Callable[[], Iterable[User]]) -> None:
        """Add users to Redis and update the metric until cancelled.

        `connected` returns the users with an open connection, who are counted in a new month without a new request.
        """
        shown_at = 0.0
        month = self.month
        while True:
            await asyncio.sleep(ADD_SECONDS)
            if month != self.month:
                month = self.month
                for user in connected():
                    self.seen(user)
            await self.add()
            if self._unix() - shown_at >= SHOW_SECONDS:
                shown_at = self._unix()
                await self._show()

    async def add(self) -> None:
        """Add the waiting users to Redis. Users that cannot be added continue to wait."""
        while self._waiting:
            batch = sorted(islice(self._waiting, USERS_PER_CALL))
            calls: list[FunctionCall[None]] = []
            for (month, project_id), group in groupby(batch, key=lambda entry: entry[:2]):
                calls.append(ADD_ACTIVE(keys.active_users(project_id, month), [user_id for _, _, user_id in group]))
            for month, entries in groupby(batch, key=lambda entry: entry[0]):
                calls.append(ADD_ACTIVE(keys.all_active_users(month), [user_id for _, _, user_id in entries]))
            try:
                await self._client.call_many(calls)
            except StoreDataError as problem:
                # The key holds another type. Another attempt would fail too, and block all other users.
                log.error("active_users_not_counted", problem=problem.detail)
            except StoreUnavailableError:
                return
            try:
                seconds = [(entry, self._waiting.get(entry, _WRITTEN)) for entry in batch]
                await self._client.call_each(
                    [NOTE_SEEN(keys.user(entry[1], entry[2]), second) for entry, second in seconds if second > 0]
                )
            except StoreUnavailableError:
                return
            for entry in batch:
                self._waiting.pop(entry, None)

    async def count(self, project_id: ProjectId, month: str) -> int:
        """Return how many users of a project were active in a month (`YYYY-MM`). Raises StoreUnavailableError."""
        return await self._client.call(COUNT_ACTIVE(keys.active_users(project_id, month)))

    async def count_many(self, project_id: ProjectId, months: Sequence[str]) -> list[int]:
        """Return the same for several months. Raises StoreUnavailableError."""
        return await self._client.call_many([COUNT_ACTIVE(keys.active_users(project_id, month)) for month in months])

    async def _show(self) -> None:
        try:
            ACTIVE_USERS.set(await self._client.call(COUNT_ACTIVE(keys.all_active_users(self.month))))
        except StoreUnavailableError:
            return  # the metric keeps its last value

    def _begin_window(self) -> None:
        """Begin the next SEEN_SECONDS, which end with the month at the latest. Everybody is then added again."""
        unix = self._unix()
        now = datetime.fromtimestamp(unix, UTC)
        self._month = f"{now:%Y-%m}"
        year, after = (now.year + 1, 1) if now.month == 12 else (now.year, now.month + 1)
        month_until = datetime(year, after, 1, tzinfo=UTC).timestamp()
        self._window_until = min(month_until, (unix // SEEN_SECONDS + 1) * SEEN_SECONDS)
        self._seen = set()
