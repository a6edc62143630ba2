"""The deletion of a deleted project's data, in the project's own slot and in those of its users."""

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.deletion import UserDeletion
from gateway.store.lanes import LaneStore
from gateway.store.redis.client import FunctionClient

SCANNED_KEYS = 1000
"""How many keys, of any project, one step scans: about 0.3 ms of Redis."""


class Eraser:
    """Deletes keys by name, so that no record of a project's keys is needed."""

    def __init__(self, client: FunctionClient, deletion: UserDeletion):
        self._client = client
        self._deletion = deletion
        self._lanes = LaneStore(client)

    async def erase_some(self, project_id: ProjectId, cursor: int, excluded: str) -> tuple[int, int]:
        """Delete a project's keys among the next keys of the server, except those that begin with `excluded`.

        Return the next cursor, 0 after the last key, and how many keys were found. Of each user, a record stays that
        marks the user as deleted and expires. Keys that are created or moved meanwhile may be missed: repeat the scan
        until one finds no key. Raises StoreUnavailableError.
        """
        pattern = keys.all_of_project(project_id)
        following, names = await self._client.scan(cursor, pattern, SCANNED_KEYS)
        # Some keys end with the raw bytes of an id.
        found = [key.decode("latin-1") for key in names]
        others = (keys.of_contents(project_id), keys.of_webhook_endpoints(project_id))
        users = keys.of_users(project_id)
        of_users = [key for key in found if key.startswith(users) and not key.startswith(others)]
        doomed = [key for key in set(found) - set(of_users) if not key.startswith(excluded)]
        doomed += await self._delete_users(project_id, of_users)
        if doomed:
            await self._client.commands(*(("UNLINK", key.encode("latin-1")) for key in doomed))
        return following, len(doomed)

    async def erase_lanes(self, project_id: ProjectId) -> None:
        """Delete a project's lanes, which are beside those of other projects. Raises StoreUnavailableError."""
        await self._lanes.forget_project(project_id)

    async def _delete_users(self, project_id: ProjectId, found: list[str]) -> list[str]:
        """Delete the users that have these keys. Return the keys that are not users' records."""
        users = {key: key.removeprefix(keys.of_users(project_id)).partition("}")[0] for key in found}
        records = [key for key, user_id in users.items() if key == keys.user(project_id, UserId(user_id))]
        deleted = await self._client.commands(*(("HEXISTS", key, "deleted") for key in records)) if records else []
        known = {key for key, is_deleted in zip(records, deleted, strict=True) if is_deleted}
        alive = {user_id for key, user_id in users.items() if key not in known}
        await self._deletion.delete_many([User(project_id, UserId(user_id), None, None) for user_id in alive])
        return [key for key in found if key not in records]
