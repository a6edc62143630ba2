"""Records of sweeps: the last one of each project, in a format that earlier and later gateways share."""

import pytest

from gateway.domain.retention import ItemRetention
from gateway.store import keys
from gateway.store.sweeps import RECORDED_SECONDS, SweepRecord, SweepStore
from tests.sending import recorded
from tests.store.conftest import InspectedClient, new_user

SWEEP = SweepRecord(1795961054378, ItemRetention(100, 604800))


async def test_the_last_sweep_of_each_project_is_known(client: InspectedClient) -> None:
    swept, other = new_user().project_id, new_user().project_id
    sweeps = SweepStore(client)
    await sweeps.record(swept, SWEEP)
    assert await sweeps.last([swept, other]) == {swept: SWEEP, other: None}
    assert await sweeps.last([]) == {}


async def test_a_record_expires(client: InspectedClient) -> None:
    project_id = new_user().project_id
    await SweepStore(client).record(project_id, SWEEP)
    assert await client.redis.ttl(keys.swept(project_id)) == pytest.approx(RECORDED_SECONDS, abs=120)


async def test_the_oldest_record_is_read_and_written_the_same(client: InspectedClient) -> None:
    project_id, sweeps = new_user().project_id, SweepStore(client)
    await client.redis.set(keys.swept(project_id), recorded.SWEEP)
    assert (await sweeps.last([project_id]))[project_id] == SWEEP
    await sweeps.record(project_id, SWEEP)
    assert await client.redis.get(keys.swept(project_id)) == recorded.SWEEP


@pytest.mark.parametrize("value", ["v2 1795961054378 100 604800", "1 2", "garbage", ""])
async def test_a_record_of_a_later_version_counts_as_none(client: InspectedClient, value: str) -> None:
    project_id = new_user().project_id
    await client.redis.set(keys.swept(project_id), value)
    assert await SweepStore(client).last([project_id]) == {project_id: None}


async def test_one_worker_of_all_checks_for_due_projects(client: InspectedClient) -> None:
    await client.redis.delete(keys.SWEEP_CHECK)
    assert [await SweepStore(client).claim_check(60) for _ in range(3)] == [True, False, False]
    await client.redis.delete(keys.SWEEP_CHECK)


async def test_every_worker_checks_while_the_server_is_full(client: InspectedClient) -> None:
    await client.redis.delete(keys.SWEEP_CHECK)
    sweeps, project_id = SweepStore(client), new_user().project_id
    await client.redis.config_set("maxmemory", 1)
    try:
        assert [await sweeps.claim_check(60) for _ in range(2)] == [True, True]
        await sweeps.record(project_id, SWEEP)  # is lost, and raises nothing
    finally:
        await client.redis.config_set("maxmemory", 0)
    assert await sweeps.last([project_id]) == {project_id: None}
