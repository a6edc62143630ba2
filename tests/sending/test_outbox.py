"""A notification is also sent on the channels that its project uses, and one of any other project costs no more."""

import asyncio
from uuid import uuid4

import pytest

from gateway.channels import expo, slack
from gateway.domain.delivery import Lane, Route
from gateway.domain.ids import ProjectId
from gateway.domain.preferences import Channel
from gateway.domain.principal import User
from gateway.domain.retention import KEEP_ALL
from gateway.sending.command import Recipient
from gateway.sending.deliverer import Deliverer
from gateway.sending.inbox_rules import InboxRules
from gateway.sending.outbox import OutboxSender
from gateway.sending.outgoing import OutgoingItem
from gateway.store import keys
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.contents import Content, ContentStore, NotificationFields
from gateway.store.deletion import UserDeletion
from gateway.store.delivery_configs import DeliveryConfigStore, SavedChannel, SavedConfig
from gateway.store.directory import Directory
from gateway.store.event_log import LogRetention
from gateway.store.inbox import InboxStore
from gateway.store.lanes import LaneStore
from gateway.store.outbox import OutboxStore
from gateway.store.preferences import PreferenceStore
from gateway.store.project_event_log import EventRetention, ProjectEventLog
from gateway.store.project_events import ProjectEvents
from gateway.store.redis.problems import StoreUnavailableError
from tests.store.conftest import InspectedClient, at, new_user

SMTP = b"{}"
"""What is saved of an integration, as far as it matters here: that it is there."""


class Office:
    """A deliverer of a project, with its lanes and the outboxes of its users."""

    def __init__(self, client: InspectedClient):
        self.client = client
        self.project_id: ProjectId = new_user().project_id
        contents, retention = ContentStore(client), LogRetention(1000, 1000)
        self.inboxes = InboxStore(client, retention, contents)
        self.directory = Directory(client, lambda: 0.0)
        self.configs, self.lanes = DeliveryConfigStore(client), LaneStore(client)
        self.tokens = ChannelTokenStore(client)
        self.tokens.on_first = self.configs.forget
        self.events = ProjectEvents(ProjectEventLog(client, EventRetention(0, 0)))
        self.outbox = OutboxSender(self.inboxes, self.lanes)
        self.outboxes = OutboxStore(client, contents, self.tokens)
        self.preferences = PreferenceStore(client, retention)
        self.deliverer = Deliverer(self.directory, self.inboxes, InboxRules(self.configs, self.events), self.outbox)

    async def save(self, integration: str) -> None:
        await self.client.redis.hset(keys.integrations(self.project_id), integration, SMTP)
        self.configs.forget(self.project_id)

    async def send(self, *recipients: Recipient, category: str = "") -> OutgoingItem:
        item = await self.begin(*recipients, category=category)
        await self.outbox.flush()
        return item

    async def begin(self, *recipients: Recipient, category: str = "") -> OutgoingItem:
        """Send a notification. That users become due is not awaited."""
        content = Content.encode(str(uuid4()), NotificationFields(title="t", category=category))
        item = OutgoingItem(content, at(100), KEEP_ALL, repeatable=True)
        await self.deliverer.deliver_to_named(item, self.project_id, recipients)
        return item

    async def user(self, recipient: Recipient) -> User:
        return await self.directory.resolve(self.project_id, recipient.identity)

    async def waiting(self) -> dict[Route, int]:
        return {status.lane.route: status.waiting for status in await self.lanes.of_project(self.project_id)}

    async def marks(self) -> int:
        found = 0
        for key in await self.client.redis.keys("inbox:1:{deliveries:*}:marks"):
            members = await self.client.redis.zrange(key, 0, -1)
            found += sum(f"{self.project_id} ".encode() in member for member in members)
        return found


@pytest.fixture
def office(client: InspectedClient) -> Office:
    return Office(client)


ADA, BEN = Recipient(external_id="ada", email="ada@example.com"), Recipient(external_id="ben")


async def test_a_project_without_channels_writes_nothing_for_deliveries(office: Office) -> None:
    await office.send(ADA)
    await office.send(ADA, BEN)
    assert await office.waiting() == {}
    assert await office.marks() == 0
    assert not [
        key for key in await office.client.redis.keys("*") if b"outbox" in key and office.project_id.encode() in key
    ]


async def test_users_with_an_address_become_due_and_their_marks_are_removed(office: Office) -> None:
    await office.save("smtp")
    for recipients in ([ADA], [ADA], [ADA, BEN]):
        await office.send(*recipients)
    assert await office.waiting() == {Route.EMAIL: 1}
    assert await office.marks() == 0
    for profile in ({"first_name": "Ada"}, {"phone_numbers": ["+15005550006"]}):
        await office.send(Recipient(external_id="ada", **profile))
    await office.save("twilio")
    await office.send(ADA)
    assert await office.waiting() == {Route.EMAIL: 1, Route.SMS: 1}


