"""A process that delivers is killed while it waits for an answer, and another one takes over."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from gateway.channels import sendgrid, twilio
from gateway.deliverer_app import Deliverer
from gateway.domain.delivery import DeliveryState, EntryRecord, Lane, OutboxPlan, Route
from gateway.domain.ids import ProjectId
from gateway.domain.notification import ItemId
from gateway.settings import Settings
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.contents import Content, ContentStore, NotificationFields
from gateway.store.event_log import LogRetention, Moment
from gateway.store.inbox import InboxStore
from gateway.store.integrations import IntegrationStore
from gateway.store.lanes import LaneStore
from gateway.store.outbox import OutboxStore
from gateway.store.profiles import ProfileStore
from tests.servers import RedisServer, running_redis
from tests.store.conftest import InspectedClient, new_user
from tests.stubs.http_stub import Reply
from tests.stubs.mail_services import SendgridStub
from tests.stubs.twilio import TwilioStub

SECRET_KEY = "a key that no other test uses, long enough"
NUMBER = "+15005550009"
TWILIO = {**twilio.INTEGRATION.example, "region": "us1"}
ROUTES = (Route.EMAIL, Route.SMS)


def has_left(state: DeliveryState) -> bool:
    return state.is_final or state is DeliveryState.HANDED


class Scene:
    """A user of a project with mail and text messages, and processes that deliver."""

    def __init__(self, url: str, directory: Path, mail: SendgridStub, sms: TwilioStub):
        self.client = InspectedClient(url)
        self.mail = mail
        self.sms = sms
        self.user = replace(new_user(), project_id=ProjectId("7"), email="ada@example.com")
        self.contents = ContentStore(self.client)
        self.outbox = OutboxStore(self.client, self.contents, ChannelTokenStore(self.client))
        self.lanes = LaneStore(self.client)
        self.settings = Settings(
            redis_url=url,
            data_dir=directory,
            secret_key=SECRET_KEY,
            drain_seconds=0.1,
            provider_urls=(("sendgrid", mail.url), ("twilio", sms.url)),
        )

    async def prepare(self) -> None:
        await self.client.load()
        await self.client.redis.flushall()
        store = IntegrationStore(self.client, SECRET_KEY)
        project = self.user.project_id
        mail = {"api_key": self.mail.key, "from": {"email": "shop@example.com"}}
        assert await store.replace(project, sendgrid.INTEGRATION, mail, None)
        assert await store.replace(project, twilio.INTEGRATION, TWILIO, None)
        await ProfileStore(self.client).set(self.user, {"phone_numbers": [NUMBER], "email": "ada@example.com"})

    async def send(self, title: str = "Hello") -> ItemId:
        """Send a notification by mail and text message."""
        content = Content.encode(str(uuid4()), NotificationFields(title=title))
        project, user = self.user.project_id, self.user.id
        mark = await self.lanes.mark(project, [user], ROUTES)
        inboxes = InboxStore(self.client, LogRetention(1000, 1000), self.contents)
        plan = OutboxPlan(tuple((route, 0) for route in ROUTES))
        moment = Moment(int(time.time() * 1000), "e0")
        (sent,) = await inboxes.send_each(content, [self.user], moment, True, plan)
        assert sent.routes == ROUTES
        await self.lanes.hasten([(mark, user, dict.fromkeys(ROUTES, 0))])
        return content.id

    async def records(self, notification: ItemId) -> dict[Route, EntryRecord | None]:
        found = await self.outbox.read(self.user, notification)
        assert found is not None
        return {each.route: each.record for each in found.entries}

    async def ended(self, notification: ItemId) -> dict[Route, DeliveryState]:
        """Wait until all deliveries of a notification have ended or were handed over, and return their states."""
        async with asyncio.timeout(20):
            while True:
                records = await self.records(notification)
                states = {route: each.state for route, each in records.items() if each is not None}
                if len(states) == len(ROUTES) and all(map(has_left, states.values())):
                    return states
                await asyncio.sleep(0.02)

    async def end_leases(self) -> None:
        """Let the leases of all claims end, as if their time was over."""
        for pattern in ("*:outbox:*", "*:due:*"):
            for key in await self.client.redis.keys(pattern):
                for member in await self.client.redis.zrange(key, 0, -1):
                    await self.client.redis.execute_command("ZADD", key, int(time.time() * 1000), member)
        for route in ROUTES:
            await self.lanes.add(Lane(self.user.project_id, route), self.user.id)

    async def process(self) -> asyncio.subprocess.Process:
        """Start a process that delivers."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("INBOX_")}
        environment = {
            **clean,
            "INBOX_REDIS_URL": self.settings.redis_url,
            "INBOX_DATA_DIR": str(self.settings.data_dir),
            "INBOX_SECRET_KEY": SECRET_KEY,
            "INBOX_PROVIDER_URLS": ",".join(f"{name}={url}" for name, url in self.settings.provider_urls),
        }
        return await asyncio.create_subprocess_exec(sys.executable, "-m", "gateway", "deliver", env=environment)


