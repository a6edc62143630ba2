"""What the channels besides the inbox show in place of a notification's own fields, and what providers get besides.

The overrides are stored once for all recipients of a notification, beside its shared content. Deliveries read them.
"""

from collections.abc import Sequence

from gateway.domain.ids import ProjectId
from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import (
    Arguments,
    no_arguments,
    nothing,
    optional_bytes,
    reading_function,
    writing_function,
)

KEPT_SECONDS = 30 * 24 * 3600
"""How long overrides are kept after the notification was sent: as long as the record of its broadcast."""


def _put(overrides: bytes) -> Arguments:
    return (overrides, KEPT_SECONDS)


PUT_OVERRIDES = writing_function("put_overrides", "overrides", _put, nothing)
READ_OVERRIDES = reading_function("read_overrides", "overrides", no_arguments, optional_bytes)


class OverrideStore:
    """The overrides of notifications. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient):
        self._client = client

    async def put(self, project_id: ProjectId, notification_id: str, overrides: bytes) -> None:
        """Store overrides as JSON, before any recipient gets the notification. May be repeated."""
        await self._client.call(PUT_OVERRIDES(keys.overrides(project_id, notification_id), overrides))

    async def read(self, project_id: ProjectId, notification_id: str) -> bytes | None:
        """Return the overrides as JSON, None if there are none. Raises StoreFormatError."""
        return await self._client.call(READ_OVERRIDES(keys.overrides(project_id, notification_id)))

    async def read_many(self, project_id: ProjectId, notification_ids: Sequence[str]) -> list[bytes | None]:
        """Return the overrides of several notifications in order, in one round trip. Raises StoreFormatError."""
        return await self._client.call_many(
            [READ_OVERRIDES(keys.overrides(project_id, notification_id)) for notification_id in notification_ids]
        )