async def test_the_config_of_a_category_decides_on_channels_and_delays(office: Office) -> None:
    await office.save("smtp")
    later = SavedConfig([SavedChannel("in_app"), SavedChannel("email", delay=600)])
    await office.configs.put(office.project_id, "later", later)
    await office.configs.put(office.project_id, "inbox", SavedConfig([SavedChannel("in_app")]))
    await office.configs.put(office.project_id, "off", SavedConfig([SavedChannel("email")], disabled=True))
    mail = SavedConfig([SavedChannel("in_app", disabled=True), SavedChannel("email")])
    await office.configs.put(office.project_id, "mail", mail)
    for category in ("inbox", "off"):
        await office.send(ADA, category=category)
    assert await office.waiting() == {}
    await office.send(ADA, category="later")
    (status,) = await office.lanes.of_project(office.project_id)
    (seconds, _) = await office.client.redis.time()
    assert 590 <= status.first_due_ms // 1000 - seconds <= 600
    item = await office.send(ADA, category="mail")
    user = await office.user(ADA)
    assert await office.inboxes.get(user, item.content.id) is None
    (status,) = await office.lanes.of_project(office.project_id)
    assert status.first_due_ms // 1000 <= seconds + 1
    found = await office.outboxes.read(user, item.content.id)
    assert found is not None
    assert [(each.route, found.is_in_inbox) for each in found.entries] == [(Route.EMAIL, False)]


async def test_a_user_who_wants_no_items_of_a_category_still_gets_mails(office: Office) -> None:
    await office.save("smtp")
    await office.send(ADA)
    user = await office.user(ADA)
    await office.preferences.update(user, {"a": {Channel.IN_APP: False}, "b": {Channel.EMAIL: False}}, None, at(100))
    for category, entries in (("a", 1), ("b", 0)):
        item = await office.send(ADA, category=category)
        found = await office.outboxes.read(user, item.content.id)
        assert found is not None
        assert (len(found.entries), found.is_in_inbox) == (entries, category == "b")


async def test_a_broadcast_reaches_the_lanes_too(office: Office) -> None:
    await office.save("smtp")
    users = [
        await office.user(Recipient(external_id=f"u{number}", email=f"{number}@example.com")) for number in range(30)
    ]
    content = Content.encode(str(uuid4()), NotificationFields(title="t"))
    delivered = await office.deliverer.deliver_to_known(OutgoingItem(content, at(100), KEEP_ALL, True), users)
    assert len(delivered.reached) == 30
    await office.outbox.flush()
    assert await office.waiting() == {Route.EMAIL: 30}
    assert await office.marks() == 0


async def test_a_kind_of_token_is_used_once_it_is_registered(office: Office) -> None:
    await office.send(ADA)
    user = await office.user(ADA)
    await office.tokens.register(user, expo.TOKEN, {"device_token": "ExponentPushToken[a]"}, 1000)
    await office.send(ADA)
    assert await office.waiting() == {Route.EXPO: 1}
    # A token that an older gateway registered is not counted, so that it may be of any kind.
    await office.client.redis.hincrby(keys.token_holders(office.project_id), "", 1)
    office.configs.forget(office.project_id)
    assert (await office.configs.of_project(office.project_id)).routes == (Route.EXPO, Route.SLACK, Route.TEAMS)
    await office.tokens.register(user, slack.TOKEN, {"webhook": {"url": "https://hooks.slack.com/services/T/B/x"}}, 1)
    assert Route.TEAMS in (await office.configs.of_project(office.project_id)).routes


async def test_a_user_who_was_deleted_meanwhile_is_created_again(office: Office) -> None:
    await office.save("smtp")
    await office.send(ADA)
    before = await office.user(ADA)
    await UserDeletion(office.client).delete(before)
    await office.send(ADA)
    assert (await office.user(ADA)).id != before.id
    assert await office.waiting() == {Route.EMAIL: 2}


async def test_requests_share_the_write_that_makes_their_users_due(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.save("smtp")
    calls = list[int]()
    hasten = office.lanes.hasten

    async def counted(hastened: list[object]) -> None:
        calls.append(len(hastened))
        await hasten(hastened)  # type: ignore[arg-type]

    monkeypatch.setattr(office.lanes, "hasten", counted)
    await office.send(ADA)
    await asyncio.gather(*(office.begin(ADA) for _ in range(20)))
    while await office.marks():
        await asyncio.sleep(0)
    assert sum(calls) == 21
    assert len(calls) < 15


async def test_a_mark_remains_if_the_users_cannot_be_made_due(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    await office.save("smtp")

    async def fail(hastened: object) -> None:
        raise StoreUnavailableError("down")

    monkeypatch.setattr(office.lanes, "hasten", fail)
    await office.send(ADA)
    assert await office.marks() == 1
    assert Lane(office.project_id, Route.EMAIL) not in {status.lane for status in await office.lanes.all()}
