"""The states and contents of items in many inboxes, read as they are stored: one command of Redis for each item.

A notification that several users got has the same id in each inbox. Reading only the states takes Redis 1 µs a user
(measured), and nothing of the contents is transferred.
"""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.notification import ItemId, State
from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.problems import decoding

_NUL = b"\0"


class ItemFacts(NamedTuple):
    """What an inbox has about an item besides its content. Category and topic are "" if it has none."""

    state: State
    category: str
    topic: str


class RecipientStates:
    """Reads states and contents. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient):
        self._client = client

    async def read(self, project_id: ProjectId, item_id: ItemId, user_ids: Sequence[UserId]) -> list[State | None]:
        """Return the states of an item in the inboxes of users, in order, None for each that does not have it."""
        found = await self.read_facts(project_id, [(item_id, user_id) for user_id in user_ids])
        return [each and each.state for each in found]

    async def read_facts(self, project_id: ProjectId, pairs: Sequence[tuple[ItemId, UserId]]) -> list[ItemFacts | None]:
        """Return the facts of items, each in the inbox of a user, None for each that is not there."""
        if not pairs:
            return []
        reads = [("HGET", keys.states(keys.user(project_id, user_id)), bytes(item_id)) for item_id, user_id in pairs]
        return [_facts(reply) for reply in await self._client.commands(*reads)]

    async def contents(self, project_id: ProjectId, pairs: Sequence[tuple[ItemId, UserId]]) -> list[bytes | None]:
        """Return the contents of items, each in the inbox of a user, as JSON. None is for one that is not there.

        None is also for a content that the inbox shares with others: `ContentStore.whole` has it.
        """
        if not pairs:
            return []
        reads = [("HGET", keys.items(keys.user(project_id, user_id)), bytes(item_id)) for item_id, user_id in pairs]
        found: list[bytes | None] = await self._client.commands(*reads)
        return [each + b"}" if each and not each.endswith(_NUL) else None for each in found]


def _facts(packed: bytes | None) -> ItemFacts | None:
    """Return what `pack_state` of functions/item.lua has packed."""
    if packed is None:
        return None
    with decoding("the state of a notification"):
        _, seen, read, archived, length, scope = packed.split(b" ", 5)
        state = State(int(seen) or None, int(read) or None, int(archived) or None)
        end = int(length.removeprefix(b"r"))
        return ItemFacts(state, scope[:end].decode(), scope[end:].decode())
