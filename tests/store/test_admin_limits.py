"""Admin calls are counted a project, a kind and a minute."""

import pytest

from gateway.domain.guard import Allowance, RateKind, RateLimitedError
from gateway.store import keys
from gateway.store.admin_limits import AdminLimits
from tests.store.conftest import InspectedClient, new_user


async def test_calls_beyond_the_limit_are_refused_until_the_minute_ends(client: InspectedClient) -> None:
    limits, project_id = AdminLimits(client), new_user().project_id
    for used in (1, 2):
        allowance = Allowance(RateKind.WRITES, 2)
        await limits.count(project_id, allowance)
        assert (allowance.used, allowance.remaining) == (used, 2 - used)
    with pytest.raises(RateLimitedError) as limited:
        await limits.count(project_id, Allowance(RateKind.WRITES, 2))
    assert 0 < limited.value.retry_after_seconds <= 60
    key = keys.admin_rate(project_id) + keys.USER_SUFFIXES["RATE"] + "writes"
    assert 0 < await client.redis.ttl(key) <= 60


async def test_reads_and_writes_and_projects_are_counted_apart(client: InspectedClient) -> None:
    limits, project_id = AdminLimits(client), new_user().project_id
    await limits.count(project_id, Allowance(RateKind.WRITES, 1))
    await limits.count(project_id, Allowance(RateKind.READS, 1))
    await limits.count(new_user().project_id, Allowance(RateKind.WRITES, 1))