@pytest.fixture
async def scene(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Scene]:
    sms = TwilioStub(TWILIO["account_sid"], TWILIO["api_key"], TWILIO["api_secret"])
    async with SendgridStub() as mail, sms:
        scene = Scene(redis_server.url, tmp_path, mail, sms)
        await scene.prepare()
        yield scene
        await scene.client.aclose()


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_both_are_delivered(scene: Scene) -> None:
    notification = await scene.send("A title")
    async with Deliverer(scene.settings).running():
        states = await scene.ended(notification)
    assert states == {Route.EMAIL: DeliveryState.DELIVERED, Route.SMS: DeliveryState.HANDED}
    assert "A title" in str(scene.mail.mails)
    assert scene.sms.messages[0]["Body"].startswith("A title")


async def test_after_a_kill_the_mail_is_repeated_with_its_id_and_the_text_message_is_unknown(
    scene: Scene,
) -> None:
    for stub in (scene.mail, scene.sms):
        stub.released.clear()
    notification = await scene.send()
    process = await scene.process()
    try:
        await until(lambda: scene.mail.requests and scene.sms.requests)
    finally:
        process.kill()
        await process.wait()
    for stub in (scene.mail, scene.sms):
        stub.released.set()
    await scene.end_leases()
    async with Deliverer(scene.settings).running():
        states = await scene.ended(notification)
    assert states == {Route.EMAIL: DeliveryState.DELIVERED, Route.SMS: DeliveryState.UNKNOWN}
    assert len(scene.sms.requests) == 1
    ids = {str(mail["personalizations"][0]["custom_args"]) for mail in scene.mail.mails}
    assert (len(scene.mail.mails), len(ids)) == (2, 1)


async def test_of_one_user_only_the_text_message_that_is_being_sent_is_unknown_after_a_kill(scene: Scene) -> None:
    scene.sms.released.clear()
    notifications = [await scene.send(f"number {number}") for number in range(3)]
    process = await scene.process()
    try:
        await until(lambda: scene.sms.requests and len(scene.mail.mails) == 3)
    finally:
        process.kill()
        await process.wait()
    sent = len(scene.sms.requests)
    scene.sms.released.set()
    await scene.end_leases()
    async with Deliverer(scene.settings).running():
        states = [(await scene.ended(each))[Route.SMS] for each in notifications]
    assert (sent, states.count(DeliveryState.UNKNOWN), states.count(DeliveryState.HANDED)) == (1, 1, 2)
    assert len(scene.sms.requests) == 3


async def test_several_processes_send_everything_once(scene: Scene) -> None:
    async with Deliverer(scene.settings).running(), Deliverer(scene.settings).running():
        notifications = [await scene.send(f"number {number}") for number in range(40)]
        for notification in notifications:
            await scene.ended(notification)
    assert (len(scene.mail.mails), len(scene.sms.messages)) == (40, 40)


