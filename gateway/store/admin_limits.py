"""The rate limit of a backend's calls, which are made with a project's API secret or token and not for a user."""

from gateway.domain.guard import Allowance, Guard
from gateway.domain.ids import ProjectId
from gateway.store import keys
from gateway.store.guarded import unwrapped
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import Arguments, untouched, writing_function


def _count(kind: str, limit: int) -> Arguments:
    return (kind, limit)


COUNT_CALL = writing_function("count_call", "admin calls", _count, untouched, durable=False)


class AdminLimits:
    """Counts the admin calls of every project. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient):
        self._client = client

    async def count(self, project_id: ProjectId, allowance: Allowance) -> None:
        """Count one call, and set `used` and `reset_seconds` of the allowance. Raises RateLimitedError."""
        key = keys.admin_rate(project_id)
        reply = await self._client.call(COUNT_CALL(key, kind=allowance.kind.value, limit=allowance.limit))
        unwrapped(reply, None, Guard(allowance))
