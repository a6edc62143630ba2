"""The lane of webhooks from end to end: changes are followed, become messages and arrive, through faults of workers."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import pytest

from gateway.delivery import webhook_sender
from gateway.delivery.lease import LEASE_SECONDS, Lease
from gateway.delivery.webhook_sender import WebhookSender
from gateway.delivery.webhook_source import WebhookSource
from gateway.delivery.webhook_work import WebhookParts, WebhookWork
from gateway.domain.delivery import Claim
from gateway.domain.ids import ProjectId
from gateway.domain.notification import Command, read_item_id
from gateway.domain.principal import Identity, User
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.store.contents import Content, NotificationFields
from gateway.store.deliveries import Delivery
from gateway.store.event_log import LogRetention, Moment
from gateway.store.followed_inboxes import FollowedInboxes
from gateway.store.lanes import LaneStore
from gateway.store.redis.problems import StoreUnavailableError
from gateway.store.webhook_lanes import WebhookLanes
from tests.delivery.webhooks import Clock, Webhooks
from tests.store.conftest import InspectedClient
from tests.stubs.webhook_receiver import running_receiver


class Process:
    """A process that serves lanes of webhooks, with inboxes whose changes are followed."""

    def __init__(self, client: InspectedClient):
        self.webhooks = webhooks = Webhooks(client, Clock(0))
        self.store = LaneStore(client, mark_seconds=0.3)
        self.lanes = WebhookLanes(self.store, webhooks.endpoints)
        self.inboxes = FollowedInboxes(client, LogRetention(1000, 10_000), webhooks.contents, self.lanes)
        self.events = webhooks.events
        self.events.webhooks = self.lanes
        sender = WebhookSender(webhooks.endpoints, webhooks.messages, webhooks.http, webhooks.events, time.time)
        source = WebhookSource(
            webhooks.endpoints,
            webhooks.messages,
            webhooks.contents,
            webhooks.log,
            webhooks.directory,
            self.lanes.wake,
            time.time,
        )
        self.parts = WebhookParts(self.store, source, sender)
        self.left = 0
        self.requests = asyncio.Semaphore(100)
        self.lease_seconds = LEASE_SECONDS

    async def run(self) -> None:
        """Serve until cancelled, as the runner of deliveries does."""
        async with asyncio.TaskGroup() as group:
            while True:
                asked_at = time.monotonic()
                for claim in await self.store.claim(100, int(self.lease_seconds * 1000)):
                    work = WebhookWork(
                        self.parts, Lease(self.store, claim, asked_at), claim.users, self.requests, self.count
                    )
                    group.create_task(work.run())
                await asyncio.sleep(0.02)

    def count(self, members: int) -> None:
        self.left += members


@pytest.fixture
async def process(client: InspectedClient) -> AsyncIterator[Process]:
    process = Process(client)
    yield process
    await process.webhooks.http.close()


@contextlib.asynccontextmanager
async def serving(process: Process) -> AsyncIterator[None]:
    task = asyncio.create_task(process.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def send(process: Process, user: User, number: int) -> None:
    content = Content.encode(str(UUID(int=number)), NotificationFields(title="Hello"))
    moment = Moment(int(time.time() * 1000), "e0")
    await process.inboxes.create_one(content, Delivery(user, {}, True), moment, False)


async def user_of(process: Process, name: str) -> User:
    return await process.webhooks.directory.resolve(process.webhooks.project_id, Identity(name, None))


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await check():
            await asyncio.sleep(0.02)


async def test_changes_of_users_and_of_the_project_arrive(process: Process) -> None:
    async with running_receiver() as receiver, running_receiver() as reads, serving(process):
        await process.webhooks.endpoint(receiver)
        await process.webhooks.endpoint(reads, "notification.read")
        user = await user_of(process, "ada")
        await process.events.write(user.project_id, ProjectEvent(ProjectEventType.USER_CREATED, user.id))
        await send(process, user, 1)
        moment = Moment(int(time.time() * 1000), "e0")
        await process.inboxes.change(user, read_item_id(str(UUID(int=1))), Command.READ, None, moment)
        await receiver.wait(3)
        await reads.wait(1)
    assert {each.type for each in receiver.received} == {"user.created", "notification.created", "notification.read"}
    assert [each.type for each in reads.received] == ["notification.read"]
    assert set(receiver.counts.values()) == {1}


async def test_a_dead_endpoint_holds_up_no_other(process: Process) -> None:
    async with running_receiver() as dead, running_receiver() as alive, serving(process):
        dead.is_open.clear()
        await process.webhooks.endpoint(dead)
        await process.webhooks.endpoint(alive)
        users = [await user_of(process, f"user-{number}") for number in range(5)]
        for number in range(40):
            await send(process, users[number % 5], number)
        await alive.wait(40)
        assert len(dead.received) <= 10


async def test_nothing_is_lost_while_workers_die_and_calls_fail(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers die in between, attempts fail, and some outcomes are not recorded."""
    monkeypatch.setattr(webhook_sender, "RECORD_SECONDS", 0.01)
    count = 60
    async with running_receiver() as receiver:
        endpoint = await process.webhooks.endpoint(receiver)
        users = [await user_of(process, f"user-{number}") for number in range(3)]
        process.lease_seconds = 0.5
        messages, failures = process.webhooks.messages, 0
        record = messages.record

        async def failing(*arguments: object) -> bool:
            nonlocal failures
            failures += 1
            if failures % 7 == 0:
                raise StoreUnavailableError("down")
            return await record(*arguments)  # type: ignore[arg-type] # the same

        messages.record = failing  # type: ignore[assignment,method-assign] # some outcomes are not recorded
        sent = 0
        while sent < count:
            async with serving(process):
                for _ in range(count // 4):
                    receiver.statuses += [500] if sent % 5 == 0 else []
                    await send(process, users[sent % 3], sent)
                    sent += 1
        process.parts = WebhookParts(process.store, process.parts._source, FastSender(process))

        async def all_arrived() -> bool:
            page = await messages.page(endpoint_project, endpoint.id, 200)
            return len(page) == count and len({each.id for each in receiver.received}) == count

        endpoint_project = process.webhooks.project_id
        async with serving(process):
            await until(all_arrived)
    assert len(receiver.counts) == count
    assert receiver.refused == 0


class FastSender(WebhookSender):
    """A sender whose clock is ahead, and a thousand times as fast."""

    def __init__(self, process: Process):
        webhooks, began = process.webhooks, time.time()
        super().__init__(
            webhooks.endpoints,
            webhooks.messages,
            webhooks.http,
            webhooks.events,
            lambda: began + 100 + 1000 * (time.time() - began),
        )

    async def serve(self, project_id: ProjectId, endpoint_id: str, requests: asyncio.Semaphore) -> int | None:
        """Serve an endpoint, and again at once."""
        next_ms = await super().serve(project_id, endpoint_id, requests)
        return None if next_ms is None else int(time.time() * 1000) + 50


async def test_a_fault_of_one_member_ends_no_other(process: Process, capsys: pytest.CaptureFixture[str]) -> None:
    async with running_receiver() as receiver:
        await process.webhooks.endpoint(receiver)
        users = [await user_of(process, name) for name in ("ada", "ben")]
        of_user = process.parts._source.of_user

        async def failing(project_id: object, user_id: object) -> bool:
            if user_id == users[0].id:
                raise RuntimeError("a fault")
            return await of_user(project_id, user_id)  # type: ignore[arg-type] # the same

        process.parts._source.of_user = failing  # type: ignore[method-assign] # a fault of one
        async with serving(process):
            for number, user in enumerate(users):
                await send(process, user, number)
            await receiver.wait(1)
        assert len(receiver.received) == 1


async def test_a_repetition_is_due_by_the_clock_of_redis_whatever_that_of_the_machine_says(process: Process) -> None:
    ahead = 3_600.0
    async with running_receiver() as receiver:
        receiver.status = 500
        endpoint = await process.webhooks.endpoint(receiver)
        process.webhooks.clock.now = time.time() + ahead
        await process.webhooks.add(endpoint)
        process.parts = WebhookParts(
            process.store, process.parts._source, process.webhooks.sender, process.webhooks.clock
        )
        await process.lanes.wake(process.webhooks.project_id, endpoint.id, 0)
        async with serving(process):
            await receiver.wait(1)

            async def is_due_soon() -> bool:
                (lane,) = await process.store.of_project(process.webhooks.project_id)
                return 2 < lane.first_due_ms / 1000 - time.time() < 10

            await until(is_due_soon)


async def test_work_that_is_cancelled_is_due_again_when_the_lease_ends(process: Process) -> None:
    async with running_receiver() as receiver:
        receiver.is_open.clear()
        endpoint = await process.webhooks.endpoint(receiver)
        process.webhooks.clock.now = time.time()
        (sent,) = await process.webhooks.add(endpoint)
        await process.lanes.wake(process.webhooks.project_id, endpoint.id, 0)
        claims: list[Claim] = []
        async with asyncio.timeout(10):
            while not claims:
                found = await process.store.claim(10, 30_000)  # those of other tests too
                claims = [each for each in found if each.lane.project_id == process.webhooks.project_id]
                await asyncio.sleep(0.01)
        left: list[int] = []
        lease = Lease(process.store, claims[0], time.monotonic())
        work = WebhookWork(process.parts, lease, claims[0].users, process.requests, left.append)
        running = asyncio.create_task(work.run())
        await receiver.wait(1)
        work.cancel_requests()
        await running
        work.leave_rest()
        assert left == [1]
        assert work.lane.project_id == process.webhooks.project_id
        health, due_ms = await process.webhooks.messages.health(process.webhooks.project_id, endpoint.id)
        assert due_ms is not None
        assert due_ms > time.time() * 1000
        assert receiver.counts == {str(sent): 1}
        assert health.failures == 0
