"""Libraries of versions that no gateway uses any more are deleted, and no others."""

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from gateway.store import keys
from gateway.store.libraries import GRACE, LibraryCleaner
from gateway.store.library import LIBRARY
from gateway.store.redis.library import Library
from gateway.store.state import read_state
from tests.logs import captured_log
from tests.servers import RedisServer
from tests.store.conftest import InspectedClient

KEEP_SECONDS = 0.3


def version(digest: str) -> Library:
    """Return the library of another version, which has the same functions under other names."""
    other = copy.copy(LIBRARY)
    other.name = f"inbox_{digest:0>12}"
    other.code = LIBRARY.code.replace(LIBRARY.name, other.name)
    return other


@pytest.fixture
async def old(redis_server: RedisServer, client: InspectedClient) -> AsyncIterator[InspectedClient]:
    """A gateway of an older version on the same server."""
    await client.redis.delete(keys.LIBRARIES)
    old = InspectedClient(redis_server.url, version("01d"))
    await old.load()
    yield old
    await old.aclose()
    for name in await loaded(client) - {LIBRARY.name}:
        with contextlib.suppress(Exception):
            await client.redis.execute_command("FUNCTION", "DELETE", name)


async def loaded(client: InspectedClient) -> set[str]:
    """Return the names of all libraries on the server."""
    found = await client.redis.execute_command("FUNCTION", "LIST")
    return {dict(zip(one[::2], one[1::2], strict=True))[b"library_name"].decode() for one in found}


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0.02)


def cleaner(client: InspectedClient) -> LibraryCleaner:
    return LibraryCleaner(client, KEEP_SECONDS, report_seconds=0.02)


async def deleted(cleaner: LibraryCleaner, client: InspectedClient, library: Library) -> bool:
    """Clean again, and return whether a library was deleted."""
    await cleaner.clean()
    return library.name not in await loaded(client)


