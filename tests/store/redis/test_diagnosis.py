"""The findings of `doctor` about a server, from its reports and its permissions."""

import pytest

from gateway.domain.finding import Finding, Severity
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.diagnosis import examine, judge, judge_clock, judge_sync
from tests.store.conftest import InspectedClient
from tests.store.redis.conftest import allow

GOOD = {
    "redis_version": "7.0.15",
    "role": "master",
    "used_memory": "1000000",
    "maxmemory": "10000000",
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
        ({"maxmemory": "0", "maxmemory_policy": "volatile-ttl"}, "memory", "once maxmemory is set", Severity.WARNING),
        ({"maxmemory": "0"}, "memory", "unlimited, noeviction: without maxmemory", Severity.ADVICE),
        ({"maxmemory": "1200000"}, "memory", "nearly full", Severity.WARNING),
        ({"evicted_keys": "7"}, "memory", "7 keys were evicted", Severity.PROBLEM),
        ({"connected_clients": "900", "maxclients": "1000"}, "server", "900 of 1,000 clients", Severity.WARNING),
        ({"maxmemory": "1050000"}, "memory", "nearly full", Severity.WARNING),
        ({"maxmemory": "1010000"}, "memory", "full, so writes are refused", Severity.PROBLEM),
        ({"maxmemory": "1000000"}, "memory", "full, so writes are refused", Severity.PROBLEM),
        ({"aof_enabled": "0"}, "durability", "NO append-only file", Severity.PROBLEM),
        ({"aof_enabled": "0", "rdb_last_bgsave_status": "err"}, "durability", "snapshot failed", Severity.PROBLEM),
        ({"aof_enabled": "0", "connected_slaves": "1"}, "durability", "stop together", Severity.WARNING),
        (
            {"connected_slaves": "1", "slave0": "ip=10.0.0.2,port=6379,state=wait_bgsave,offset=0,lag=0"},
            "replicas",
            "10.0.0.2:6379 is not in step: wait_bgsave",
            Severity.WARNING,
        ),
        (
            {"connected_slaves": "1", "slave0": "ip=10.0.0.2,port=6379,state=online,offset=0,lag=11"},
            "replicas",
            "silent for 11 s",
            Severity.WARNING,
        ),
        ({"aof_last_write_status": "err"}, "durability", "cannot be written", Severity.PROBLEM),
        ({"aof_last_bgrewrite_status": "err"}, "durability", "could not be rewritten", Severity.WARNING),
        ({"loading": "1"}, "role", "still loading", Severity.PROBLEM),
    ],
)
def test_a_fault_of_a_server_is_found(change: dict[str, str], topic: str, says: str, severity: Severity) -> None:
    (found,) = worst(GOOD | change)
    assert (found.topic, found.severity) == (topic, severity)
    assert says in found.text
    assert found.advice


def test_a_replica_that_has_lost_its_primary_is_a_problem() -> None:
    found = worst(GOOD | {"role": "slave", "master_link_status": "down"})
    assert [one.topic for one in found] == ["role", "replicas"]


@pytest.mark.parametrize(
    ("policy", "severity"), [("no", Severity.PROBLEM), ("", Severity.ADVICE), ("everysec", None), ("always", None)]
)
def test_the_synchronisation_of_the_file_is_judged(policy: str, severity: Severity | None) -> None:
    found = judge_sync(policy)
    assert (found and found.severity) == severity


def test_a_missing_replica_is_a_problem_where_writes_wait_for_one() -> None:
    missing = [one for one in worst(GOOD, replicated=True) if one.severity is Severity.PROBLEM]
    assert [one.topic for one in missing] == ["replicas"]
    (found,) = worst(GOOD | {"connected_slaves": "1"}, replicated=True)
    assert (found.severity, "min-replicas-to-write 1" in found.advice) == (Severity.ADVICE, True)
    assert worst(GOOD | {"connected_slaves": "1", "min_slaves_good_slaves": "1"}, replicated=True) == []
    assert worst(GOOD | {"cluster_enabled": "1"}, clustered=True) == []


@pytest.mark.parametrize(("seconds", "says"), [(90.0, "90.0 s ahead of"), (-3.5, "3.5 s behind"), (0.2, "in step")])
def test_a_clock_that_is_off_is_found(seconds: float, says: str) -> None:
    assert says in judge_clock(seconds).text


@pytest.mark.parametrize(
    ("settings", "says", "severity"),
    [
        ({"maxmemory-policy": "allkeys-lru"}, "it deletes inboxes once maxmemory is set", Severity.WARNING),
        ({"maxmemory": "1gb", "maxmemory-policy": "volatile-lru"}, "deletes inboxes when it is full", Severity.PROBLEM),
        ({"appendonly": "no"}, "NO append-only file", Severity.PROBLEM),
        ({"appendonly": "yes", "appendfsync": "no"}, "loses what was written", Severity.PROBLEM),
        ({"maxmemory": "0"}, "without maxmemory", Severity.ADVICE),
    ],
)
async def test_a_configuration_that_may_lose_data_is_found_at_a_real_server(
    client: InspectedClient, settings: dict[str, str], says: str, severity: Severity
) -> None:
    names = ("maxmemory", "maxmemory-policy", "appendonly", "appendfsync")
    before = {name: str((await client.redis.config_get(name))[name]) for name in names}
    try:
        for name, value in settings.items():
            await client.redis.config_set(name, value)
        found = [one async for one in examine(client)]
        assert [one.severity for one in found if says in one.text] == [severity]
    finally:
        for name, value in before.items():
            await client.redis.config_set(name, value)


async def test_a_server_that_hides_its_state_is_not_called_healthy(
    client: InspectedClient, limited: FunctionClient
) -> None:
    await allow(client, "+@all", "-info", "-config", "~*", "&*")
    found = [one async for one in examine(limited) if one.topic == "server"]
    assert [one.severity for one in found] == [Severity.WARNING]
    assert "does not allow INFO" in found[0].text


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
