"""Sending a command: to named users at once, to others with a job, and always with the same plan."""

from uuid import uuid4

import msgspec
import pytest

from gateway.domain.ids import ProjectId
from gateway.domain.notification import read_item_id
from gateway.domain.principal import Identity
from gateway.domain.retention import KEEP_ALL
from gateway.sending.command import ChannelOverride, ChannelOverrides, Overrides, Recipient, SendCommand
from gateway.sending.deliverer import Deliverer
from gateway.sending.errors import RecipientConflictError
from gateway.sending.plans import SendPlan, decode_broadcast
from gateway.sending.sender import Sender
from gateway.store.categories import CategoryStore
from gateway.store.directory import Directory
from gateway.store.inbox import InboxStore
from gateway.store.jobs import JobKind, JobStore
from gateway.store.overrides import OverrideStore
from tests.sending import recorded
from tests.sending.rules import inbox_rules, outbox_sender
from tests.store.conftest import InspectedClient, at, new_user


class Office:
    """A sender and its stores, in a project of its own."""

    def __init__(self, client: InspectedClient, store: InboxStore):
        self.inboxes = store
        self.directory = Directory(client, lambda: 0.0)
        self.categories = CategoryStore(client, lambda: 0.0)
        self.jobs = JobStore(client)
        self.overrides = OverrideStore(client)
        rules = inbox_rules(client)
        self.sender = Sender(
            Deliverer(self.directory, store, rules, outbox_sender(client, store)),
            self.directory,
            self.categories,
            self.jobs,
            self.overrides,
            rules.events,
        )
        self.project_id: ProjectId = new_user().project_id

    async def send(self, command: SendCommand, plan: SendPlan) -> None:
        await self.sender.send(self.project_id, command, plan, KEEP_ALL, repeatable=True)


@pytest.fixture
def office(client: InspectedClient, store: InboxStore) -> Office:
    return Office(client, store)


def plan() -> SendPlan:
    return SendPlan(str(uuid4()), at(100))


async def test_named_users_have_a_notification_on_return(office: Office) -> None:
    sent = plan()
    await office.send(SendCommand(title="t", category="c", recipients=[Recipient(external_id="ada")]), sent)
    ada = await office.directory.resolve(office.project_id, Identity("ada"))
    found = msgspec.json.decode(await office.inboxes.get(ada, read_item_id(sent.id)) or b"null")
    assert (found["title"], found["category"], found["sent_at"]) == ("t", "c", 100)
    assert await office.categories.all(office.project_id) == ["c"]
    assert await office.jobs.read(JobKind.BROADCAST, office.project_id, sent.id) is None


async def test_the_category_for_items_without_one_is_not_recorded(office: Office) -> None:
    await office.send(SendCommand(title="t", category="uncategorized", recipients=[Recipient(external_id="a")]), plan())
    assert await office.categories.all(office.project_id) == []


async def test_a_command_for_many_becomes_a_job_of_the_same_id(office: Office) -> None:
    sent = plan()
    await office.send(SendCommand(title="t", recipients=[Recipient(matches="*")]), sent)
    record = await office.jobs.read(JobKind.BROADCAST, office.project_id, sent.id)
    assert record is not None
    assert decode_broadcast(record.payload).root == "notification"


async def test_a_command_whose_recipients_conflict_sends_nothing(office: Office) -> None:
    await office.directory.resolve_many(office.project_id, [Identity("ada"), Identity(None, "joe@example.com")])
    recipients = [Recipient(external_id="eve"), Recipient(external_id="ada", email="joe@example.com")]
    sent = plan()
    with pytest.raises(RecipientConflictError):
        await office.send(SendCommand(title="t", recipients=recipients), sent)
    eve = await office.directory.resolve(office.project_id, Identity("eve"))
    assert await office.inboxes.get(eve, read_item_id(sent.id)) is None


async def test_a_broadcast_is_for_the_users_there_are_when_it_is_enqueued(office: Office) -> None:
    await office.directory.resolve_many(office.project_id, [Identity("ada"), Identity("joe")])
    sent = plan()
    view = await office.sender.enqueue(
        office.project_id, SendCommand(title="t", recipients=[Recipient(matches="*")]), sent, "broadcast"
    )
    record = await office.jobs.read(JobKind.BROADCAST, office.project_id, sent.id)
    assert record is not None
    stored = decode_broadcast(record.payload)
    assert (stored.user_count, stored.moment, bytes(stored.view)) == (2, sent.moment, view)


async def test_enqueuing_again_by_the_same_plan_changes_nothing(office: Office) -> None:
    sent = plan()
    for title in ("first", "second"):
        command = SendCommand(title=title, recipients=[Recipient(matches="*")])
        await office.sender.enqueue(office.project_id, command, sent, "broadcast")
    record = await office.jobs.read(JobKind.BROADCAST, office.project_id, sent.id)
    assert record is not None
    assert decode_broadcast(record.payload).shown.title == "first"


async def test_a_broadcast_is_stored_byte_for_byte_as_before_plans_had_versions(office: Office) -> None:
    before = decode_broadcast(recorded.BROADCAST_PLAN)
    values = msgspec.json.decode(bytes(before.view))
    await office.directory.resolve_many(office.project_id, [Identity(f"u{n}") for n in range(before.user_count)])
    command = msgspec.convert(values, SendCommand)
    await office.sender.enqueue(office.project_id, command, SendPlan(recorded.BROADCAST_ID, before.moment), "broadcast")
    record = await office.jobs.read(JobKind.BROADCAST, office.project_id, recorded.BROADCAST_ID)
    assert record is not None
    assert record.payload == recorded.BROADCAST_PLAN


@pytest.mark.parametrize("recipient", [Recipient(external_id="ada"), Recipient(matches="*")])
async def test_overrides_for_other_channels_and_providers_are_stored_once(office: Office, recipient: Recipient) -> None:
    channels = ChannelOverrides(in_app=ChannelOverride(title="shown"), email=ChannelOverride(title="mailed"))
    overrides = Overrides(channels=channels, providers={"slack": {"a": [1]}})
    sent, plain = plan(), plan()
    await office.send(SendCommand(title="t", recipients=[recipient], overrides=overrides), sent)
    stored = await office.overrides.read(office.project_id, sent.id)
    assert stored == b'{"channels":{"email":{"title":"mailed"}},"providers":{"slack":{"a":[1]}}}'
    in_app = Overrides(channels=ChannelOverrides(in_app=channels.in_app))
    await office.send(SendCommand(title="t", recipients=[recipient], overrides=in_app), plain)
    assert await office.overrides.read(office.project_id, plain.id) is None
