"""The state of one notification in many inboxes, read as it is stored: one command of Redis for each user.

A notification that several users got has the same id in each inbox. Reading only the states takes Redis 1 µs a user
(measured), and nothing of the contents is transferred.
"""

from collections.abc import Sequence

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.notification import ItemId, State
from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.problems import decoding


class RecipientStates:
    """Reads states. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient):
        self._client = client

    async def read(self, project_id: ProjectId, item_id: ItemId, user_ids: Sequence[UserId]) -> list[State | None]:
        """Return the states of an item in the inboxes of users, in order, None for each that does not have it."""
        return await self.read_pairs(project_id, [(item_id, user_id) for user_id in user_ids])

    async def read_pairs(self, project_id: ProjectId, pairs: Sequence[tuple[ItemId, UserId]]) -> list[State | None]:
        """Return the states of items, each in the inbox of a user, as `read` does."""
        if not pairs:
            return []
        reads = [("HMGET", keys.states(keys.user(project_id, user_id)), bytes(item_id)) for item_id, user_id in pairs]
        return [_state(reply[0]) for reply in await self._client.commands(*reads)]


def _state(packed: bytes | None) -> State | None:
    if packed is None:
        return None
    with decoding("the state of a notification"):
        _, *times = (int(each) or None for each in packed.split(b" ", 4)[:4])
        return State(*times)
