"""The runner, with real lanes: what is due is delivered, whatever happens meanwhile."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from gateway.channels.message import Message
from gateway.channels.outcome import (
    Dead,
    Delivered,
    Misconfigured,
    Outcome,
    Refused,
    Retry,
    Scope,
    Throttled,
)
from gateway.channels.provider import Links, Provider, Rate
from gateway.delivery import lane_work, lease, runner, user_work
from gateway.delivery.contexts import Contexts, UnreadableConfigurationError
from gateway.delivery.lane_work import LaneParts
from gateway.delivery.overrides import OverrideCache
from gateway.delivery.reports import Reports
from gateway.delivery.runner import DeliveryRunner
from gateway.delivery.sender import Sender
from gateway.delivery.user_work import LaneContext
from gateway.domain.delivery import DeliveryState, Lane, Route, Taken
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.notification import ItemId
from gateway.domain.outbound_errors import NoAnswerError, NotSentError, OutboundRefusedError
from gateway.domain.preferences import Channel
from gateway.domain.project_event import ProjectEventType
from gateway.settings import Settings
from gateway.store.lanes import LaneStore
from gateway.store.library import LIBRARY
from gateway.store.outbox import OutboxStore
from gateway.store.overrides import OverrideStore
from gateway.store.project_event_log import EventRetention, ProjectEventLog
from gateway.store.project_events import ProjectEvents
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from tests.delivery.entries import context
from tests.delivery.memory_outbox import MemoryOutbox
from tests.logs import captured_log
from tests.servers import RedisServer

Answer = Callable[[Message], Awaitable[Outcome]]

PUSH, SMS = Lane(ProjectId("1"), Route.APNS), Lane(ProjectId("2"), Route.SMS)


def user(number: int) -> UserId:
    return UserId(str(UUID(int=number + 1)))


class KnownContexts:
    """Contexts of tests: one provider for each route."""

    def __init__(self, providers: dict[Route, Provider]):
        self.providers = providers
        self.problem: Exception | None = None

    async def of(self, lane: Lane) -> LaneContext:
        if self.problem is not None:
            raise self.problem
        return context(self.providers[lane.route], lane.route)

    def batch_of(self, route: Route) -> int:
        return self.providers[route].batch

    def name_of(self, route: Route) -> str:
        return self.providers[route].name


class Bench:
    """A runner with an outbox in memory, and providers that answer what a test wants."""

    def __init__(self, client: FunctionClient):
        self.lanes = LaneStore(client)
        self.outbox = MemoryOutbox()
        self.sent: list[Message] = []
        self.requests: list[int] = []
        self.events = ProjectEvents(ProjectEventLog(client, EventRetention(100, 0)))
        self.client = client
        self.runner = self.build()

    async def answer(self, message: Message) -> Outcome:
        return Delivered(str(message.id))

    async def deliver(self, messages: Sequence[Message], links: Links) -> Sequence[Outcome]:
        self.sent += messages
        self.requests.append(len(messages))
        return await asyncio.gather(*(self.answer(message) for message in messages))

    def build(self, **traits: Any) -> DeliveryRunner:
        sms = {**traits, "batch": 1}
        providers = {
            Route.APNS: Provider(name="apns", channel=Channel.MOBILE_PUSH, deliver=self.deliver, **traits),
            Route.SMS: Provider(name="twilio", channel=Channel.SMS, deliver=self.deliver, repeats_unknown=False, **sms),
        }
        self.contexts = KnownContexts(providers)
        parts = LaneParts(
            self.lanes,
            cast(OutboxStore, self.outbox),
            cast(Contexts, self.contexts),
            OverrideCache(OverrideStore(self.client)),
            {each.name: Sender(each, cast(Links, None)) for each in providers.values()},
            Reports(self.events),
        )
        self.runner = DeliveryRunner(parts)
        return self.runner

    async def add(self, lane: Lane, *users: UserId) -> None:
        for each in users:
            self.outbox.add(lane, each)
        mark = await self.lanes.mark(lane.project_id, users, [lane.route])
        await self.lanes.hasten([(mark, each, {lane.route: 0}) for each in users])
        self.runner.wake()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.runner.run())
        try:
            yield
        finally:
            await self.runner.drain(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def ended(self, count: int, seconds: float = 10) -> list[DeliveryState]:
        await until(lambda: len(self.outbox.ended) >= count, seconds)
        return [record.state for _, record in self.outbox.ended]


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
async def bench(redis_server: RedisServer) -> AsyncIterator[Bench]:
    client = FunctionClient(Topology(Settings(redis_url=redis_server.url)), LIBRARY)
    for node in await client.nodes():
        await client.run_on(node, "FLUSHALL")
    yield Bench(client)
    client.close()


async def test_what_is_due_is_delivered_once_to_each_user(bench: Bench) -> None:
    users = [user(number) for number in range(300)]
    async with bench.running():
        await bench.add(PUSH, *users)
        assert Counter(await bench.ended(300)) == {DeliveryState.DELIVERED: 300}
    assert sorted(message.user_id for message in bench.sent) == sorted(users)
    assert [status for status in await bench.lanes.all() if status.waiting] == []


async def test_messages_of_several_users_share_a_request_where_the_provider_allows_it(bench: Bench) -> None:
    bench.build(batch=100)
    async with bench.running():
        await bench.add(PUSH, *map(user, range(250)))
        await bench.ended(250)
    assert max(bench.requests) > 50
    assert len(bench.requests) < 20


async def test_a_provider_that_hangs_slows_nobody_else(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "MAX_USERS", 60)
    monkeypatch.setattr(runner, "LANE_USERS", 20)
    monkeypatch.setattr(runner, "LANE_WAITING", 20)

    async def answer(message: Message) -> Outcome:
        if message.project_id == PUSH.project_id:
            await asyncio.Event().wait()
        return Delivered()

    bench.answer = answer  # type: ignore[method-assign] # the answers of this test
    async with bench.running():
        await bench.add(PUSH, *map(user, range(500)))
        await until(lambda: len(bench.sent) == 20)
        await bench.add(SMS, *map(user, range(200)))
        await bench.ended(200, 20)
        assert sum(message.project_id == PUSH.project_id for message in bench.sent) == 20


async def test_few_large_contents_are_under_way_at_once_and_small_ones_do_not_wait_for_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_work, "BYTES_UNDER_WAY", 250_000)
    bench.build()
    released = asyncio.Event()

    async def answer(message: Message) -> Outcome:
        if len(message.content or "") > 1000:
            await released.wait()
        return Delivered()

    def sent(lane: Lane, least: int, most: int) -> int:
        return sum(
            each.project_id == lane.project_id and least <= int(UUID(each.user_id)) <= most for each in bench.sent
        )

    bench.answer = answer  # type: ignore[method-assign] # the answers of this test
    content = b'{"id":"%b","title":"t","content":"%b"}' % (str(uuid4()).encode(), b"x" * 100_000)
    alone, broadcast = [user(number) for number in range(10)], [user(number) for number in range(10, 30)]
    bench.outbox.large = set(alone)
    for each in (*alone, *broadcast):
        bench.outbox.add(SMS, each, content=content)
        await bench.lanes.add(SMS, each)
    async with bench.running():
        await until(lambda: len(bench.sent) == 2)
        await bench.add(PUSH, *map(user, range(100, 200)))
        await bench.ended(100)
        assert sent(SMS, 1, 30) == 2
        released.set()
        assert Counter(await bench.ended(130)) == {DeliveryState.DELIVERED: 130}
    assert [status for status in await bench.lanes.all() if status.waiting] == []


async def test_one_message_that_hangs_holds_up_no_other_of_its_lane(bench: Bench) -> None:
    async def answer(message: Message) -> Outcome:
        if message.user_id == user(0):
            await asyncio.Event().wait()
        return Delivered()

    bench.answer = answer  # type: ignore[method-assign] # the answers of this test
    async with bench.running():
        await bench.add(PUSH, *map(user, range(25)))
        await bench.ended(24)


@pytest.mark.parametrize(
    ("problem", "push", "sms"),
    [
        (NotSentError("no connection"), DeliveryState.RETRY, DeliveryState.RETRY),
        (NoAnswerError("cut"), DeliveryState.RETRY, DeliveryState.UNKNOWN),
        (TimeoutError(), DeliveryState.RETRY, DeliveryState.UNKNOWN),
        (OutboundRefusedError("private"), DeliveryState.REFUSED, DeliveryState.REFUSED),
        (KeyError("a bug of an adapter"), DeliveryState.RETRY, DeliveryState.UNKNOWN),
    ],
)
async def test_a_failed_request_is_repeated_unless_that_could_send_a_text_message_twice(
    bench: Bench, problem: Exception, push: DeliveryState, sms: DeliveryState
) -> None:
    async def answer(message: Message) -> Outcome:
        raise problem

    bench.answer = answer  # type: ignore[method-assign] # the answers of this test
    async with bench.running():
        for lane in (PUSH, SMS):
            await bench.add(lane, user(1))
        await until(lambda: len(bench.outbox.recorded) == 2)
    found = {each.taken.lane: each.results[0].record.state for each in bench.outbox.recorded}
    assert found == {PUSH: push, SMS: sms}


async def test_a_delivery_that_fails_for_good_is_an_event_of_its_own_besides_that_of_its_end(bench: Bench) -> None:
    async def answer(message: Message) -> Outcome:
        return Refused("too large") if message.user_id == user(1) else Delivered(str(message.id))

    bench.answer = answer  # type: ignore[method-assign] # the answers of this test
    async with bench.running():
        await bench.add(PUSH, user(1), user(2))
        await bench.ended(2)
    await bench.events.flush()
    log, kinds = ProjectEventLog(bench.client, EventRetention(100, 0)), ProjectEventType
    failures = (await log.read(PUSH.project_id, [kinds.DELIVERY_FAILED], 10)).events
    assert [each.user_id for each in failures] == [user(1)]
    ends = (await log.read(PUSH.project_id, [kinds.DELIVERY_ENDED], 10)).events
    assert {each.user_id: each.context for each in ends}[user(1)] == failures[0].context


async def test_a_failure_that_passes_is_repeated_with_the_same_id(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.delivery.policy.LEAST_PROMPT_SECONDS", 0.01)
    monkeypatch.setattr("gateway.delivery.policy.PROMPT_FIRST_SECONDS", 0.01)

    async def answer(message: Message) -> Outcome:
        return Retry("503") if message.attempt < 4 else Delivered()

    bench.answer = answer  # type: ignore[method-assign] # the answers of this test
    async with bench.running():
        await bench.add(PUSH, user(1))
        assert await bench.ended(1) == [DeliveryState.DELIVERED]
    assert [message.attempt for message in bench.sent] == [1, 2, 3, 4]
    assert len({message.id for message in bench.sent}) == 1


async def test_a_throttled_lane_pauses_and_spends_no_attempt(bench: Bench) -> None:
    times: list[float] = []

    async def answer(message: Message) -> Outcome:
        times.append(time.monotonic())
        return Throttled(0.4) if len(times) == 1 else Delivered()

    bench.answer = answer  # type: ignore[method-assign] # the answers of this test
    async with bench.running():
        await bench.add(PUSH, user(1))
        await bench.ended(1)
    assert times[1] - times[0] >= 0.39
    assert bench.sent[-1].attempt == 1


async def test_a_destination_with_a_rate_of_its_own_gets_no_more_than_that(bench: Bench) -> None:
    bench.build(destination_rate=Rate(20, 1), destination_key=lambda message: "room 1")
    started = time.monotonic()
    async with bench.running():
        await bench.add(PUSH, *map(user, range(6)))
        await bench.ended(6)
    assert time.monotonic() - started >= 5 / 20 * 0.95


async def test_a_throttled_destination_does_not_hold_up_the_others(bench: Bench) -> None:
    bench.build(destination_rate=Rate(1000, 1000), destination_key=lambda message: message.user_id)

    async def answer(message: Message) -> Outcome:
        return Throttled(60, Scope.DESTINATION) if message.user_id == user(0) else Delivered()

    bench.answer = answer  # type: ignore[method-assign] # the answers of this test
    async with bench.running():
        await bench.add(PUSH, *map(user, range(10)))
        await bench.ended(9)
        await bench.add(PUSH, user(0))
        await until(lambda: len(bench.outbox.recorded) >= 11)
    assert sum(message.user_id == user(0) for message in bench.sent) == 1


async def test_a_wrong_configuration_parks_the_lane_until_it_is_corrected(bench: Bench) -> None:
    async def refuse(message: Message) -> Outcome:
        return Misconfigured("InvalidProviderToken")

    correct, bench.answer = bench.answer, refuse  # type: ignore[method-assign] # the answers of this test
    async with bench.running():
        await bench.add(PUSH, user(1))
        await until(lambda: len(bench.outbox.recorded) == 1)
        (status,) = await bench.lanes.of_project(PUSH.project_id)
        assert (status.parked, status.waiting) == ("InvalidProviderToken", 1)
        await bench.add(PUSH, user(2))
        await bench.add(SMS, user(3))
        bench.answer = correct  # type: ignore[method-assign] # the answers of this test
        await bench.ended(1)
        assert [message.user_id for message in bench.sent] == [user(1), user(3)]
        await bench.lanes.unpark(PUSH)
        bench.runner.wake()
        await bench.ended(2)
    assert bench.outbox.recorded[0].results[0].record.tokens[0].attempts == 0


async def test_tokens_that_die_in_a_rush_are_kept_and_single_ones_are_discarded(bench: Bench) -> None:
    async def answer(message: Message) -> Outcome:
        return Dead("BadDeviceToken")

    bench.answer = answer  # type: ignore[method-assign] # the answers of this test
    async with bench.running():
        await bench.add(PUSH, user(1))
        await bench.ended(1)
        assert bench.outbox.recorded[0].dead
        await bench.add(PUSH, *map(user, range(2, 60)))
        await until(lambda: len(bench.outbox.recorded) >= 20)
    assert sum(len(each.dead) for each in bench.outbox.recorded) < 10
    (status,) = await bench.lanes.of_project(PUSH.project_id)
    assert status.parked


async def test_a_destination_that_is_doubted_stops_nobody_and_several_of_them_park_the_lane(bench: Bench) -> None:
    async def answer(message: Message) -> Outcome:
        return Misconfigured("DeviceTokenNotForTopic", is_doubted=True)

    correct, bench.answer = bench.answer, answer  # type: ignore[method-assign] # the answers of this test
    async with bench.running():
        await bench.add(PUSH, user(1))
        await until(lambda: len(bench.outbox.recorded) == 1)
        state = bench.outbox.recorded[0].results[0].record.tokens[0]
        assert (state.state, state.attempts, state.reason) == (DeliveryState.RETRY, 1, "DeviceTokenNotForTopic")
        bench.answer = correct  # type: ignore[method-assign] # the answers of this test
        await bench.add(PUSH, user(2))
        await bench.ended(1)
        assert not (await bench.lanes.of_project(PUSH.project_id))[0].parked
        bench.answer = answer  # type: ignore[method-assign] # the answers of this test
        await bench.add(SMS, *map(user, range(3, 6)))
        await until(lambda: len(bench.outbox.recorded) >= 5)
    (status,) = await bench.lanes.of_project(SMS.project_id)
    assert (status.parked, status.waiting) == ("DeviceTokenNotForTopic", 3)


async def test_an_outage_of_the_outbox_loses_no_outcome(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_work, "RETRY_SECONDS", 0.02)

    async def answer(message: Message) -> Outcome:
        bench.outbox.is_down = True
        asyncio.get_running_loop().call_later(0.2, setattr, bench.outbox, "is_down", False)
        return Delivered()

    bench.answer = answer  # type: ignore[method-assign] # the answers of this test
    async with bench.running():
        await bench.add(SMS, user(1))
        assert await bench.ended(1) == [DeliveryState.DELIVERED]
    assert len(bench.sent) == 1


async def test_a_stop_lets_requests_end_and_gives_the_rest_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "LANE_USERS", 25)
    slow = asyncio.Event()

    async def answer(message: Message) -> Outcome:
        await slow.wait()
        return Delivered()

    bench.answer = answer  # type: ignore[method-assign] # the answers of this test
    async with bench.running():
        await bench.add(PUSH, *map(user, range(100)))
        await until(lambda: len(bench.sent) == 25)
        asyncio.get_running_loop().call_later(0.1, slow.set)
        await bench.runner.drain(5)
        assert await bench.ended(25) == [DeliveryState.DELIVERED] * 25
    (status,) = await bench.lanes.of_project(PUSH.project_id)
    assert status.waiting == 75
    bench.build()
    async with bench.running():
        await bench.ended(100)
    assert max(Counter(message.user_id for message in bench.sent).values()) == 1


async def test_requests_that_do_not_end_in_time_are_recorded_as_unknown(bench: Bench) -> None:
    async def answer(message: Message) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError

    bench.answer = answer  # type: ignore[method-assign] # the answers of this test
    async with bench.running():
        await bench.add(SMS, user(1))
        await bench.add(PUSH, user(1))
        await until(lambda: len(bench.sent) == 2)
        await bench.runner.drain(0.05)
    found = {each.taken.lane: each.results[0].record for each in bench.outbox.recorded}
    assert (found[SMS].state, found[PUSH].state) == (DeliveryState.UNKNOWN, DeliveryState.RETRY)
    assert found[PUSH].tokens[0].may_have_sent


async def test_nothing_is_sent_on_a_lease_that_is_too_short(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", 10.0)  # an attempt needs 15

    extended: list[int] = []
    real = bench.lanes.extend

    async def extend(claim: Any, lease_ms: int) -> Any:
        extended.append(lease_ms)
        return (await real(claim, lease_ms))._replace(users=[])  # as if another process held them

    monkeypatch.setattr(bench.lanes, "extend", extend)
    async with bench.running():
        await bench.add(SMS, user(1))
        await until(lambda: len(bench.outbox.recorded) >= 1)
    assert extended
    assert bench.sent == []
    assert bench.outbox.recorded[0].results[0].record.state is DeliveryState.RETRY


async def test_a_lane_whose_configuration_cannot_be_decrypted_is_parked(bench: Bench) -> None:
    bench.contexts.problem = UnreadableConfigurationError()
    async with bench.running():
        await bench.add(PUSH, user(1))
        async with asyncio.timeout(10):
            while not (found := await bench.lanes.of_project(PUSH.project_id)) or not found[0].parked:
                await asyncio.sleep(0.01)
        assert "INBOX_SECRET_KEY" in found[0].parked
        assert found[0].waiting == 1
    assert bench.sent == []


async def test_a_claim_is_held_through_an_outage_before_it_is_taken(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_work, "RETRY_SECONDS", 0.02)
    bench.outbox.is_down = True
    async with bench.running():
        await bench.add(PUSH, user(1))
        asyncio.get_running_loop().call_later(0.3, setattr, bench.outbox, "is_down", False)
        assert await bench.ended(1) == [DeliveryState.DELIVERED]


async def test_a_claim_is_given_up_once_its_lease_is_over(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_work, "RETRY_SECONDS", 0.02)
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.1)
    monkeypatch.setattr(runner, "LEASE_SECONDS", 0.1)
    bench.outbox.is_down = True
    async with bench.running():
        await bench.add(PUSH, user(1))
        await asyncio.sleep(0.3)  # the lease ends
        bench.outbox.is_down = False
        assert await bench.ended(1) == [DeliveryState.DELIVERED]


async def test_overrides_that_cannot_be_read_are_reported_and_left_out(bench: Bench) -> None:
    store = OverrideStore(bench.client)
    known, broken, absent = (ItemId(uuid4().bytes) for _ in range(3))
    await store.put(PUSH.project_id, str(UUID(bytes=known)), b'{"channels":{"sms":{"title":"Short"}}}')
    await store.put(PUSH.project_id, str(UUID(bytes=broken)), b"{")
    cache = OverrideCache(store)
    with captured_log() as lines:
        for _ in range(2):
            found = await cache.of_entries(PUSH, [known, broken, absent])
    assert found[known] is not None
    assert (found[broken], found[absent]) == (None, None)
    assert [line["event"] for line in lines] == ["overrides_broken"]


async def test_a_fault_in_the_work_on_one_user_stops_no_other_and_its_text_is_not_logged(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = user_work.UserWork

    def broken_for_one(taken: Taken, *others: Any) -> Any:
        if taken.user_id == user(3):
            raise ValueError("the text of a message")
        return work(taken, *others)

    monkeypatch.setattr(lane_work, "UserWork", broken_for_one)
    with captured_log() as lines:
        async with bench.running():
            await bench.add(PUSH, *map(user, range(10)))
            await bench.ended(9)
    assert user(3) not in {message.user_id for message in bench.sent}
    assert ("delivery_failed", "ValueError", user(3)) in {
        (line["event"], line.get("problem"), line.get("user")) for line in lines
    }
    assert "the text" not in str(lines)
