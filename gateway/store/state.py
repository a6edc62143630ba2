"""Whether the store still has its name and its projects, and whether a server accepts writes."""

from typing import Any, NamedTuple

from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import no_arguments, nothing, reading_function, writing_function


class StoreState(NamedTuple):
    """The state of the store: its name, and how many projects have a record.

    `name` is "" for a store that was never prepared, or was emptied. `known` is how many projects should have a record.
    """

    name: str
    projects: int
    known: int

    @property
    def is_lost(self) -> bool:
        """Return whether the store has lost projects that were not deleted."""
        return not self.name or (self.known > 0 and self.projects == 0)


async def read_state(client: FunctionClient) -> StoreState:
    """Read the state of the store. Raises StoreUnavailableError."""
    return await client.call(_READ_STATE(keys.PROJECTS))


def _decode(reply: Any) -> StoreState:
    name, projects, known = reply
    return StoreState(name.decode(errors="replace"), int(projects), int(known))


_READ_STATE = reading_function("store_state", "projects", no_arguments, _decode)

_CHECK_WRITE = writing_function("check_write", "any", no_arguments, nothing, durable=False)


async def check_writes(client: FunctionClient, key: str) -> None:
    """Raise StoreUnavailableError if the server of a key refuses writes."""
    await client.call(_CHECK_WRITE(key))
