"""The recipients of notifications that were sent to several users: lists of ids with access by place.

A broadcast's job has the list of the users whom it reached. A request to several named users has one of its own, in the
same form: 16 bytes a user.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from gateway.domain.ids import ProjectId, UserId
from gateway.store import keys
from gateway.store.redis.client import FunctionClient

KEPT_SECONDS = 30 * 24 * 3600
"""As long as the record of a broadcast."""

ID_BYTES = 16


class RecipientList(NamedTuple):
    """A list of recipients: its key, and how many there are."""

    key: str
    size: int


class SentRecipients:
    """Records and reads lists of recipients. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient):
        self._client = client

    async def record(self, project_id: ProjectId, notification_id: str, user_ids: Sequence[UserId]) -> None:
        """Record whom a notification is for. May be repeated."""
        packed = bytes.fromhex("".join(user_ids).replace("-", ""))
        key = keys.sent_recipients(project_id, notification_id)
        await self._client.command("SET", key, packed, "EX", KEPT_SECONDS)

    async def lists(self, project_id: ProjectId, notification_ids: Sequence[str]) -> list[RecipientList]:
        """Return the recipients of notifications: those of a request, or those whom a broadcast has reached."""
        names = [key for each in notification_ids for key in _keys(project_id, each)]
        lengths = await self._client.commands(*(("STRLEN", key) for key in names)) if names else []
        found = []
        for at in range(0, len(names), 2):
            longer = at if lengths[at] else at + 1
            found.append(RecipientList(names[longer], lengths[longer] // ID_BYTES))
        return found

    async def read(self, parts: Sequence[tuple[RecipientList, int, int]]) -> list[list[UserId]]:
        """Return parts of lists, each with a list, its first place, from 0, and a number, in one round trip."""
        reads = [
            ("GETRANGE", each.key, first * ID_BYTES, (first + count) * ID_BYTES - 1) for each, first, count in parts
        ]
        return [_ids(packed) for packed in await self._client.commands(*reads)] if reads else []


def _keys(project_id: ProjectId, notification_id: str) -> tuple[str, str]:
    return keys.sent_recipients(project_id, notification_id), keys.reached(project_id, notification_id)


def _ids(packed: bytes) -> list[UserId]:
    return [UserId(str(UUID(bytes=packed[at : at + ID_BYTES]))) for at in range(0, len(packed), ID_BYTES)]
