"""The Lua function library, and how its descriptors agree with the Lua sources."""

from gateway.store.library import LIBRARY
from tests.store.conftest import InspectedClient


async def test_every_described_function_is_registered_and_no_other(client: InspectedClient) -> None:
    (listed,) = await client.redis.execute_command("FUNCTION", "LIST", "LIBRARYNAME", LIBRARY.name)
    found = dict(zip(listed[::2], listed[1::2], strict=True))[b"functions"]
    names = {dict(zip(one[::2], one[1::2], strict=True))[b"name"].decode() for one in found}
    assert names == {LIBRARY.qualified(function) for function in LIBRARY.functions}
