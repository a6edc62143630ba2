"""Lanes: no user is lost, none is claimed twice at a time, projects are served alike, and limits cost no attempts."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import replace
from typing import ClassVar, TypeVar
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from gateway.domain.delivery import Blame, Claim, Lane, LaneReport, Reservation, Route
from gateway.domain.ids import ProjectId, UserId
from gateway.store import keys
from gateway.store.lanes import SHARDS, LaneStore, Mark, shard_of
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import FunctionCall
from tests.servers import RedisServer
from tests.store.clocked import ClockedClient
from tests.store.conftest import InspectedClient

T = TypeVar("T")
R = TypeVar("R")

P1, P2 = ProjectId("1"), ProjectId("2")
LEASE_MS, MARK_MS = 30_000, 5_000


def user(number: int) -> UserId:
    return UserId(str(UUID(int=number + 1)))


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncIterator[ClockedClient]:
    client = ClockedClient(redis_server.url)
    await client.prepare()
    await remove_lanes(client)
    yield client
    await client.aclose()


async def remove_lanes(client: ClockedClient) -> None:
    if found := await client.redis.keys("inbox:1:{deliveries:*"):
        await client.redis.unlink(*found)


@pytest.fixture
def lanes(client: ClockedClient) -> LaneStore:
    return LaneStore(client, monotonic=client.monotonic)


async def add(lanes: LaneStore, lane: Lane, *users: UserId, delay_ms: int = 0) -> Mark:
    mark = await lanes.mark(lane.project_id, users, [lane.route])
    await lanes.hasten([(mark, each, {lane.route: delay_ms}) for each in users])
    return mark


async def claim(lanes: LaneStore, limit: int = 100) -> Claim:
    (claimed,) = await lanes.claim(limit, LEASE_MS)
    return claimed


async def end(lanes: LaneStore, claimed: Claim, report: LaneReport | None = None, due_ms: int | None = None) -> None:
    await lanes.done(claimed, dict.fromkeys(claimed.users, due_ms), report or LaneReport())


def dead(first: int, end: int, arrived: int = 0) -> Blame:
    """Return that tokens of the users from `first` up to `end` died."""
    return Blame(arrived=arrived, dead=[user(number) for number in range(first, end)], dead_reason="rush")


EMAIL = Lane(P1, Route.EMAIL)


async def test_a_user_is_due_when_its_entry_is(client: ClockedClient, lanes: LaneStore) -> None:
    await add(lanes, EMAIL, user(1), delay_ms=60_000)
    assert await lanes.claim(10, LEASE_MS) == []
    await client.pass_ms(59_999)
    assert await lanes.claim(10, LEASE_MS) == []
    await client.pass_ms(1)
    claimed = await claim(lanes)
    assert (claimed.lane, claimed.users, claimed.is_probe) == (EMAIL, [user(1)], False)
    assert claimed.lease_ms == client.now_ms + LEASE_MS
    await end(lanes, claimed)
    assert await lanes.of_project(P1) == []


async def test_a_mark_that_nobody_removes_makes_its_users_due_on_all_its_routes(
    client: ClockedClient, lanes: LaneStore
) -> None:
    await lanes.mark(P1, [user(1), user(2)], [Route.EMAIL, Route.SMS])
    await client.pass_ms(MARK_MS - 1)
    assert await lanes.claim(10, LEASE_MS) == []
    await client.pass_ms(2)
    claims = await lanes.claim(10, LEASE_MS)
    assert {(each.lane.route, *sorted(each.users)) for each in claims} == {
        (route, user(1), user(2)) for route in (Route.EMAIL, Route.SMS)
    }


async def test_a_request_removes_its_own_mark_and_not_that_of_a_later_one(
    client: ClockedClient, lanes: LaneStore
) -> None:
    first = await lanes.mark(P1, [user(1)], [Route.EMAIL])
    await lanes.mark(P1, [user(1)], [Route.EMAIL])
    await lanes.hasten([(first, user(1), {})])
    await client.pass_ms(MARK_MS + 1)
    assert (await claim(lanes)).users == [user(1)]
    await client.pass_ms(LEASE_MS)
    await lanes.hasten([(await lanes.mark(P2, [user(1)], [Route.EMAIL]), user(1), {})])
    await client.pass_ms(MARK_MS + 1)
    assert (await claim(lanes)).lane.project_id == P1


async def test_users_are_claimed_again_with_a_greater_number_when_the_lease_is_over(
    client: ClockedClient, lanes: LaneStore
) -> None:
    await add(lanes, EMAIL, user(1))
    first = await claim(lanes)
    await client.pass_ms(LEASE_MS)
    assert await lanes.claim(10, LEASE_MS) == []
    await client.pass_ms(1)
    second = await claim(lanes)
    assert second.number > first.number
    await end(lanes, first)
    await client.pass_ms(LEASE_MS + 1)
    third = await claim(lanes)
    extended = await lanes.extend(third, 2 * LEASE_MS)
    assert (extended.users, extended.lease_ms) == ([user(1)], client.now_ms + 2 * LEASE_MS)
    assert (await lanes.extend(second, LEASE_MS)).users == []
    await client.pass_ms(LEASE_MS + 1)
    assert await lanes.claim(10, LEASE_MS) == []
    await end(lanes, extended)
    await client.pass_ms(2 * LEASE_MS)
    assert await lanes.claim(10, LEASE_MS) == []


async def test_users_of_a_small_project_do_not_wait_behind_those_of_a_large_one(lanes: LaneStore) -> None:
    # 1 and 21 are in the same shard.
    large, small = Lane(P1, Route.APNS), Lane(same_shard(P1), Route.APNS)
    for first in range(0, 3000, 250):
        await add(lanes, large, *map(user, range(first, first + 250)))
    assert (await claim(lanes)).lane == large
    await add(lanes, small, *map(user, range(50)))
    served = Counter[Lane]()
    for _ in range(3):
        for each in await lanes.claim(100, LEASE_MS):
            served[each.lane] += len(each.users)
    assert served[small] == 50


async def test_two_lanes_of_a_project_get_no_more_than_one_of_another(lanes: LaneStore) -> None:
    other = same_shard(P1)
    for lane in (Lane(P1, Route.APNS), Lane(P1, Route.EMAIL), Lane(other, Route.EMAIL)):
        await add(lanes, lane, *map(user, range(250)))
        await add(lanes, lane, *map(user, range(250, 500)))
    served = Counter[ProjectId]()
    for _ in range(40):
        for each in await lanes.claim(10, LEASE_MS):
            served[each.lane.project_id] += len(each.users)
    assert abs(served[P1] - served[other]) <= 20


def same_shard(project: ProjectId) -> ProjectId:
    from gateway.store.lanes import shard_of

    return next(
        ProjectId(str(number)) for number in range(2, 1000) if shard_of(ProjectId(str(number))) == shard_of(project)
    )


async def test_a_parked_lane_keeps_its_users_and_slows_nobody(client: ClockedClient, lanes: LaneStore) -> None:
    parked, other = Lane(P1, Route.APNS), Lane(P1, Route.EMAIL)
    await add(lanes, parked, user(1), user(2))
    assert await lanes.park(parked, "InvalidProviderToken")
    assert not await lanes.park(parked, "again")
    await add(lanes, parked, user(3))
    await add(lanes, other, user(1))
    (claimed,) = await lanes.claim(100, LEASE_MS)
    assert claimed.lane == other
    await client.pass_ms(10 * LEASE_MS)
    await end(lanes, await claim(lanes))
    (status,) = await lanes.of_project(P1)
    assert (status.waiting, status.parked) == (3, "InvalidProviderToken")
    assert status.parked_ms == client.now_ms - 10 * LEASE_MS
    assert (await lanes.all())[0] == status
    assert await lanes.unpark(parked)
    assert not await lanes.unpark(parked)
    assert len((await claim(lanes)).users) == 3


async def test_a_lane_is_parked_if_most_of_its_tokens_die_within_a_minute(
    client: ClockedClient, lanes: LaneStore
) -> None:
    lane = Lane(P1, Route.APNS)
    assert not await lanes.blame(lane, dead(1, 10))
    assert not await lanes.blame(lane, dead(10, 15, arrived=100))
    await client.pass_ms(60_001)
    assert not await lanes.blame(lane, dead(1, 10))
    assert await lanes.blame(lane, dead(10, 12, arrived=1)) == "rush"
    assert await lanes.blame(lane, dead(1, 2, arrived=100)) == "rush", "it stays parked"
    (status,) = await lanes.of_project(P1)
    assert status.parked == "rush"
    assert await lanes.unpark(lane)
    assert not await lanes.blame(lane, dead(1, 10)), "the count begins anew"


async def test_what_arrives_in_the_same_minute_speaks_against_a_rush(client: ClockedClient, lanes: LaneStore) -> None:
    lane = Lane(P1, Route.APNS)
    for first in range(1, 10):
        assert not await lanes.blame(lane, dead(first, first + 1))
    await lanes.add(lane, user(50), int(client.now_ms))
    await end(lanes, await claim(lanes), LaneReport(messages=11, delivered=11, arrived=11))
    assert not await lanes.blame(lane, dead(10, 12))


async def test_one_user_never_parks_a_lane(lanes: LaneStore) -> None:
    lane = Lane(P1, Route.APNS)
    for _ in range(30):
        assert not await lanes.blame(lane, dead(1, 2))
        assert not await lanes.blame(lane, Blame(arrived=0, doubted=[user(1)], doubted_reason="doubt"))


async def test_doubts_about_several_users_park_a_lane_in_which_nothing_works(lanes: LaneStore) -> None:
    works, fails = Lane(P1, Route.APNS), Lane(P1, Route.FCM)
    for number in (1, 2):
        doubt = Blame(arrived=0, doubted=[user(number)], doubted_reason="doubt")
        assert not await lanes.blame(fails, doubt)
        assert not await lanes.blame(works, replace(doubt, arrived=1))
    doubt = Blame(arrived=0, doubted=[user(3)], doubted_reason="doubt")
    assert await lanes.blame(fails, doubt) == "doubt"
    assert not await lanes.blame(works, doubt)


async def test_a_throttled_lane_rests_and_spends_nothing(client: ClockedClient, lanes: LaneStore) -> None:
    await add(lanes, EMAIL, user(1), user(2))
    claimed = await claim(lanes)
    await end(lanes, claimed, LaneReport(not_before_ms=client.now_ms + 90_000), due_ms=client.now_ms)
    await add(lanes, EMAIL, user(3))
    for _ in range(3):
        assert await lanes.claim(10, LEASE_MS) == []
        await client.pass_ms(29_999)
    (status,) = await lanes.of_project(P1)
    assert (status.waiting, status.failures, status.is_open) == (3, 0, False)
    await client.pass_ms(4)
    assert len((await claim(lanes)).users) == 3


async def test_a_lane_keeps_to_its_rate(client: ClockedClient, lanes: LaneStore) -> None:
    await add(lanes, EMAIL, *map(user, range(40)))
    rate = LaneReport(messages=1, per_second=2, burst=4)
    await end(lanes, await claim(lanes, 1), rate)
    claimed = await claim(lanes)
    assert len(claimed.users) == 3
    assert await lanes.claim(100, LEASE_MS) == []
    await lanes.done(claimed, dict.fromkeys(claimed.users), LaneReport(messages=1, per_second=2, burst=4))
    assert len((await claim(lanes)).users) == 2  # two of those three were skipped
    total = 0
    for _ in range(10):
        await client.pass_ms(500)
        total += sum(len(each.users) for each in await lanes.claim(100, LEASE_MS))
    assert total == 10


async def test_a_breaker_opens_lets_one_through_and_closes(client: ClockedClient, lanes: LaneStore) -> None:
    await add(lanes, EMAIL, *map(user, range(20)))
    claimed = await claim(lanes, 10)
    await end(lanes, claimed, LaneReport(messages=10, failed=10), due_ms=client.now_ms)
    assert await lanes.claim(10, LEASE_MS) == []
    await client.pass_ms(10_000)
    probe = await claim(lanes)
    assert (probe.is_probe, len(probe.users)) == (True, 1)
    assert await lanes.claim(10, LEASE_MS) == []
    await end(lanes, probe, LaneReport(messages=1, failed=1), due_ms=client.now_ms)
    await client.pass_ms(19_999)
    assert await lanes.claim(10, LEASE_MS) == []
    await client.pass_ms(1)
    skipping = await claim(lanes)
    await end(lanes, skipping)
    probe = await claim(lanes)
    assert probe.is_probe
    await end(lanes, probe, LaneReport(messages=1, delivered=1))
    claimed = await claim(lanes)
    assert (claimed.is_probe, len(claimed.users)) == (False, 18)


async def test_a_destination_takes_so_many_messages(client: ClockedClient, lanes: LaneStore) -> None:
    name = f"https://hooks.slack.com/{client.now_ms}"
    assert await lanes.reserve(name, 1, 1, 2500) == Reservation(True, 0)
    assert await lanes.reserve(name, 1, 1, 2500) == Reservation(True, 1000)
    assert await lanes.reserve(name, 1, 1, 2500) == Reservation(True, 2000)
    assert await lanes.reserve(name, 1, 1, 2500) == Reservation(False, 3000)
    await client.pass_ms(3000)
    assert await lanes.reserve(name, 1, 1, 0) == Reservation(True, 0)
    await lanes.hold(name, client.now_ms + 60_000)
    assert await lanes.reserve(name, 1, 1, 2500) == Reservation(False, 60_000)
    assert await lanes.reserve(name + "/2", 10, 2, 0) == Reservation(True, 0)
    assert await lanes.reserve(name + "/2", 10, 2, 0) == Reservation(True, 0)
    assert await lanes.reserve(name + "/2", 10, 2, 0) == Reservation(False, 100)


async def test_the_lanes_of_a_deleted_project_are_deleted(lanes: LaneStore) -> None:
    other = Lane(same_shard(P1), Route.EMAIL)
    await add(lanes, EMAIL, user(1))
    await add(lanes, other, user(1))
    await lanes.park(Lane(P1, Route.SMS), "config")
    await lanes.forget_project(P1)
    assert [status.lane for status in await lanes.all()] == [other]
    assert (await claim(lanes)).lane == other


class Requests(RuleBasedStateMachine):
    """Requests write entries, and may die between any two steps. Workers deliver, and may die too.

    `outbox` are the entries by lane and user, as the users' slots would have them.
    """

    loop: ClassVar[asyncio.AbstractEventLoop]
    client: ClassVar[ClockedClient]

    def run(self, awaited: Awaitable[T]) -> T:
        async def run() -> T:
            return await awaited

        return self.loop.run_until_complete(run())

    @initialize()
    def begin(self) -> None:
        self.run(remove_lanes(self.client))
        self.lanes = LaneStore(self.client, monotonic=self.client.monotonic)
        self.outbox: dict[tuple[Lane, UserId], list[int]] = {}
        self.marked: list[tuple[Mark, UserId, int]] = []
        self.written: list[tuple[Mark, UserId, int]] = []
        self.claims: list[Claim] = []
        self.taken: list[tuple[Claim, dict[UserId, int | None]]] = []
        self.held: dict[tuple[Lane, UserId], int] = {}
        self.parked: set[Lane] = set()

    projects = st.sampled_from([P1, P1, P1, same_shard(P1)])
    users = st.sampled_from([0, 0, 0, 1]).map(user)
    steps = st.integers(1, 3)

    @rule(project=projects, user=users, delay=st.sampled_from([0, 40_000]), steps=steps)
    def request(self, project: ProjectId, user: UserId, delay: int, steps: int) -> None:
        """Mark a user, write its entries and hasten it, or only the first of these steps for now."""
        mark = self.run(self.lanes.mark(project, [user], [Route.EMAIL, Route.SMS]))
        self.marked.append((mark, user, delay))
        self.go_on(steps - 1)

    @rule(steps=steps)
    def go_on(self, steps: int) -> None:
        """Continue the request that began last."""
        if steps > 0 and self.marked:
            self.write()
            steps -= 1
        if steps > 0 and self.written:
            self.hasten()

    def write(self) -> None:
        mark, user, delay = self.marked.pop()
        for route in mark.routes:
            self.outbox.setdefault((Lane(mark.project_id, route), user), []).append(self.client.now_ms + delay)
        self.written.append((mark, user, delay))

    def hasten(self) -> None:
        mark, user, delay = self.written.pop()
        self.run(self.lanes.hasten([(mark, user, dict.fromkeys(mark.routes, delay))]))
        for route in mark.routes:
            self.held.pop((Lane(mark.project_id, route), user), None)

    def die(self) -> None:
        """Let the gateway die: what it had begun is not continued."""
        self.marked.clear()
        self.written.clear()

    @rule(limit=st.integers(1, 4), steps=steps)
    def work(self, limit: int, steps: int) -> None:
        """Claim users, take their entries and end the claim, or only the first of these steps for now."""
        for claimed in self.run(self.lanes.claim(limit, LEASE_MS)):
            assert claimed.lane not in self.parked
            for each in claimed.users:
                assert self.held.get((claimed.lane, each), 0) < self.client.now_ms, "claimed twice at a time"
                self.held[claimed.lane, each] = claimed.lease_ms
            self.claims.append(claimed)
        self.work_on(steps - 1)

    @rule(steps=steps)
    def work_on(self, steps: int) -> None:
        """Continue what workers have claimed."""
        if steps > 0:
            while self.claims:
                self.take()
            steps -= 1
        if steps > 0:
            while self.taken:
                self.done()

    def take(self) -> None:
        claimed, dues = self.claims.pop(), dict[UserId, int | None]()
        for each in claimed.users:
            entries = self.outbox.get((claimed.lane, each), [])
            entries[:] = [due for due in entries if due > self.client.now_ms]
            dues[each] = min(entries, default=None)
        self.taken.append((claimed, dues))

    def done(self) -> None:
        claimed, dues = self.taken.pop()
        self.run(self.lanes.done(claimed, dues, LaneReport()))
        for each in claimed.users:
            self.held.pop((claimed.lane, each), None)

    def lose_worker(self) -> None:
        self.claims.clear()
        self.taken.clear()

    @rule(kind=st.integers(0, 3), project=projects)
    def disturb(self, kind: int, project: ProjectId) -> None:
        """Let a gateway or a worker die, or park or unpark a lane."""
        (self.die, self.lose_worker, self.unpark, lambda: self.park(project))[kind]()

    @rule(ms=st.sampled_from([1, MARK_MS + 1, LEASE_MS + 1]))
    def wait(self, ms: int) -> None:
        # A request that takes as long as that has failed: its client was told so, and sends it again.
        if ms >= MARK_MS:
            self.marked.clear()
        self.run(self.client.pass_ms(ms))
        for each in [each for each in self.held if self.held[each] < self.client.now_ms]:
            del self.held[each]
        if ms >= MARK_MS:
            self.held.clear()  # marks may have made any of them due

    def park(self, project: ProjectId) -> None:
        lane = Lane(project, Route.SMS)
        self.run(self.lanes.park(lane, "config"))
        self.parked.add(lane)

    def unpark(self) -> None:
        while self.parked:
            self.run(self.lanes.unpark(self.parked.pop()))

    def teardown(self) -> None:
        if not hasattr(self, "lanes"):
            return
        self.unpark()
        self.lose_worker()
        self.die()
        for _ in range(12):
            self.wait(LEASE_MS + 1)
            self.work(50, 3)
        assert not any(self.outbox.values()), "an entry was lost"
        assert self.run(self.lanes.all()) == []


def test_whatever_dies_no_user_is_lost(redis_server: RedisServer) -> None:
    loop = asyncio.new_event_loop()
    client = ClockedClient(redis_server.url)
    Requests.loop, Requests.client = loop, client
    try:
        loop.run_until_complete(client.prepare())
        run_state_machine_as_test(Requests, settings=settings(max_examples=80, stateful_step_count=40, deadline=None))
    finally:
        loop.run_until_complete(client.aclose())
        loop.close()


async def test_a_lane_that_becomes_due_is_announced_once(client: ClockedClient, lanes: LaneStore) -> None:
    pubsub = client.redis.pubsub()
    lane = Lane(P1, Route.EMAIL)
    channel = keys.lanes(shard_of(P1))
    await pubsub.execute_command("SSUBSCRIBE", channel)
    await add(lanes, lane, user(1), user(2))
    await add(lanes, Lane(P1, Route.SMS), user(1), delay_ms=60_000)
    await lanes.park(lane, "wrong key")
    await lanes.unpark(lane)
    found = [await pubsub.parse_response(block=True) for _ in range(3)]
    assert [kind for kind, *_ in found] == [b"ssubscribe", b"smessage", b"smessage"]
    assert await pubsub.parse_response(block=False, timeout=0.05) is None
    assert channel.encode() in lanes.channels
    await pubsub.aclose()


async def test_an_announced_shard_is_asked_at_once(redis_server: RedisServer) -> None:
    client = InspectedClient(redis_server.url)
    await client.load()
    await client.redis.flushall()
    lanes = LaneStore(client, monotonic=lambda: 5.0)  # no time passes
    lanes.hears_announcements = lambda: True
    assert await lanes.claim(10, LEASE_MS) == []
    await add(lanes, Lane(P1, Route.EMAIL), user(1))
    assert await lanes.claim(10, LEASE_MS) == []
    lanes.announced(keys.lanes(shard_of(P1)).encode())
    (found,) = await lanes.claim(10, LEASE_MS)
    assert found.users == [user(1)]
    await client.aclose()


async def test_a_claim_asks_all_shards_that_may_be_ready_in_one_round_trip(
    client: ClockedClient, lanes: LaneStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    async def call_many(calls: Sequence[FunctionCall[R]]) -> list[R]:
        asked.append(len(calls))
        return await FunctionClient.call_many(client, calls)

    async def call(call: FunctionCall[R]) -> R:
        asked.append(1)
        return await FunctionClient.call(client, call)

    monkeypatch.setattr(client, "call_many", call_many)
    monkeypatch.setattr(client, "call", call)
    assert await lanes.claim(10, LEASE_MS) == []
    assert asked == [SHARDS]
    await add(lanes, Lane(P1, Route.EMAIL), user(1))
    asked.clear()
    assert (await claim(lanes)).users == [user(1)]
    assert asked == [SHARDS, 1]
