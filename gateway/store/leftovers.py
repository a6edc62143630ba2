"""What deleted users have left: keys that the gateway which deleted them did not know.

While two versions run side by side during an upgrade, an older gateway that deletes a user leaves the keys that only
newer gateways know. No request reaches them, because the id of a user is never used again. They are deleted when the
last older gateway has gone, which is when its function library is deleted (libraries.py).
"""

from collections.abc import Iterable

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.deletion import UserDeletion
from gateway.store.erasure import SCANNED_KEYS
from gateway.store.redis.client import FunctionClient
from gateway.telemetry.logs import log

LATER_SUFFIXES = ("CHANNEL_TOKENS", "INSTALLATIONS", "OUTBOX", "DELIVERIES", "UNLISTED", "SUPPRESSED")
"""The keys of a user that were added after the first build of this format."""


class Leftovers:
    """Deletes what deleted users have left."""

    def __init__(self, client: FunctionClient):
        self._client = client
        self._deletion = UserDeletion(client)

    async def erase(self) -> None:
        """Delete it in all projects, in a pass over all keys for each kind of key. Raises StoreUnavailableError."""
        for name in LATER_SUFFIXES:
            pattern, cursor = keys.of_all_users(keys.USER_SUFFIXES[name]), 0
            while True:
                cursor, found = await self._client.scan(cursor, pattern, SCANNED_KEYS)
                await self._erase_of_deleted({key.decode("latin-1").partition("}")[0] + "}" for key in found})
                if cursor == 0:
                    break

    async def _erase_of_deleted(self, records: Iterable[str]) -> None:
        """Delete the keys of those users whose record is gone, or says that the user is deleted."""
        asked = sorted(records)
        if not asked:
            return
        states = await self._client.commands(*(("HMGET", key, "format", "deleted") for key in asked))
        for key, (known_format, deleted) in zip(asked, states, strict=True):
            if known_format is not None and deleted is None:
                continue
            project_id, _, user_id = key.removeprefix(keys.PREFIX)[1:-1].partition(":")
            log.info("deleted_user_erased", project=project_id, user=user_id)
            await self._deletion.delete(User(ProjectId(project_id), UserId(user_id), None, None))
