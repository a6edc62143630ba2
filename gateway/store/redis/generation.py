"""The data generation of a server, which changes when the server may have lost acknowledged writes.

Every epoch of a log carries the generation in which it began, so that a client's position from before a failover is
recognised. The Lua function checks whether the server was promoted, and stores the result as data, because a restart
erases the server's own record of its promotion.
"""

from gateway.store.redis.client import CALLS_AT_ONCE, FunctionClient
from gateway.store.redis.functions import no_arguments, writing_function
from gateway.store.redis.topology import Node

NOTE_GENERATION = writing_function(
    "note_generation", "generation", no_arguments, bool, frees_memory=True, durable=False
)


async def note_generation(client: FunctionClient, node: Node) -> None:
    """Store the generation of a server that was promoted, before it may restart. Raises StoreUnavailableError."""
    calls = [NOTE_GENERATION(key) for key in client.topology.generation_keys(node)]
    if any(
        await client.call_many(calls[:1])
    ):  # otherwise the server was never a replica, and there is nothing to store
        for first in range(1, len(calls), CALLS_AT_ONCE):
            await client.call_many(calls[first : first + CALLS_AT_ONCE])
