"""Calls of functions and commands: replies are decoded, and errors raise the exception for their cause."""

from uuid import uuid4

import pytest

from gateway.store import keys
from gateway.store.redis.client import CALLS_AT_ONCE, FunctionClient
from gateway.store.redis.problems import StoreDataError, StoreFormatError, StoreUnavailableError
from gateway.store.workspaces import FIND_WORKSPACE, PUT_WORKSPACE
from gateway.telemetry import tallies
from gateway.telemetry.metrics import REDIS_CALLS, REDIS_ERRORS
from tests.store.conftest import InspectedClient


@pytest.fixture
def projects() -> str:
    """A key in the place of the projects, which no other test uses."""
    return f"{keys.PREFIX}{{test-{uuid4().hex}}}"


async def test_a_reply_is_decoded(client: InspectedClient, projects: str) -> None:
    assert await client.call(PUT_WORKSPACE(projects, "1", "A title", must_be_new=True)) is True
    assert await client.call(PUT_WORKSPACE(projects, "1", "A title", must_be_new=True)) is False
    assert await client.call(FIND_WORKSPACE(projects, "1", "none")) == [b"A title", 0]


async def test_several_calls_are_one_round_trip_in_order(client: InspectedClient, projects: str) -> None:
    await client.call(PUT_WORKSPACE(projects, "1", "A title", must_be_new=True))
    before = (await client.redis.info("stats"))["total_reads_processed"]
    titles = await client.call_many([FIND_WORKSPACE(projects, str(number), "none") for number in range(3)])
    assert [title for title, _ in titles] == [None, b"A title", None]
    # The server reads one write at once, unless the write was interrupted. The second INFO is another read.
    assert (await client.redis.info("stats"))["total_reads_processed"] - before <= 3


async def test_no_calls_are_no_round_trip(client: InspectedClient) -> None:
    client.refusal = lambda: StoreUnavailableError("not even tried")
    assert await client.call_many([]) == []
    assert await client.call_each([]) == []


async def test_the_first_error_of_several_calls_is_raised(client: InspectedClient, projects: str) -> None:
    await client.redis.set(projects + keys.PROJECT_SUFFIXES["WORKSPACES"], "something else")
    errors = REDIS_ERRORS._value.get()
    with pytest.raises(StoreDataError):
        await client.call_many([FIND_WORKSPACE(projects, "1", "none")] * 2)
    assert REDIS_ERRORS._value.get() == errors + 1


async def test_a_broken_record_replaces_only_its_own_reply(client: InspectedClient, projects: str) -> None:
    other = projects.replace("test-", "other-")
    await client.redis.set(other + keys.PROJECT_SUFFIXES["WORKSPACES"], "something else")
    good, broken = await client.call_each([FIND_WORKSPACE(key, "1", "none") for key in (projects, other)])
    assert good == [None, 0]
    assert isinstance(broken, StoreDataError)


async def test_calls_are_counted_by_function(client: InspectedClient, projects: str) -> None:
    counter = REDIS_CALLS.labels("find_workspace")
    tallies.collect()
    before = counter._value.get()
    await client.call_many([FIND_WORKSPACE(projects, "1", "none")] * 2)
    tallies.collect()
    assert counter._value.get() == before + 2


async def test_a_client_that_must_not_use_the_store_refuses_all_but_publishing(client: InspectedClient) -> None:
    client.refusal = lambda: StoreFormatError("another format")
    for refused in (client.command("GET", "k"), client.call(FIND_WORKSPACE(keys.PROJECTS, "1", "none"))):
        with pytest.raises(StoreFormatError):
            await refused
    await client.publish("channel", b"message")


async def test_commands_run_in_one_round_trip(client: InspectedClient, projects: str) -> None:
    assert await client.commands(("SET", projects, "a"), ("GET", projects)) == [b"OK", b"a"]
    with pytest.raises(StoreDataError):
        await client.commands(("GET", projects), ("HGETALL", projects))


async def test_a_scan_finds_every_key_once(client: InspectedClient, projects: str) -> None:
    names = {f"{projects}:{number}".encode() for number in range(CALLS_AT_ONCE)}
    await client.commands(*(("SET", name, "x") for name in names))
    found: list[bytes] = []
    cursor, some = await client.scan(0, f"{projects}:*", 50)
    found += some
    while cursor:
        cursor, some = await client.scan(cursor, f"{projects}:*", 50)
        found += some
    assert sorted(found) == sorted(names)


async def test_a_command_without_a_key_runs_on_a_server_of_choice(client: InspectedClient) -> None:
    (node,) = await client.nodes()
    assert await client.run_on(node, "PING") == b"PONG"
    with pytest.raises(StoreUnavailableError):
        await client.run_on(node, "NO_SUCH_COMMAND")


async def test_a_closed_client_fails_clearly(client: InspectedClient) -> None:
    closed = FunctionClient(client.topology, client.library)
    closed.close()
    with pytest.raises(StoreUnavailableError):
        await closed.command("GET", "k")
