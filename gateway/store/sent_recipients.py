"""The recipients of notifications that were sent to several users: lists of ids with access by place.

A broadcast's job has the list of the users whom it reached. A request to several named users has one of its own, in the
same form: 16 bytes a user.
"""

from collections.abc import Sequence
from uuid import UUID

from gateway.domain.ids import ProjectId, UserId
from gateway.store import keys
from gateway.store.redis.client import FunctionClient

KEPT_SECONDS = 30 * 24 * 3600
"""As long as the record of a broadcast."""

ID_BYTES = 16


class SentRecipients:
    """Records and reads lists of recipients. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient):
        self._client = client

    async def record(self, project_id: ProjectId, notification_id: str, user_ids: Sequence[UserId]) -> None:
        """Record whom a notification is for. May be repeated."""
        packed = bytes.fromhex("".join(user_ids).replace("-", ""))
        key = keys.sent_recipients(project_id, notification_id)
        await self._client.command("SET", key, packed, "EX", KEPT_SECONDS)

    async def counts(self, project_id: ProjectId, notification_ids: Sequence[str]) -> list[int]:
        """Return how many recipients each notification has: those of a request, or whom a broadcast has reached."""
        lists = [key for each in notification_ids for key in _keys(project_id, each)]
        lengths = await self._client.commands(*(("STRLEN", key) for key in lists)) if lists else []
        return [max(pair) // ID_BYTES for pair in zip(lengths[::2], lengths[1::2], strict=True)]

    async def at(self, project_id: ProjectId, places: Sequence[tuple[str, int]]) -> list[UserId | None]:
        """Return the recipients at places of lists, each a notification and an index from 0, in one round trip."""
        reads = []
        for notification_id, index in places:
            first = index * ID_BYTES
            for key in _keys(project_id, notification_id):
                reads.append(("GETRANGE", key, first, first + ID_BYTES - 1))
        found = await self._client.commands(*reads) if reads else []
        return [_first(plain or broadcast) for plain, broadcast in zip(found[::2], found[1::2], strict=True)]

    async def read(self, project_id: ProjectId, notification_id: str, first: int, count: int) -> list[UserId]:
        """Return up to `count` recipients of a notification from a place on, which counts from 0."""
        reads = [
            ("GETRANGE", key, first * ID_BYTES, (first + count) * ID_BYTES - 1)
            for key in _keys(project_id, notification_id)
        ]
        plain, broadcast = await self._client.commands(*reads)
        packed = plain or broadcast
        return [UserId(str(UUID(bytes=packed[at : at + ID_BYTES]))) for at in range(0, len(packed), ID_BYTES)]


def _keys(project_id: ProjectId, notification_id: str) -> tuple[str, str]:
    return keys.sent_recipients(project_id, notification_id), keys.reached(project_id, notification_id)


def _first(packed: bytes) -> UserId | None:
    return UserId(str(UUID(bytes=packed))) if len(packed) == ID_BYTES else None
