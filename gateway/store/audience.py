"""Counts and random samples of a project's users, from which the audience of a broadcast is estimated.

A part of the user index is read as it is stored: 16 bytes a user, zeros for a deleted one. So a million users are
counted by 16 reads of a megabyte, and a random user is one read of 16 bytes.
"""

import random
from collections.abc import Iterable, Sequence
from uuid import UUID

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.directory import ID_CHARACTERS, decode_users
from gateway.store.redis.client import FunctionClient

PART_USERS = 65_536
"""Users in a part of the index: INDEX_PART of functions/users.lua."""

ID_BYTES = 16

_NO_USER = bytes(ID_BYTES)


class AudienceStore:
    """Reads what the size of an audience is made from. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient):
        self._client = client

    async def count_users(self, project_id: ProjectId, places: int) -> int:
        """Return how many of the users at the first `places` of the user index exist. Reads 16 bytes for each."""
        found = 0
        for first in range(0, places, PART_USERS):
            last = min(places - first, PART_USERS) * ID_BYTES - 1
            key = keys.user_index(project_id, first // PART_USERS)
            # One part at a time, so that the calls of other requests run in between.
            found += _existing(await self._client.command("GETRANGE", key, 0, last))
        return found

    async def users_at(self, project_id: ProjectId, places: Sequence[int]) -> list[User]:
        """Return the users at places of the user index, without deleted ones, in two round trips."""
        reads = []
        for place in places:
            part, index = divmod(place, PART_USERS)
            first = index * ID_BYTES
            reads.append(("GETRANGE", keys.user_index(project_id, part), first, first + ID_BYTES - 1))
        return await self._users(project_id, await self._client.commands(*reads) if reads else ())

    async def count_subscribers(self, project_id: ProjectId, topic: str) -> int:
        """Return how many users may be subscribed to a topic. Some of them are subscribed to no category of it."""
        found: int = await self._client.command("ZCOUNT", keys.topic_subscribers(project_id, topic), 0, "+inf")
        return found

    async def sample_subscribers(self, project_id: ProjectId, topic: str, count: int) -> list[User]:
        """Return `count` different users who may be subscribed to a topic, chosen at random, or all if there are fewer.

        Users who were deleted are left out.
        """
        key = keys.topic_subscribers(project_id, topic)
        members: list[bytes] = await self._client.command("ZRANDMEMBER", key, count + 1)
        ids = [each for each in members if each]  # the empty member has the latest claim
        return await self._users(project_id, random.sample(ids, min(count, len(ids))))

    async def _users(self, project_id: ProjectId, packed_ids: Iterable[bytes]) -> list[User]:
        ids = [str(UUID(bytes=each)) for each in packed_ids if len(each) == ID_BYTES and each != _NO_USER]
        if not ids:
            return []
        directory = keys.directory(project_id)
        records = await self._client.command("HMGET", directory, *(f"u:{each}" for each in ids))
        pairs: list[bytes] = []
        for user_id, record in zip(ids, records, strict=True):
            if record is not None:
                pairs += (user_id.encode(), record)
        return decode_users(project_id, pairs)

    async def find_ids(self, project_id: ProjectId, names: Sequence[str]) -> list[UserId | None]:
        """Return the ids of the users of names, `x:external_id` or `e:email`, None for each that nobody has."""
        if not names:
            return []
        found = await self._client.command("HMGET", keys.directory(project_id), *names)
        return [UserId(each.decode()) if each and len(each) == ID_CHARACTERS else None for each in found]


def _existing(packed: bytes) -> int:
    """Return how many ids of a part of the index are those of users that exist."""
    total = len(packed) // ID_BYTES
    if _NO_USER not in packed:
        return total
    # Only ids that begin with a zero are compared: one in 256, and the deleted ones.
    firsts, at = packed[::ID_BYTES], -1
    deleted = 0
    while (at := firsts.find(0, at + 1)) >= 0:
        deleted += packed[at * ID_BYTES : (at + 1) * ID_BYTES] == _NO_USER
    return total - deleted
