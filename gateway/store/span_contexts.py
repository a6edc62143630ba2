"""The spans of the requests that sent notifications, for the processes that deliver them and the jobs that send them.

A context is written only for a request that is traced, beside the notification's content. Nothing else that is stored
or published depends on traces.
"""

from collections.abc import Sequence

from gateway.domain.ids import ProjectId
from gateway.store import keys
from gateway.store.redis.client import Argument, FunctionClient

KEPT_SECONDS = 4 * 24 * 3600
"""How long a context is kept: longer than deliveries are tried again (28 hours) or held back (three days)."""

OF_MANY = "*"
"""What precedes the context of a broadcast or another job: its parts are traces of their own, with a link to it."""


def put(project_id: ProjectId, notification_id: str, context: str) -> tuple[Argument, ...]:
    """Return the command that stores a context."""
    return ("SET", keys.span_context(project_id, notification_id), context, "EX", KEPT_SECONDS)


class SpanContexts:
    """Reads contexts."""

    def __init__(self, client: FunctionClient):
        self._client = client

    async def read_many(self, project_id: ProjectId, notification_ids: Sequence[str]) -> list[str]:
        """Return the contexts of notifications in order, "" for each without one. Raises StoreUnavailableError."""
        found = await self._client.commands(
            *(("GET", keys.span_context(project_id, each)) for each in notification_ids)
        )
        return [text.decode("ascii", "replace") if text else "" for text in found]
