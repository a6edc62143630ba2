"""The findings of `doctor` about a server, from its reports and its permissions."""

import pytest

from gateway.store.redis.client import FunctionClient
from gateway.store.redis.diagnosis import Finding, Severity, examine, judge, judge_clock
from tests.store.conftest import InspectedClient
from tests.store.redis.conftest import allow

GOOD = {
    "redis_version": "7.0.15",
    "role": "master",
    "used_memory": "1000000",
    "maxmemory": "0",
    "maxmemory_policy": "noeviction",
    "aof_enabled": "1",
    "aof_last_write_status": "ok",
}


def worst(info: dict[str, str], **kwargs: bool) -> list[Finding]:
    """Return the findings that are not fine."""
    modes = {"clustered": False, "replicated": False} | kwargs
    return [one for one in judge(info, "h:1", **modes) if one.severity is not Severity.FINE]


def test_a_server_in_order_has_no_findings() -> None:
    assert worst(GOOD) == []
    assert worst(GOOD | {"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "9.1.2"}) == []


@pytest.mark.parametrize(
    ("change", "topic", "says", "severity"),
    [
        ({"redis_version": "6.2.14"}, "server", "redis 6.2.14 h:1 is too old", Severity.PROBLEM),
        ({"valkey_version": "7.2.5", "redis_version": "7.2.4"}, "server", "valkey 7.2.5", Severity.PROBLEM),
        ({"role": "slave"}, "role", "a replica", Severity.PROBLEM),
        ({"cluster_enabled": "1"}, "role", "a node of a cluster", Severity.PROBLEM),
        (
            {"maxmemory": "2000000", "maxmemory_policy": "allkeys-lru"},
            "memory",
            "2 MB, allkeys-lru: it deletes inboxes when it is full",
            Severity.PROBLEM,
        ),
        ({"maxmemory_policy": "volatile-ttl"}, "memory", "once maxmemory is set", Severity.WARNING),
        ({"maxmemory": "1050000"}, "memory", "nearly full", Severity.WARNING),
        ({"maxmemory": "1010000"}, "memory", "full, so writes are refused", Severity.PROBLEM),
        ({"maxmemory": "1000000"}, "memory", "full, so writes are refused", Severity.PROBLEM),
        ({"aof_enabled": "0"}, "durability", "NO append-only file", Severity.PROBLEM),
        ({"aof_enabled": "0", "rdb_last_bgsave_status": "err"}, "durability", "snapshot failed", Severity.PROBLEM),
        ({"aof_last_write_status": "err"}, "durability", "cannot be written", Severity.PROBLEM),
        ({"aof_last_bgrewrite_status": "err"}, "durability", "could not be rewritten", Severity.WARNING),
        ({"loading": "1"}, "role", "still loading", Severity.PROBLEM),
    ],
)
def test_a_fault_of_a_server_is_found(change: dict[str, str], topic: str, says: str, severity: Severity) -> None:
    (found,) = worst(GOOD | change)
    assert (found.topic, found.severity) == (topic, severity)
    assert says in found.text


def test_a_missing_replica_is_a_problem_where_writes_wait_for_one() -> None:
    assert [one.topic for one in worst(GOOD, replicated=True)] == ["replicas"]
    assert worst(GOOD | {"connected_slaves": "1"}, replicated=True) == []
    assert worst(GOOD | {"cluster_enabled": "1"}, clustered=True) == []


@pytest.mark.parametrize(("seconds", "says"), [(90.0, "90.0 s ahead of"), (-3.5, "3.5 s behind"), (0.2, "in step")])
def test_a_clock_that_is_off_is_found(seconds: float, says: str) -> None:
    assert says in judge_clock(seconds).text


async def test_permissions_to_delete_unused_libraries_are_only_recommended(
    client: InspectedClient, limited: FunctionClient
) -> None:
    await allow(client, "+@all", "-function|list", "-function|delete", "~*", "&*")
    (found,) = [one async for one in examine(limited) if one.topic in ("permissions", "libraries")]
    assert (found.topic, found.severity) == ("libraries", Severity.WARNING)
    assert "+function|list +function|delete" in found.text
    await allow(client, "+function|list", "+function|delete")
    assert [one async for one in examine(limited) if one.topic == "libraries"] == []


async def test_an_examination_leaves_nothing_behind(client: InspectedClient) -> None:
    before = set(await client.redis.keys("*"))
    assert [one async for one in examine(client)]
    assert set(await client.redis.keys("*")) == before
