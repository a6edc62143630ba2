"""The Lua function library."""

from gateway.store.redis import library
from tests.store.conftest import InspectedClient


async def test_every_function_that_is_called_by_name_is_there(client: InspectedClient) -> None:
    (listed,) = await client.redis.execute_command("FUNCTION", "LIST", "LIBRARYNAME", library.NAME)
    found = dict(zip(listed[::2], listed[1::2], strict=True))[b"functions"]
    names = {dict(zip(one[::2], one[1::2], strict=True))[b"name"].decode() for one in found}
    called = (*library.USER_FUNCTIONS, *library.PLAIN_FUNCTIONS, *library.READ_FUNCTIONS)
    uncounted = (f"{function}_uncounted" for function in library.UNCOUNTED)
    when_full = (f"{function}_when_full" for function in library.WHEN_FULL)
    assert names == {library.qualified(function) for function in (*called, *uncounted, *when_full)}
