"""Monthly active users: who fetched or connected in a calendar month (UTC), counted in the background.

`seen` only remembers; `run` adds to Redis what it remembers, every second. One HyperLogLog per project and month has
at most 12 KB however many users there are, and is off by 0.81 % (standard error).
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby, islice

from gateway.domain.principal import ProjectId, User, UserId
from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import Arguments, FunctionCall, no_arguments, nothing, writing_function
from gateway.store.redis.problems import StoreDataError, StoreUnavailableError
from gateway.telemetry.logs import log
from gateway.telemetry.metrics import ACTIVE_USERS, UNCOUNTED_ACTIVE_USERS

STANDARD_ERROR = 0.0081
KEEP_SECONDS = 25 * 31 * 24 * 3600
ADD_SECONDS = 1.0
SHOW_SECONDS = 60.0

REMEMBERED_USERS = 200_000
"""Users whom a worker does not count again in a month: 20 MB. Beyond, it starts over, which costs only time."""

WAITING_USERS = 200_000
"""Users who may wait for Redis to come back. Beyond, they are counted when they come again."""

USERS_PER_CALL = 1000


def _add(user_ids: Sequence[UserId]) -> Arguments:
    return (KEEP_SECONDS, *user_ids)


ADD_ACTIVE = writing_function("add_active", "active users", _add, nothing, durable=False)
COUNT_ACTIVE = writing_function("count_active", "active users", no_arguments, int, durable=False)


class ActiveUsers:
    """Counts the users of every project by month. Call `seen` whenever a user shows; `run` must be running."""

    def __init__(self, client: FunctionClient, unix: Callable[[], float] = time.time):
        self._client = client
        self._unix = unix
        self._month = ""
        self._month_until = 0.0
        self._seen: set[UserId] = set()
        self._waiting: dict[tuple[str, ProjectId, UserId], None] = {}

    @property
    def month(self) -> str:
        """The current month, `YYYY-MM`."""
        if self._unix() >= self._month_until:
            self._begin_month()
        return self._month

    def seen(self, user: User) -> None:
        """Take note that a user fetched or connected. Never fails and never waits."""
        month = self.month
        if user.id in self._seen:
            return
        if len(self._waiting) >= WAITING_USERS:
            UNCOUNTED_ACTIVE_USERS.inc()
            return
        if len(self._seen) >= REMEMBERED_USERS:
            self._seen.clear()
        self._seen.add(user.id)
        self._waiting[(month, user.project_id, user.id)] = None

    def forget(self, project_id: ProjectId) -> None:
        """Count nobody of a project that is no more."""
        for entry in [entry for entry in self._waiting if entry[1] == project_id]:
            del self._waiting[entry]

    async def run(self, connected: Callable[[], Iterable[User]]) -> None:
        """Add and show until cancelled. `connected` gives who is connected: they are seen in a new month too."""
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
        """Add to Redis what is remembered; what it does not take stays remembered."""
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
                # A key that holds something else: trying again would fail alike, and stop all others.
                log.error("active_users_not_counted", problem=problem.detail)
            except StoreUnavailableError:
                return
            for entry in batch:
                self._waiting.pop(entry, None)

    async def count(self, project_id: ProjectId, month: str) -> int:
        """Give how many users of a project came in a month. Raises StoreUnavailableError."""
        return await self._client.call(COUNT_ACTIVE(keys.active_users(project_id, month)))

    async def _show(self) -> None:
        try:
            ACTIVE_USERS.set(await self._client.call(COUNT_ACTIVE(keys.all_active_users(self.month))))
        except StoreUnavailableError:
            return  # the last one stays

    def _begin_month(self) -> None:
        now = datetime.fromtimestamp(self._unix(), UTC)
        self._month = f"{now:%Y-%m}"
        year, after = (now.year + 1, 1) if now.month == 12 else (now.year, now.month + 1)
        self._month_until = datetime(year, after, 1, tzinfo=UTC).timestamp()
        self._seen.clear()