async def test_a_process_that_is_stopped_ends_what_it_has_sent(scene: Scene) -> None:
    scene.mail.released.clear()
    notification = await scene.send()
    process = await scene.process()
    await until(lambda: scene.mail.requests)
    process.terminate()
    await asyncio.sleep(0)
    scene.mail.released.set()
    assert await process.wait() == 0
    states = await scene.ended(notification)
    assert states[Route.EMAIL] is DeliveryState.DELIVERED
    assert len(scene.mail.mails) == 1


@pytest.mark.parametrize("hours", [-2, 2])
async def test_a_wrong_clock_neither_delays_a_message_nor_hurries_its_repetitions(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    scene.mail.faults.append(Reply(503, "busy"))
    notification = await scene.send()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + hours * 3600)
    async with Deliverer(scene.settings).running():
        await until(lambda: scene.mail.requests and scene.sms.messages)
        await asyncio.sleep(0.3)  # no second attempt must come
        record = (await scene.records(notification))[Route.EMAIL]
    assert record is not None
    assert real() < record.tokens[0].next_ms / 1000 < real() + 10
    assert len(scene.mail.requests) == 1


async def test_redis_that_comes_back_empty_is_used_again(scene: Scene) -> None:
    async with Deliverer(scene.settings).running():
        await scene.ended(await scene.send("before"))
        await scene.client.redis.flushall()
        await scene.client.redis.execute_command("FUNCTION", "FLUSH")
        await scene.prepare()
        states = await scene.ended(await scene.send("after"))
    assert states[Route.EMAIL] is DeliveryState.DELIVERED


async def test_a_retry_survives_the_process(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.delivery.policy.PATIENT_SECONDS", (0.5,) * 7)
    scene.mail.faults.append(Reply(503, "busy"))
    notification = await scene.send()
    async with Deliverer(scene.settings).running():
        await until(lambda: scene.mail.requests and scene.sms.messages)
    record = (await scene.records(notification))[Route.EMAIL]
    assert record is not None
    assert (record.state, record.tokens[0].attempts, record.tokens[0].reason[:3]) == (DeliveryState.RETRY, 1, "503")
    await scene.end_leases()
    async with Deliverer(scene.settings).running():
        states = await scene.ended(notification)
    assert states[Route.EMAIL] is DeliveryState.DELIVERED
    assert len({str(mail) for mail in scene.mail.mails}) == 1


async def test_connections_that_were_reset_while_idle_cost_no_attempt(scene: Scene) -> None:
    async with Deliverer(scene.settings).running():
        for _ in range(3):
            states = await scene.ended(await scene.send())
            assert states == {Route.EMAIL: DeliveryState.DELIVERED, Route.SMS: DeliveryState.HANDED}
            for stub in (scene.mail, scene.sms):
                assert stub.reset_connections()
        await scene.ended(await scene.send())
    assert (len(scene.mail.requests), len(scene.sms.requests)) == (4, 4)


async def test_redis_that_is_killed_during_a_request_learns_its_outcome_and_nothing_is_sent_twice(
    tmp_path: Path,
) -> None:
    sms = TwilioStub(TWILIO["account_sid"], TWILIO["api_key"], TWILIO["api_secret"])
    with running_redis("valkey", tmp_path, "--appendonly", "yes", "--appendfsync", "always") as server:
        async with SendgridStub() as mail, sms:
            scene = Scene(server.url, tmp_path, mail, sms)
            await scene.prepare()
            for stub in (mail, sms):
                stub.released.clear()
            async with Deliverer(scene.settings).running():
                notification = await scene.send()
                await until(lambda: mail.requests and sms.requests)
                await asyncio.to_thread(server.stop, signal.SIGKILL)
                for stub in (mail, sms):
                    stub.released.set()
                await asyncio.to_thread(server.start)
                states = await scene.ended(notification)
            await scene.client.aclose()
    assert states == {Route.EMAIL: DeliveryState.DELIVERED, Route.SMS: DeliveryState.HANDED}
    assert (len(mail.requests), len(sms.requests)) == (1, 1)
