"""Whether the store still has what it was told: its name, and as many projects as it should have."""

from typing import Any, NamedTuple

from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import no_arguments, nothing, reading_function, writing_function


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
    return await client.call(_READ_STATE(keys.PROJECTS))


def _decode(reply: Any) -> StoreState:
    name, projects, known = reply
    return StoreState(name.decode(errors="replace"), int(projects), int(known))


_READ_STATE = reading_function("store_state", "projects", no_arguments, _decode)

_CHECK_WRITE = writing_function("check_write", "any", no_arguments, nothing, durable=False)


async def check_writes(client: FunctionClient, key: str) -> None:
    """Raise StoreUnavailableError if the server of a key refuses writes."""
    await client.call(_CHECK_WRITE(key))
