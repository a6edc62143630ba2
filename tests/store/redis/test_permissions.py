"""The permissions that a Redis user lacks are found by trying each of them."""

from gateway.store.library import LIBRARY
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.permissions import missing_cleaning_permissions, missing_permissions, needed_commands
from tests.store.conftest import InspectedClient
from tests.store.redis.conftest import allow


async def test_every_permission_that_is_missing_is_named(client: InspectedClient, limited: FunctionClient) -> None:
    (node,) = limited.topology.nodes
    everything = [f"+{name.lower()}" for name in needed_commands(LIBRARY)]
    rules = [*everything, "+fcall", "+function|load", "+ssubscribe", "~inbox:1:*", "&inbox:1:*"]
    await allow(client, *rules)
    assert await missing_permissions(limited.topology, node, LIBRARY) == []
    for missing in ("+fcall", "+ssubscribe", "+function|load"):
        await allow(client, missing.replace("+", "-"))
        assert await missing_permissions(limited.topology, node, LIBRARY) == [missing]
        await allow(client, missing)
    await allow(client, *(rule.replace("+", "-") for rule in everything if rule != "+ping"))
    found = await missing_permissions(limited.topology, node, LIBRARY)
    assert set(found) == {rule for rule in everything if rule != "+ping"}
    await allow(client, *everything)
    await allow(client, "resetkeys")
    assert await missing_permissions(limited.topology, node, LIBRARY) == ["~inbox:1:*"]
    await allow(client, "~inbox:1:*", "resetchannels")
    assert await missing_permissions(limited.topology, node, LIBRARY) == ["&inbox:1:*"]


async def test_permissions_to_delete_libraries_are_named_apart(
    client: InspectedClient, limited: FunctionClient
) -> None:
    (node,) = limited.topology.nodes
    await allow(client, "+@all", "-function|list", "-function|delete", "~*", "&*")
    assert await missing_permissions(limited.topology, node, LIBRARY) == []
    assert await missing_cleaning_permissions(node) == ["+function|list", "+function|delete"]


def test_the_commands_that_functions_run_are_found_in_their_code() -> None:
    assert {"HSET", "XADD", "SPUBLISH", "ZADD", "EXPIREAT", "UNLINK", "INFO", "TIME"} <= set(needed_commands(LIBRARY))
