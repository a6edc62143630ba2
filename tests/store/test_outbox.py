"""Outboxes: an entry is written with its item, taken by one worker at a time, and ends once."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import ClassVar, TypeVar
from uuid import uuid4

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from gateway.channels import apns
from gateway.domain.delivery import (
    Claim,
    DeliveryState,
    EntryId,
    EntryRecord,
    EntryResult,
    Lane,
    LaneReport,
    LeftOut,
    OutboxPlan,
    Route,
    SkipReason,
    Taken,
    TokenState,
    UserResults,
    address_key,
)
from gateway.domain.notification import Command, ItemId
from gateway.domain.preferences import Channel, Status
from gateway.domain.principal import User
from gateway.domain.retention import ItemRetention
from gateway.store import keys
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.contents import Content, ContentStore, NotificationFields
from gateway.store.deletion import UserDeletion
from gateway.store.deliveries import Delivery, Outcome
from gateway.store.event_log import LogRetention, Moment
from gateway.store.inbox import InboxStore, Sent
from gateway.store.lanes import LaneStore
from gateway.store.outbox import OutboxStore
from gateway.store.preferences import PreferenceStore
from gateway.store.redis.problems import StoreFullError
from gateway.store.subscriptions import SubscriptionStore
from tests.servers import RedisServer
from tests.store.clocked import ClockedClient
from tests.store.conftest import new_user

T = TypeVar("T")

LEASE_MS = 30_000
EMAIL, APNS = OutboxPlan(((Route.EMAIL, 0),)), OutboxPlan(((Route.APNS, 0),))

_claims = itertools.count(1)


class Desk:
    """The stores of a gateway and of its delivery workers, and a user with an address and a device."""

    def __init__(self, client: ClockedClient):
        self.client = client
        self.contents = ContentStore(client)
        retention = LogRetention(1000, 1000)
        self.inboxes = InboxStore(client, retention, self.contents)
        self.tokens = ChannelTokenStore(client)
        self.outbox = OutboxStore(client, self.contents, self.tokens)
        self.preferences = PreferenceStore(client, retention)
        found = new_user()
        self.user = User(found.project_id, found.id, "ada", "ada@example.com")

    @property
    def moment(self) -> Moment:
        return Moment(self.client.now_ms, "e0")

    async def send(
        self,
        plan: OutboxPlan,
        content: Content | None = None,
        remember: bool = True,
        category: str = "",
        topic: str = "",
    ) -> tuple[ItemId, Sent]:
        fields = NotificationFields(title="Hello", category=category, topic=topic or None)
        content = content or Content.encode(str(uuid4()), fields)
        (sent,) = await self.inboxes.send_each(content, [self.user], self.moment, remember, plan)
        return content.id, sent

    def claim(self, route: Route) -> Claim:
        lane, lease = Lane(self.user.project_id, route), self.client.now_ms + LEASE_MS
        return Claim(lane, [self.user.id], next(_claims), lease, str(lease))

    async def take(self, route: Route, claim: Claim | None = None) -> Taken:
        (taken,) = await self.outbox.take(claim or self.claim(route))
        return taken

    async def record(
        self, taken: Taken, record: EntryRecord, next_ms: int | None = None, dead: Sequence[bytes] = ()
    ) -> list[EntryId]:
        results = [EntryResult(each.id, record, next_ms) for each in taken.entries]
        (recorded,) = await self.outbox.record([UserResults(taken, results, dead)], self.client.now_ms)
        return list(recorded.refused)

    async def stored(self) -> list[bytes]:
        """Return the keys of the user that belong to deliveries."""
        key = keys.user(self.user.project_id, self.user.id)
        names = [keys.USER_SUFFIXES[name] for name in ("OUTBOX", "DELIVERIES", "UNLISTED", "SUPPRESSED")]
        found = [name for name in await self.client.redis.keys(key + ":*") if isinstance(name, bytes)]
        return sorted(name for name in found if any(each in name.decode("latin-1") for each in names))


@pytest.fixture
async def desk(redis_server: RedisServer) -> AsyncIterator[Desk]:
    client = ClockedClient(redis_server.url)
    await client.prepare()
    yield Desk(client)
    await client.aclose()


DELIVERED = EntryRecord(DeliveryState.DELIVERED, "", 1, 2, "smtp", (TokenState(b"\1k", DeliveryState.DELIVERED, 1),))
RETRY = EntryRecord(DeliveryState.RETRY, "", 1, 0, "smtp", (TokenState(b"\1k", DeliveryState.RETRY, 1, "503"),))


async def test_an_entry_is_written_with_its_item_and_delivered(desk: Desk) -> None:
    item_id, sent = await desk.send(EMAIL, category="orders", topic="one")
    assert sent == Sent(Outcome.CREATED, (Route.EMAIL,))
    taken = await desk.take(Route.EMAIL)
    (entry,) = taken.entries
    assert entry.id == EntryId(item_id, Route.EMAIL)
    assert (entry.record, entry.was_lost, entry.is_in_inbox, entry.objection) == (None, False, True, None)
    assert (entry.category, entry.topic, entry.due_ms) == ("orders", "one", desk.client.now_ms)
    assert msgspec.json.decode(entry.content)["title"] == "Hello"
    assert taken.recipient == {"external_id": "ada", "email": "ada@example.com"}
    assert (taken.counts.unread, taken.counts.unseen) == (1, 1)
    assert await desk.record(taken, DELIVERED) == []
    found = await desk.outbox.read(desk.user, item_id)
    assert found is not None
    assert [(each.route, each.due_ms, each.record) for each in found.entries] == [(Route.EMAIL, None, DELIVERED)]
    assert (await desk.take(Route.EMAIL)).entries == []


async def test_a_repeated_request_writes_no_second_entry_and_reports_those_that_are_left(desk: Desk) -> None:
    content = Content.encode(str(uuid4()), NotificationFields(title="t"))
    for outcome in (Outcome.CREATED, Outcome.DUPLICATE):
        assert (await desk.send(EMAIL, content))[1] == Sent(outcome, (Route.EMAIL,))
    taken = await desk.take(Route.EMAIL)
    await desk.record(taken, DELIVERED)
    assert (await desk.send(EMAIL, content))[1] == Sent(Outcome.DUPLICATE)


async def test_routes_without_a_token_an_address_or_the_users_wish_are_left_out(desk: Desk) -> None:
    await desk.preferences.update(desk.user, {"": {Channel.WEB_PUSH: False}}, None, desk.moment)
    plan = OutboxPlan(((Route.APNS, 0), (Route.WEB_PUSH, 0), (Route.EMAIL, 0), (Route.SMS, 0), (Route.SLACK, 60_000)))
    item_id, sent = await desk.send(plan)
    assert sent.routes == (Route.EMAIL, Route.SLACK)
    found = await desk.outbox.read(desk.user, item_id)
    assert found is not None
    assert found.left_out == [
        LeftOut(Route.APNS, SkipReason.NO_TOKEN),
        LeftOut(Route.WEB_PUSH, SkipReason.PREFERENCE),
        LeftOut(Route.SMS, SkipReason.NO_ADDRESS),
    ]
    assert [each.route for each in found.entries] == [Route.EMAIL, Route.SLACK]
    assert (await desk.take(Route.SLACK)).next_ms == desk.client.now_ms + 60_000


async def test_nothing_is_stored_of_a_user_whom_no_route_reaches(desk: Desk) -> None:
    _, sent = await desk.send(OutboxPlan(((Route.APNS, 0), (Route.SMS, 0))))
    assert sent == Sent(Outcome.CREATED)
    assert await desk.stored() == []


async def test_a_taken_entry_is_not_taken_by_another_claim_until_its_lease_ends(desk: Desk) -> None:
    await desk.send(EMAIL)
    claim = desk.claim(Route.EMAIL)
    first = await desk.take(Route.EMAIL, claim)
    assert [each.id for each in (await desk.take(Route.EMAIL, claim)).entries] == [each.id for each in first.entries]
    other = await desk.take(Route.EMAIL)
    assert (other.entries, other.next_ms) == ([], desk.client.now_ms + LEASE_MS + 1)
    await desk.client.pass_ms(LEASE_MS + 1)
    second = await desk.take(Route.EMAIL)
    assert [entry.was_lost for entry in second.entries] == [True]
    assert await desk.record(first, DELIVERED) == [first.entries[0].id]
    assert await desk.record(second, RETRY, desk.client.now_ms + 5_000) == []
    assert await desk.record(second, RETRY, desk.client.now_ms + 5_000) == []
    await desk.client.pass_ms(5_000)
    third = await desk.take(Route.EMAIL)
    assert [(entry.was_lost, entry.record) for entry in third.entries] == [(False, RETRY)]


async def test_a_repeated_call_takes_what_it_took_although_more_is_due(desk: Desk) -> None:
    first, _ = await desk.send(EMAIL)
    claim = desk.claim(Route.EMAIL)
    await desk.take(Route.EMAIL, claim)
    second, _ = await desk.send(EMAIL)
    taken = await desk.take(Route.EMAIL, claim)
    assert [(entry.id.notification_id, entry.was_lost) for entry in taken.entries] == [(first, False)]
    (recorded,) = await desk.outbox.record([UserResults(taken, [EntryResult(taken.entries[0].id, DELIVERED)])])
    assert recorded.next_ms == desk.client.now_ms
    assert [entry.id.notification_id for entry in (await desk.take(Route.EMAIL)).entries] == [second]


async def test_entries_are_held_as_long_as_a_lease_that_was_extended(desk: Desk) -> None:
    await desk.send(EMAIL)
    claim = desk.claim(Route.EMAIL)
    first = await desk.take(Route.EMAIL, claim)
    longer = claim._replace(lease_ms=claim.lease_ms + LEASE_MS)
    for _ in range(2):
        await desk.outbox.extend(claim, longer)
    await desk.client.pass_ms(LEASE_MS + 1)
    new, _ = await desk.send(EMAIL)
    other = await desk.take(Route.EMAIL)
    assert [entry.id.notification_id for entry in other.entries] == [new]
    assert await desk.record(first, DELIVERED) == []


async def test_large_contents_are_taken_alone_and_little_of_many_is_taken_at_once(desk: Desk) -> None:
    texts = ["x" * 40_000, "x" * 10_000, "x" * 40_000, "x" * 100_000, "x"]
    contents = [Content.encode(str(uuid4()), NotificationFields(title="t", content=text)) for text in texts]
    for content in contents:
        await desk.send(EMAIL, content)
        await desk.client.pass_ms(1)
    sizes = []
    while True:
        claim = desk.claim(Route.EMAIL)
        taken = await desk.take(Route.EMAIL, claim)
        again = await desk.take(Route.EMAIL, claim)
        assert {each.id for each in again.entries} == {each.id for each in taken.entries}
        if taken.is_large:
            assert taken.entries == ()
            (taken,) = await desk.outbox.take(claim, alone=True)
        if not taken.entries:
            break
        sizes.append([len(entry.content) // 10_000 for entry in taken.entries])
        await desk.record(taken, DELIVERED)
    assert sizes == [[4, 1], [4], [10], [0]]


async def test_recipients_of_a_broadcast_share_its_content(desk: Desk) -> None:
    contents = [Content.encode(str(uuid4()), NotificationFields(title=f"number {number}")) for number in range(6)]
    taken = []
    for content in [*contents, contents[-1]]:
        await desk.contents.put(desk.user.project_id, content)
        await desk.send(EMAIL, content.as_reference())
        (entry,) = (await desk.take(Route.EMAIL)).entries
        assert entry.content == content.encoded + b"}"
        taken.append(entry.content)
        desk.user = User(desk.user.project_id, new_user().id, "ada", "ada@example.com")
    assert taken[-1] is taken[-2]


async def test_the_state_and_the_wishes_are_those_at_the_time_of_sending(desk: Desk) -> None:
    item_id, _ = await desk.send(EMAIL, category="news", topic="a")
    await desk.inboxes.change(desk.user, item_id, Command.READ, None, desk.moment)
    subscriptions = SubscriptionStore(desk.client)
    await subscriptions.set(desk.user, "a", Status.UNSUBSCRIBED, {"*": ""})
    (entry,) = (await desk.take(Route.EMAIL)).entries
    assert entry.item is not None
    assert entry.item.read_at is not None
    assert entry.objection is SkipReason.UNSUBSCRIBED
    await desk.preferences.update(desk.user, {"news": {Channel.EMAIL: False}}, None, desk.moment)
    await desk.client.pass_ms(LEASE_MS + 1)
    (entry,) = (await desk.take(Route.EMAIL)).entries
    assert entry.objection is SkipReason.PREFERENCE


async def test_live_tokens_are_taken_and_a_dead_one_is_discarded_unless_it_was_registered_again(desk: Desk) -> None:
    for number in (1, 2):
        await desk.tokens.register(desk.user, apns.TOKEN, {"device_token": f"t{number}"}, desk.client.now_ms)
    await desk.send(APNS)
    taken = await desk.take(Route.APNS)
    tokens = {token.fields["device_token"]: token for token in taken.tokens}
    assert tokens.keys() == {"t1", "t2"}
    await desk.tokens.register(desk.user, apns.TOKEN, {"device_token": "t2"}, desk.client.now_ms + 1)
    results = [EntryResult(taken.entries[0].id, DELIVERED)]
    dead = [tokens["t1"].key, tokens["t2"].key]
    (recorded,) = await desk.outbox.record([UserResults(taken, results, dead)], desk.client.now_ms)
    assert recorded.discarded == [tokens["t1"].id]
    page = await desk.tokens.page(desk.user, apns.TOKEN, 10, None, None, live_only=True)
    assert [token.id for token in page.tokens] == [tokens["t2"].id]


async def test_an_address_that_never_works_is_suppressed(desk: Desk) -> None:
    await desk.send(EMAIL)
    taken = await desk.take(Route.EMAIL)
    key = address_key("ada@example.com")
    results = [EntryResult(each.id, DELIVERED) for each in taken.entries]
    await desk.outbox.record([UserResults(taken, results, suppressed={key: "550 5.1.1"})], desk.client.now_ms)
    await desk.outbox.suppress(desk.user, Route.SMS, address_key("+15005550006"), "21610")
    await desk.send(EMAIL)
    assert (await desk.take(Route.EMAIL)).suppressed == {key: "550 5.1.1", address_key("+15005550006"): "21610"}
    await desk.outbox.suppress(desk.user, Route.EMAIL, key, "")
    await desk.send(EMAIL)
    assert (await desk.take(Route.EMAIL)).suppressed == {address_key("+15005550006"): "21610"}, "it was lifted"


async def test_devices_in_their_former_form_are_converted_first(desk: Desk) -> None:
    key = keys.user(desk.user.project_id, desk.user.id)
    await desk.client.redis.hset(key, "format", "1")
    await desk.client.redis.hset(key + keys.USER_SUFFIXES["DEVICES"], "t1", b'1 2 {"platform":"ios"}')
    assert (await desk.send(APNS))[1].routes == (Route.APNS,)
    assert [token.fields["device_token"] for token in (await desk.take(Route.APNS)).tokens] == ["t1"]


@pytest.mark.parametrize("by_config", [True, False])
async def test_what_is_in_no_inbox_is_sent_all_the_same(desk: Desk, by_config: bool) -> None:
    plan = EMAIL._replace(in_inbox=not by_config)
    if not by_config:
        await desk.preferences.update(desk.user, {"": {Channel.IN_APP: False}}, None, desk.moment)
    for remember in (True, False):
        content = Content.encode(str(uuid4()), NotificationFields(title="t"))
        for _ in range(2):
            item_id, sent = await desk.send(plan, content, remember)
            assert sent == Sent(Outcome.MUTED, (Route.EMAIL,))
        taken = await desk.take(Route.EMAIL)
        (entry,) = taken.entries
        assert (entry.is_in_inbox, entry.sent_at) == (False, desk.client.now_ms // 1000)
        assert msgspec.json.decode(entry.content) == msgspec.json.decode(content.encoded + b"}")
        found = await desk.outbox.read(desk.user, item_id)
        assert found is not None
        assert (found.is_in_inbox, found.content) == (False, entry.content)
        await desk.record(taken, DELIVERED)
        found = await desk.outbox.read(desk.user, item_id)
        assert found is not None
        assert (found.content, found.entries[0].record) == (b"", DELIVERED)
        assert await desk.inboxes.get(desk.user, item_id) is None


async def test_what_is_in_no_inbox_is_forgotten_after_some_time(desk: Desk) -> None:
    plan = EMAIL._replace(in_inbox=False)
    first, _ = await desk.send(plan)
    key = keys.user(desk.user.project_id, desk.user.id) + keys.USER_SUFFIXES["UNLISTED"]
    assert (await desk.client.redis.zscore(key, first) or 0) > time.time() + 29 * 24 * 3600
    await desk.client.redis.zadd(key, {first: 1})
    second, _ = await desk.send(plan)
    assert await desk.outbox.read(desk.user, first) is None
    assert [entry.id.notification_id for entry in (await desk.take(Route.EMAIL)).entries] == [second]


async def test_a_topic_that_the_user_left_is_sent_nowhere(desk: Desk) -> None:
    await SubscriptionStore(desk.client).set(desk.user, "a", Status.UNSUBSCRIBED, {"*": ""})
    assert (await desk.send(EMAIL, topic="a"))[1] == Sent(Outcome.MUTED)
    await desk.preferences.update(desk.user, {"": {Channel.IN_APP: False}}, None, desk.moment)
    assert (await desk.send(EMAIL, topic="a"))[1] == Sent(Outcome.MUTED)
    assert await desk.stored() == []


async def test_a_broadcasts_content_is_complete(desk: Desk) -> None:
    content = Content.encode(str(uuid4()), NotificationFields(title="Hello all"))
    await desk.contents.put(desk.user.project_id, content)
    await desk.send(EMAIL, content.as_reference())
    (entry,) = (await desk.take(Route.EMAIL)).entries
    assert entry.content == content.encoded + b"}"


async def test_deliveries_end_with_their_item(desk: Desk) -> None:
    gone = []
    for number in range(3):
        item_id, _ = await desk.send(OutboxPlan(((Route.EMAIL, 0), (Route.SMS, 0))))
        if number != 1:
            gone.append(item_id)
    taken = await desk.take(Route.EMAIL)
    await desk.inboxes.delete(desk.user, gone[1], None, desk.moment)
    refused = await desk.record(taken, DELIVERED)
    assert [each.notification_id for each in refused] == [gone[1]]
    keep = ItemRetention(2, 0)
    content = Content.encode(str(uuid4()), NotificationFields(title="t"))
    await desk.inboxes.send_each(content, [desk.user], desk.moment, True, EMAIL, keep=keep)
    for item_id in gone:
        assert await desk.outbox.read(desk.user, item_id) is None
    assert await desk.stored()
    await UserDeletion(desk.client).delete(desk.user)
    assert await desk.stored() == []
    taken = await desk.take(Route.EMAIL)
    assert (taken.entries, taken.next_ms) == ((), None)
    assert (await desk.inboxes.send_each(content, [desk.user], desk.moment, True, EMAIL)) == [Sent(Outcome.DELETED)]


async def test_an_entry_whose_item_an_older_gateway_removed_is_dropped(desk: Desk) -> None:
    item_id, _ = await desk.send(EMAIL)
    key = keys.user(desk.user.project_id, desk.user.id)
    await desk.client.redis.hdel(keys.states(key), item_id)
    taken = await desk.take(Route.EMAIL)
    assert (taken.entries, taken.next_ms) == ([], None)
    assert await desk.stored() == []


async def test_a_delivery_is_tried_again_on_request(desk: Desk) -> None:
    item_id, _ = await desk.send(EMAIL)
    taken = await desk.take(Route.EMAIL)
    found = await desk.outbox.read(desk.user, item_id)
    assert found is not None
    assert found.entries[0].is_held
    assert not await desk.outbox.retry(desk.user, item_id, found.entries[0], EntryRecord())
    failed = EntryRecord(DeliveryState.FAILED, "", 1, 2, "smtp")
    await desk.record(taken, failed)
    found = await desk.outbox.read(desk.user, item_id)
    assert found is not None
    again = EntryRecord(DeliveryState.SCHEDULED)
    assert await desk.outbox.retry(desk.user, item_id, found.entries[0], again)
    assert not await desk.outbox.retry(desk.user, item_id, found.entries[0], again)
    (entry,) = (await desk.take(Route.EMAIL)).entries
    assert entry.record == again


async def test_entries_that_nobody_has_taken_are_cancelled(desk: Desk) -> None:
    plan = OutboxPlan(((Route.EMAIL, 0), (Route.SLACK, 60_000)))
    item_id, _ = await desk.send(plan)
    taken = await desk.take(Route.EMAIL)
    assert await desk.outbox.cancel(desk.user, item_id, desk.client.now_ms) == 1
    assert await desk.record(taken, DELIVERED) == []
    found = await desk.outbox.read(desk.user, item_id)
    assert found is not None
    states = {each.route: each.record and each.record.state for each in found.entries}
    assert states == {Route.EMAIL: DeliveryState.DELIVERED, Route.SLACK: DeliveryState.SKIPPED}


async def test_names_and_attributes_of_a_request_are_stored_with_the_entry(desk: Desk) -> None:
    content = Content.encode(str(uuid4()), NotificationFields(title="t"))
    delivery = Delivery(desk.user, {"first_name": "Ada", "phone_numbers": ["+15005550006"]})
    (sent,) = await desk.inboxes.send(content, [delivery], desk.moment, True, OutboxPlan(((Route.SMS, 0),)))
    assert sent == Sent(Outcome.CREATED, (Route.SMS,))
    taken = await desk.take(Route.SMS)
    assert (taken.recipient["first_name"], taken.recipient["phone_numbers"]) == ("Ada", ["+15005550006"])


async def test_a_full_server_accepts_no_entries_and_lets_those_that_it_has_be_delivered(desk: Desk) -> None:
    item_id, _ = await desk.send(EMAIL)
    lanes, lane = LaneStore(desk.client, monotonic=desk.client.monotonic), Lane(desk.user.project_id, Route.EMAIL)
    mark = await lanes.mark(desk.user.project_id, [desk.user.id], [Route.EMAIL])
    before = await desk.stored()
    await desk.client.redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreFullError):
            await desk.send(EMAIL)
        with pytest.raises(StoreFullError):
            await lanes.mark(desk.user.project_id, [desk.user.id], [Route.EMAIL])
        await lanes.hasten([(mark, desk.user.id, {Route.EMAIL: 0})])
        claim = next(each for each in await lanes.claim(10_000, LEASE_MS) if each.lane == lane)
        (taken,) = await desk.outbox.take(claim)
        assert await desk.record(taken, DELIVERED) == []
        await lanes.done(claim, {desk.user.id: None}, LaneReport(messages=1, delivered=1, per_second=5, burst=5))
    finally:
        await desk.client.redis.config_set("maxmemory", 0)
    found = await desk.outbox.read(desk.user, item_id)
    assert found is not None
    assert [each.record for each in found.entries] == [DELIVERED]
    assert len(before) == 1


async def test_the_functions_of_an_older_gateway_work_beside_these_on_one_inbox(desk: Desk) -> None:
    content = Content.encode(str(uuid4()), NotificationFields(title="t"))
    (outcome,) = await desk.inboxes.create_each(content, [desk.user], desk.moment, remember=True)
    assert outcome is Outcome.CREATED
    # The item of a request whose first attempt an older gateway served has no entries, and gets none.
    assert (await desk.send(EMAIL, content))[1] == Sent(Outcome.DUPLICATE)
    _, sent = await desk.send(EMAIL)
    assert sent.routes == (Route.EMAIL,)


class Life(RuleBasedStateMachine):
    """Requests, users and workers change the entries of two notifications in any order.

    `ended` has how often a final state of each entry was accepted, and `tried` how often that was allowed.
    """

    loop: ClassVar[asyncio.AbstractEventLoop]
    client: ClassVar[ClockedClient]

    def run(self, awaited: Awaitable[T]) -> T:
        async def run() -> T:
            return await awaited

        return self.loop.run_until_complete(run())

    @initialize()
    def begin(self) -> None:
        self.desk = Desk(self.client)
        self.contents = [Content.encode(str(uuid4()), NotificationFields(title="t")) for _ in range(2)]
        self.created: set[ItemId] = set()
        self.deleted: set[ItemId] = set()
        self.ended: dict[ItemId, int] = {}
        self.tried: dict[ItemId, int] = {}
        self.taken: list[Taken] = []
        self.holder: dict[ItemId, int] = {}
        self.latest: dict[ItemId, int] = {}

    numbers = st.sampled_from([0, 0, 0, 1])

    @rule(number=numbers, delay=st.sampled_from([0, 0, 60_000]), in_inbox=st.booleans())
    def send(self, number: int, delay: int, in_inbox: bool) -> None:
        content = self.contents[number]
        plan = OutboxPlan(((Route.EMAIL, delay),), in_inbox)
        _, sent = self.run(self.desk.send(plan, content))
        is_new = content.id not in self.created
        if is_new:
            self.created.add(content.id)
            self.tried[content.id] = 1
            assert sent.outcome is (Outcome.CREATED if in_inbox else Outcome.MUTED)
        pending = self.ended.get(content.id, 0) < self.tried[content.id] and content.id not in self.deleted
        assert sent.routes == ((Route.EMAIL,) if pending else ())

    @rule(number=numbers, command=st.sampled_from([Command.READ, Command.ARCHIVE]))
    def change(self, number: int, command: Command) -> None:
        self.run(self.desk.inboxes.change(self.desk.user, self.contents[number].id, command, None, self.desk.moment))

    @rule(number=numbers)
    def delete(self, number: int) -> None:
        item_id = self.contents[number].id
        if self.run(self.desk.inboxes.delete(self.desk.user, item_id, None, self.desk.moment)):
            self.deleted.add(item_id)

    @rule(limit=st.integers(1, 2))
    def take(self, limit: int) -> None:
        claim = self.desk.claim(Route.EMAIL)
        (taken,) = self.run(self.desk.outbox.take(claim, limit))
        for entry in taken.entries:
            item_id = entry.id.notification_id
            assert item_id not in self.deleted
            assert self.holder.get(item_id, 0) <= self.client.now_ms, "taken twice at a time"
            self.holder[item_id] = claim.lease_ms
            self.latest[item_id] = claim.number
        self.taken.append(taken)

    @rule(place=st.integers(0, 1), is_final=st.booleans(), repeated=st.booleans())
    def record(self, place: int, is_final: bool, repeated: bool) -> None:
        if place >= len(self.taken):
            return
        taken = self.taken[place]
        next_ms = None if is_final else self.client.now_ms + 1000
        for _ in range(1 + repeated):
            refused = self.run(self.desk.record(taken, DELIVERED if is_final else RETRY, next_ms))
            if repeated and _ == 0:
                first = refused
        if repeated:
            assert refused == first
        del self.taken[place]
        for entry in taken.entries:
            if entry.id not in refused:
                assert self.latest[entry.id.notification_id] == taken.claim, "recorded by a claim that lost the entry"
                self.holder.pop(entry.id.notification_id, None)
                self.ended[entry.id.notification_id] = self.ended.get(entry.id.notification_id, 0) + is_final

    @rule(number=numbers)
    def retry(self, number: int) -> None:
        item_id = self.contents[number].id
        found = self.run(self.desk.outbox.read(self.desk.user, item_id))
        for known in found.entries if found is not None else ():
            was_ended = known.due_ms is None
            if self.run(self.desk.outbox.retry(self.desk.user, item_id, known, known.record or EntryRecord())):
                self.tried[item_id] += was_ended

    @rule(number=numbers)
    def cancel(self, number: int) -> None:
        item_id = self.contents[number].id
        cancelled = self.run(self.desk.outbox.cancel(self.desk.user, item_id, self.client.now_ms))
        self.ended[item_id] = self.ended.get(item_id, 0) + cancelled

    @rule(ms=st.sampled_from([1000, LEASE_MS + 1, 60_000]))
    def wait(self, ms: int) -> None:
        self.run(self.client.pass_ms(ms))

    def teardown(self) -> None:
        if not hasattr(self, "desk"):
            return
        for _ in range(3):
            self.wait(60_000)
            self.take(2)
            self.record(len(self.taken) - 1, is_final=True, repeated=False)
            while self.taken:
                self.record(0, is_final=True, repeated=True)
        for item_id in self.created - self.deleted:
            assert self.ended[item_id] == self.tried[item_id], "an entry ended more often than it was to be sent"
            found = self.run(self.desk.outbox.read(self.desk.user, item_id))
            assert found is not None
            assert [(each.due_ms, each.is_held) for each in found.entries] == [(None, False)]
        for item_id in self.deleted:
            assert self.ended.get(item_id, 0) <= self.tried[item_id]


def test_whatever_happens_an_entry_ends_once(redis_server: RedisServer) -> None:
    loop = asyncio.new_event_loop()
    client = ClockedClient(redis_server.url)
    Life.loop, Life.client = loop, client
    try:
        loop.run_until_complete(client.prepare())
        run_state_machine_as_test(Life, settings=settings(max_examples=80, stateful_step_count=40, deadline=None))
    finally:
        loop.run_until_complete(client.aclose())
        loop.close()
