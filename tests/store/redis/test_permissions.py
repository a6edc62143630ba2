"""The permissions that a Redis user lacks are found by trying each of them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import gateway.store
from gateway.store.library import LIBRARY
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.permissions import missing_cleaning_permissions, missing_permissions, needed_commands
from tests.store.conftest import InspectedClient
from tests.store.redis.conftest import allow

STORES = sorted(Path(gateway.store.__path__[0]).glob("*.py"))


async def test_every_permission_that_is_missing_is_named(client: InspectedClient, limited: FunctionClient) -> None:
    (node,) = limited.topology.nodes
    everything = [f"+{name.lower().replace(' ', '|')}" for name in needed_commands(LIBRARY)]
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


async def test_the_commands_that_stores_send_themselves_are_examined(client: InspectedClient) -> None:
    known = {name.decode().upper() for name in await client.redis.execute_command("COMMAND LIST")}
    sent = {name for path in STORES for name in _first_words(path)} & known
    assert {"ZRANDMEMBER", "SRANDMEMBER", "XLEN", "SCARD", "HGETALL"} <= sent
    # What deletes libraries is examined apart; INCRBY is a word of BITFIELD; a restoration tries RESTORE itself.
    apart = {"FUNCTION", "INCRBY", "RESTORE"}
    assert sent - apart <= set(needed_commands(LIBRARY))


def _first_words(path: Path) -> Iterator[str]:
    """Yield the constants that are the first argument of a call, or the first value of a tuple."""
    for node in ast.walk(ast.parse(path.read_text())):
        values = node.args if isinstance(node, ast.Call) else node.elts if isinstance(node, ast.Tuple) else []
        if values and isinstance(values[0], ast.Constant) and isinstance(values[0].value, str):
            yield values[0].value
