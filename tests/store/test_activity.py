"""Monthly active users: their number per month, and counting while Redis is unreachable."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import User
from gateway.settings import Settings
from gateway.store import activity as module
from gateway.store import keys
from gateway.store.activity import ActiveUsers
from gateway.store.deletion import UserDeletion
from gateway.store.inbox import InboxStore
from gateway.store.library import LIBRARY
from gateway.store.profiles import ProfileStore
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from gateway.telemetry.metrics import ACTIVE_USERS, UNCOUNTED_ACTIVE_USERS
from tests.servers import running_redis
from tests.store.conftest import InspectedClient

JANUARY = 1_767_225_600.0  # 2026-01-01T00:00:00Z
DAY = 24 * 3600


class Clock:
    def __init__(self, now: float = JANUARY) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def project() -> ProjectId:
    return ProjectId(str(uuid4()))


def users(project: ProjectId, count: int) -> Iterator[User]:
    return (User(project, UserId(str(uuid4())), None, "x@y.z") for _ in range(count))


async def test_five_thousand_users_are_counted_within_five_percent(client: FunctionClient, project: ProjectId) -> None:
    active = ActiveUsers(client, Clock())
    for user in users(project, 5000):
        active.seen(user)
        active.seen(user)
    await active.add()
    assert await active.count(project, "2026-01") == pytest.approx(5000, rel=0.05)  # six times the standard error


async def test_a_user_of_several_workers_counts_once(client: FunctionClient, project: ProjectId) -> None:
    (user,) = users(project, 1)
    for _ in range(3):
        active = ActiveUsers(client, Clock())
        active.seen(user)
        await active.add()
    assert await active.count(project, "2026-01") == 1


async def test_projects_are_counted_apart(client: FunctionClient, project: ProjectId) -> None:
    other = ProjectId(str(uuid4()))
    active = ActiveUsers(client, Clock())
    for user in (*users(project, 2), *users(other, 3)):
        active.seen(user)
    await active.add()
    assert (await active.count(project, "2026-01"), await active.count(other, "2026-01")) == (2, 3)


async def test_a_user_counts_in_the_month_they_were_seen_in(client: FunctionClient, project: ProjectId) -> None:
    clock = Clock(JANUARY + 31 * DAY - 0.001)
    active = ActiveUsers(client, clock)
    one, two = users(project, 2)
    active.seen(one)
    clock.now += 0.001
    active.seen(one)
    active.seen(two)
    await active.add()
    assert (await active.count(project, "2026-01"), await active.count(project, "2026-02")) == (1, 2)


@pytest.mark.parametrize(
    ("now", "month"),
    [
        (JANUARY - 1, "2025-12"),
        (JANUARY, "2026-01"),
        (JANUARY + 59 * DAY - 1, "2026-02"),
        (JANUARY + 59 * DAY, "2026-03"),
    ],
)
async def test_a_month_is_the_calendars_in_utc(client: FunctionClient, now: float, month: str) -> None:
    assert ActiveUsers(client, Clock(now)).month == month


async def test_a_month_is_kept_for_25_months(client: InspectedClient, project: ProjectId) -> None:
    active = ActiveUsers(client, Clock())
    for user in users(project, 1):
        active.seen(user)
    await active.add()
    for key in (keys.active_users(project, "2026-01"), keys.all_active_users("2026-01")):
        assert 25 * 30 * DAY < await client.redis.ttl(key) <= 25 * 31 * DAY


@contextlib.asynccontextmanager
async def running(active: ActiveUsers, *connected: User) -> AsyncIterator[None]:
    task = asyncio.create_task(active.run(lambda: connected))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await active.add()


async def counted(active: ActiveUsers, project: ProjectId, month: str, expected: int) -> None:
    async with asyncio.timeout(10):
        while await active.count(project, month) != expected:
            await asyncio.sleep(0.01)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add every 10 ms."""
    monkeypatch.setattr(module, "ADD_SECONDS", 0.01)


@pytest.mark.usefixtures("often")
async def test_what_is_seen_is_added_and_shown_in_the_background(client: FunctionClient, project: ProjectId) -> None:
    active = ActiveUsers(client, Clock())
    async with running(active):
        for user in users(project, 2):
            active.seen(user)
        await counted(active, project, "2026-01", 2)
        assert ACTIVE_USERS._value.get() >= 0


@pytest.mark.usefixtures("often")
async def test_a_user_connected_over_the_end_of_a_month_counts_in_the_next(
    client: FunctionClient, project: ProjectId
) -> None:
    clock, (user,) = Clock(), users(project, 1)
    active = ActiveUsers(client, clock)
    async with running(active, user):
        active.seen(user)
        await counted(active, project, "2026-01", 1)
        clock.now += 31 * DAY
        await counted(active, project, "2026-02", 1)


