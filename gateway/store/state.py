"""Whether the store still has what it was told: its name, and as many projects as it should have."""

from typing import NamedTuple

from gateway.store import keys
from gateway.store.redis.client import FunctionClient


class StoreState(NamedTuple):
    """`name` is "" when nobody has prepared the store, or it was emptied; `known` are projects that should be there."""

    name: str
    projects: int
    known: int

    @property
    def is_lost(self) -> bool:
        """Whether projects that were there are gone, none of which anybody deleted."""
        return not self.name or (self.known > 0 and self.projects == 0)


async def read_state(client: FunctionClient) -> StoreState:
    """Read what the store says of itself. Raises StoreUnavailableError."""
    name, projects, known = await client.call("store_state", keys.PROJECTS)
    return StoreState(name.decode(errors="replace"), int(projects), int(known))
