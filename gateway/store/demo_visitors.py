"""The visitors of the demo. Each has users of its own, which are deleted after some time without a request."""

from collections.abc import Callable, Sequence

from gateway.domain.ids import ProjectId
from gateway.store import keys
from gateway.store.deletion import UserDeletion
from gateway.store.directory import Directory
from gateway.store.project_records import text_of
from gateway.store.redis.client import FunctionClient

MAX_VISITORS = 100
"""The maximum number of visitors with data in the store. Each has two users, whose inboxes are bounded too."""

IDLE_SECONDS = 2 * 3600
"""How long after its last request a visitor is deleted. An open page sends one at least every few minutes."""

YIELDS_AFTER_SECONDS = 1200
"""How long a visitor must be idle to make room for a new one when there are MAX_VISITORS."""

DELETED_AT_ONCE = 8
"""The maximum number of idle visitors that a new one deletes."""


class DemoVisitors:
    """The registry of the visitors. `names_of` returns the external ids of a visitor's users."""

    def __init__(
        self,
        client: FunctionClient,
        directory: Directory,
        names_of: Callable[[str], Sequence[str]],
        max_visitors: int = MAX_VISITORS,
    ):
        self._client = client
        self._directory = directory
        self._deletion = UserDeletion(client)
        self._names_of = names_of
        self._max_visitors = max_visitors

    async def touch(self, project_id: ProjectId, visitor: str, now: int) -> bool:
        """Record a request of a visitor at `now` (unix seconds). Return False if there is no room for a new one."""
        key = keys.demo_visitors(project_id)
        if await self._client.command("ZSCORE", key, visitor) is None:
            await self._remove(project_id, now - IDLE_SECONDS, DELETED_AT_ONCE)
            if await self._client.command("ZCARD", key) >= self._max_visitors:
                await self._remove(project_id, now - YIELDS_AFTER_SECONDS, 1)
                if await self._client.command("ZCARD", key) >= self._max_visitors:
                    return False
        await self._client.command("ZADD", key, now, visitor)
        return True

    async def _remove(self, project_id: ProjectId, last_seen: int, count: int) -> None:
        """Delete the visitors whose last request was at `last_seen` or before, at most `count`, the oldest first."""
        key = keys.demo_visitors(project_id)
        idle = await self._client.command("ZRANGE", key, "-inf", last_seen, "BYSCORE", "LIMIT", 0, count)
        for visitor in map(text_of, idle):
            for name in self._names_of(visitor):
                user = await self._directory.find(project_id, f"x:{name}")
                if user is not None:
                    await self._deletion.delete(user)
                    await self._directory.forget(user)
            await self._client.command("ZREM", key, visitor)