@pytest.mark.usefixtures("often")
async def test_users_that_cannot_be_added_are_added_when_redis_is_back(tmp_path: Path, project: ProjectId) -> None:
    with running_redis("valkey", tmp_path) as server:
        client = FunctionClient(Topology(Settings(redis_url=server.url)), LIBRARY)
        active = ActiveUsers(client, Clock())
        async with running(active):
            server.stop()
            for user in users(project, 3):
                active.seen(user)
            await active.add()
            server.start()
            await counted(active, project, "2026-01", 3)
        client.close()


async def test_a_key_of_another_type_does_not_block_the_others(client: InspectedClient, project: ProjectId) -> None:
    other = ProjectId(str(uuid4()))
    await client.redis.lpush(keys.active_users(other, "2026-01"), "no HyperLogLog")
    active = ActiveUsers(client, Clock())
    for user in (*users(other, 1), *users(project, 1)):
        active.seen(user)
    await active.add()
    assert await active.count(project, "2026-01") == 1


async def test_memory_is_bounded_and_a_user_that_was_not_counted_counts_with_the_next_request(
    client: FunctionClient, project: ProjectId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REMEMBERED_USERS", 2)
    monkeypatch.setattr(module, "WAITING_USERS", 3)
    active = ActiveUsers(client, Clock())
    everybody = list(users(project, 5))
    before = UNCOUNTED_ACTIVE_USERS._value.get()
    for user in everybody:
        active.seen(user)
    assert UNCOUNTED_ACTIVE_USERS._value.get() - before == 2
    await active.add()
    assert await active.count(project, "2026-01") == 3
    for user in everybody:
        active.seen(user)
        await active.add()
    assert await active.count(project, "2026-01") == 5


# ---- when a user was last seen


async def seen_at(client: InspectedClient, user: User) -> int | None:
    """Return when a user was last seen, as it is stored."""
    stored = await client.redis.hget(keys.user(user.project_id, user.id), "seen_at")
    return int(stored) if stored is not None else None


async def test_when_a_user_was_last_seen_is_written_once_in_ten_minutes(
    client: InspectedClient, project: ProjectId
) -> None:
    clock = Clock(JANUARY + 5)
    active = ActiveUsers(client, clock)
    (user,) = users(project, 1)
    for passed, written in ((0, 5), (module.SEEN_SECONDS - 6, 5), (1, module.SEEN_SECONDS)):
        clock.now += passed
        active.seen(user)
        await active.add()
        assert await seen_at(client, user) == JANUARY + written


async def test_reports_of_workers_arrive_in_any_order_and_a_clock_that_was_ahead_is_corrected(
    client: InspectedClient, project: ProjectId
) -> None:
    (user,) = users(project, 1)
    now = int(time.time())
    for reported, expected in ((now - 50, now - 50), (now - 90, now - 50), (now + DAY, now + DAY), (now, now)):
        active = ActiveUsers(client, Clock(reported))
        active.seen(user)
        await active.add()
        assert await seen_at(client, user) == expected


async def test_a_deleted_user_is_not_seen_any_more(client: InspectedClient, project: ProjectId) -> None:
    (user,) = users(project, 1)
    active = ActiveUsers(client, Clock())
    active.seen(user)
    await UserDeletion(client).delete(user)
    await active.add()
    assert await client.redis.hkeys(keys.user(user.project_id, user.id)) == [b"deleted"]


async def test_being_seen_changes_nothing_else_of_a_user(client: InspectedClient, project: ProjectId) -> None:
    (user,) = users(project, 1)
    await ProfileStore(client).set(user, {"first_name": "Ada"})
    active = ActiveUsers(client, Clock())
    active.seen(user)
    await active.add()
    assert await ProfileStore(client).set(user, {}) == {
        **dict.fromkeys(("last_name", "custom_attributes", "phone_numbers")),
        "first_name": "Ada",
    }


async def test_a_read_of_the_log_writes_when_its_reader_was_seen(
    client: InspectedClient, store: InboxStore, project: ProjectId
) -> None:
    clock = Clock(JANUARY + 5)
    active = ActiveUsers(client, clock)
    (user,) = users(project, 1)
    for passed, due in ((0, 5), (module.SEEN_SECONDS - 6, 0), (1, module.SEEN_SECONDS)):
        clock.now += passed
        second = active.seen_by_reader(user)
        assert second == (JANUARY + due if due else 0)
        before = await seen_at(client, user)
        await active.add()
        assert await seen_at(client, user) == before, "the count alone does not write it"
        await store.read_log(user, None, "e", seen_at=second)
        assert await seen_at(client, user) == (second or before)
    await store.read_log(user, None, "e", seen_at=int(JANUARY))
    assert await seen_at(client, user) == JANUARY + module.SEEN_SECONDS
    assert await active.count(project, "2026-01") == 1