async def outlive(cleaners: list[LibraryCleaner], seconds: float) -> None:
    """Run the cleaners of several gateways in turn for some time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < deadline:
        for each in cleaners:
            await each.clean()
        await asyncio.sleep(0.02)


async def test_two_versions_run_side_by_side_and_the_old_library_goes_after_its_last_gateway(
    client: InspectedClient, old: InspectedClient
) -> None:
    async def call_all_the_time() -> None:
        while True:
            await asyncio.gather(read_state(client), read_state(old))

    calling = asyncio.create_task(call_all_the_time())
    await outlive([cleaner(client), cleaner(old)], 3 * KEEP_SECONDS)
    assert {LIBRARY.name, old.library.name} <= await loaded(client)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    told: list[set[str]] = []

    async def after_deletion() -> None:
        told.append(await loaded(client))

    last = LibraryCleaner(client, KEEP_SECONDS, report_seconds=0.02, after_deletion=after_deletion)
    await until(lambda: deleted(last, client, old.library))
    assert LIBRARY.name in await loaded(client)
    assert len(told) == 1
    assert old.library.name not in told[0]


async def test_a_gateway_that_was_paused_loads_its_library_again(client: InspectedClient, old: InspectedClient) -> None:
    await cleaner(old).clean()
    newer = cleaner(client)
    await until(lambda: deleted(newer, client, old.library))
    await read_state(old)
    assert old.library.name in await loaded(client)
    await outlive([newer, cleaner(old)], 2 * KEEP_SECONDS)
    assert old.library.name in await loaded(client)


async def test_a_library_that_was_never_reported_is_kept_as_long_as_one_that_was(
    client: InspectedClient, old: InspectedClient
) -> None:
    patient = LibraryCleaner(client, keep_seconds=60)
    for _ in range(3):
        await patient.clean()
    assert old.library.name in await loaded(client)
    assert old.library.name.encode() in await client.redis.zrange(keys.LIBRARIES, 0, -1)


async def test_a_library_is_not_deleted_the_first_time_it_is_found_unused(
    client: InspectedClient, old: InspectedClient
) -> None:
    await client.redis.zadd(
        keys.LIBRARIES, {old.library.name: 1}
    )  # as after an outage, during which no gateway could report
    await cleaner(client).clean()
    assert old.library.name in await loaded(client)


async def test_a_library_reported_by_a_clock_that_was_ahead_counts_as_reported_now(
    client: InspectedClient, old: InspectedClient
) -> None:
    await client.redis.zadd(keys.LIBRARIES, {old.library.name: 10**12})
    newer = cleaner(client)
    await until(lambda: deleted(newer, client, old.library))


async def test_libraries_of_other_applications_stay(client: InspectedClient, old: InspectedClient) -> None:
    code = "#!lua name=inbox_of_another\nredis.register_function('of_another', function() return 1 end)"
    await client.redis.execute_command("FUNCTION", "LOAD", "REPLACE", code)
    newer = cleaner(client)
    await until(lambda: deleted(newer, client, old.library))
    await outlive([newer], KEEP_SECONDS)
    assert "inbox_of_another" in await loaded(client)


async def test_a_library_of_another_application_stays_although_it_has_such_a_name(
    client: InspectedClient, old: InspectedClient
) -> None:
    code = "#!lua name=inbox_0123456789ab\nredis.register_function('of_another', function() return 1 end)"
    await client.redis.execute_command("FUNCTION", "LOAD", "REPLACE", code)
    newer = cleaner(client)
    await until(lambda: deleted(newer, client, old.library))
    await outlive([newer], KEEP_SECONDS)
    assert "inbox_0123456789ab" in await loaded(client)


async def test_a_library_that_is_loaded_again_is_kept_as_long_as_one_that_was_never_reported(
    client: InspectedClient, old: InspectedClient
) -> None:
    await client.redis.zadd(keys.LIBRARIES, {old.library.name: 1})
    patient = LibraryCleaner(client, keep_seconds=60, report_seconds=0.02)
    await until(lambda: deleted(patient, client, old.library))
    await read_state(old)  # a gateway of a version that reports nothing
    await outlive([patient], 0.2)
    assert old.library.name in await loaded(client)


async def test_several_gateways_clean_at_the_same_time(client: InspectedClient, old: InspectedClient) -> None:
    await client.redis.zadd(keys.LIBRARIES, {old.library.name: 1})
    cleaners = [LibraryCleaner(client, keep_seconds=60, report_seconds=0.02) for _ in range(5)]

    async def deleted_by_some() -> bool:
        await asyncio.gather(*(each.clean() for each in cleaners))
        return old.library.name not in await loaded(client)

    await until(deleted_by_some)
    assert LIBRARY.name in await loaded(client)


async def test_nothing_is_deleted_on_a_server_that_is_too_full_to_load_it_again(
    client: InspectedClient, old: InspectedClient
) -> None:
    await client.redis.zadd(keys.LIBRARIES, {old.library.name: 1})
    newer = LibraryCleaner(client, keep_seconds=60, report_seconds=0.02)
    await client.redis.config_set("maxmemory", 1)
    try:
        await outlive([newer], 0.2)
        assert old.library.name in await loaded(client)
    finally:
        await client.redis.config_set("maxmemory", 0)
    await until(lambda: deleted(newer, client, old.library))


async def test_a_library_that_is_reported_in_time_after_an_outage_stays(
    client: InspectedClient, old: InspectedClient
) -> None:
    await client.redis.zadd(keys.LIBRARIES, {LIBRARY.name: 1, old.library.name: 1})
    newer = LibraryCleaner(client, keep_seconds=60, report_seconds=0.2)
    for _ in range(3):
        await newer.clean()
    await LibraryCleaner(old, keep_seconds=60).clean()
    await outlive([newer], 2 * GRACE * 0.2)
    assert old.library.name in await loaded(client)


async def test_the_names_of_deleted_libraries_are_forgotten(client: InspectedClient, old: InspectedClient) -> None:
    newer = cleaner(client)
    await until(lambda: deleted(newer, client, old.library))
    await newer.clean()
    assert await client.redis.zrange(keys.LIBRARIES, 0, -1) == [LIBRARY.name.encode()]


async def test_a_gateway_that_may_not_delete_libraries_logs_that_once(
    client: InspectedClient, old: InspectedClient
) -> None:
    running = None
    await client.redis.execute_command("ACL", "LOG", "RESET")
    await client.redis.execute_command("ACL", "SETUSER", "default", "-function|list")
    try:
        with captured_log() as lines:
            running = asyncio.create_task(cleaner(client).run())

            async def said() -> bool:
                return "libraries_not_cleaned" in [line["event"] for line in lines]

            async def refused_again() -> bool:
                return any(int(str(entry["count"])) >= 3 for entry in await client.redis.acl_log())

            await until(said)
            await until(refused_again)
        assert [line["event"] for line in lines].count("libraries_not_cleaned") == 1
    finally:
        if running is not None:
            running.cancel()
        await client.redis.execute_command("ACL", "SETUSER", "default", "+function|list")
