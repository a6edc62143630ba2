"""The delivery of an item: in pieces, once for each user, and to a new user if the named one was deleted."""

import json
from collections.abc import Sequence
from uuid import uuid4

import pytest

from gateway.domain.ids import ProjectId
from gateway.domain.notification import Filter
from gateway.domain.preferences import Status
from gateway.domain.principal import Identity, User
from gateway.domain.retention import KEEP_ALL, ItemRetention
from gateway.sending import deliverer as deliverer_module
from gateway.sending.command import Recipient
from gateway.sending.deliverer import Deliverer
from gateway.sending.errors import RecipientConflictError
from gateway.sending.outgoing import OutgoingItem
from gateway.store import keys
from gateway.store.contents import Content, NotificationFields
from gateway.store.deletion import UserDeletion
from gateway.store.delivery_configs import DeliveryConfigStore, SavedConfig
from gateway.store.directory import Directory
from gateway.store.inbox import InboxStore
from gateway.store.redis.problems import StoreDataError
from gateway.store.subscriptions import SubscriptionStore
from tests.sending.rules import inbox_rules, outbox_sender
from tests.store.conftest import InspectedClient, at, new_user


class Post:
    """A deliverer, and the users of a project of its own."""

    def __init__(self, client: InspectedClient, store: InboxStore):
        self.client = client
        self.inboxes = store
        self.directory = Directory(client, lambda: 0.0)
        self.deliverer = Deliverer(self.directory, store, inbox_rules(client), outbox_sender(client, store))
        self.project_id: ProjectId = new_user().project_id

    async def users(self, *names: str) -> list[User]:
        found = await self.directory.resolve_many(self.project_id, [Identity(name) for name in names])
        return [each.user for each in found]

    async def has(self, user: User, item: OutgoingItem) -> bool:
        return await self.inboxes.get(user, item.content.id) is not None

    async def delete_behind_the_directory(self, user: User) -> None:
        """Delete a user whose names the directory still has, as during a deletion."""
        await UserDeletion(self.client).delete(user)


@pytest.fixture
def post(client: InspectedClient, store: InboxStore) -> Post:
    return Post(client, store)


def item(keep: ItemRetention = KEEP_ALL, repeatable: bool = True, skip_broken: bool = False) -> OutgoingItem:
    content = Content.encode(str(uuid4()), NotificationFields(title="t", topic="t"))
    return OutgoingItem(content, at(100), keep, repeatable, skip_broken)


def named(*names: str) -> Sequence[Recipient]:
    return [Recipient(external_id=name) for name in names]


async def test_named_users_have_the_item_and_unknown_ones_are_created(post: Post) -> None:
    sent = item()
    delivered = await post.deliverer.deliver_to_named(sent, post.project_id, named("ada", "joe"))
    users = await post.users("ada", "joe")
    assert delivered.reached == [user.id for user in users]
    assert all([await post.has(user, sent) for user in users])


async def test_a_user_who_has_the_item_counts_as_reached_and_gets_no_second_one(post: Post) -> None:
    sent = item()
    for _ in range(2):
        delivered = await post.deliverer.deliver_to_named(sent, post.project_id, named("ada"))
    (ada,) = await post.users("ada")
    assert delivered.reached == [ada.id]
    assert (await post.inboxes.list_page(ada, Filter(), 1, 10)).total == 1


async def test_a_recipient_in_the_cache_gets_the_item_with_its_names_and_attributes(
    post: Post,
) -> None:
    (ada,) = await post.users("ada")
    sent, recipients = item(), [Recipient(external_id="ada", first_name="Ada", custom_attributes={"plan": "pro"})]
    assert post.directory.cached(post.project_id, recipients[0].identity) == ada
    assert (await post.deliverer.deliver_to_named(sent, post.project_id, recipients)).reached == [ada.id]
    stored = await post.inboxes.get(ada, sent.content.id)
    assert stored is not None
    recipient = json.loads(stored)["recipient"]
    assert (recipient["external_id"], recipient["first_name"]) == ("ada", "Ada")
    assert recipient["custom_attributes"] == {"plan": "pro"}


async def test_a_cached_recipient_who_was_deleted_leads_to_a_new_user(post: Post) -> None:
    (gone,) = await post.users("gone")
    await post.delete_behind_the_directory(gone)
    delivered = await post.deliverer.deliver_to_named(item(), post.project_id, named("gone"))
    (new,) = await post.users("gone")
    assert new.id != gone.id
    assert delivered.reached == [new.id]


async def test_a_cached_recipient_who_muted_the_topic_is_not_reached(post: Post) -> None:
    (ada,) = await post.users("ada")
    await SubscriptionStore(post.client).set(ada, "t", Status.UNSUBSCRIBED, {"*": ""})
    sent = item()
    assert (await post.deliverer.deliver_to_named(sent, post.project_id, named("ada"))).reached == []
    assert not await post.has(ada, sent)


async def test_a_cached_recipient_whose_data_is_broken_fails_the_delivery_unless_it_is_spared(post: Post) -> None:
    (broken,) = await post.users("broken")
    await post.client.redis.set(keys.user(post.project_id, broken.id), "not a hash")
    with pytest.raises(StoreDataError):
        await post.deliverer.deliver_to_named(item(), post.project_id, named("broken"))
    delivered = await post.deliverer.deliver_to_named(item(skip_broken=True), post.project_id, named("broken"))
    assert delivered.broken == [broken.id]


async def test_pieces_stay_within_the_bounds(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    sent, names = item(), [f"u{number}" for number in range(7)]
    for bound, value in (("CALLS_AT_ONCE", 2), ("BYTES_AT_ONCE", 1)):
        monkeypatch.setattr(deliverer_module, bound, value)
        delivered = await post.deliverer.deliver_to_named(sent, post.project_id, named(*names))
        assert delivered.reached == [user.id for user in await post.users(*names)]


async def test_a_name_whose_user_was_deleted_leads_to_a_new_user(post: Post) -> None:
    gone, joe = await post.users("gone", "joe")
    await post.delete_behind_the_directory(gone)
    sent = item()
    delivered = await post.deliverer.deliver_to_named(sent, post.project_id, named("gone", "joe"))
    (new,) = await post.users("gone")
    assert new.id != gone.id
    assert delivered.reached == [new.id, joe.id]
    assert await post.has(new, sent)


async def test_several_names_whose_users_were_deleted_lead_to_new_users(post: Post) -> None:
    names = [f"u{number}" for number in range(4)]
    before = await post.users(*names)
    for user in before:
        await post.delete_behind_the_directory(user)
    delivered = await post.deliverer.deliver_to_named(item(), post.project_id, named(*names))
    assert delivered.reached == [user.id for user in await post.users(*names)]
    assert not {user.id for user in before} & set(delivered.reached)


async def test_conflicting_recipients_prevent_everything_unless_they_are_spared(post: Post) -> None:
    await post.directory.resolve_many(post.project_id, [Identity("ada"), Identity(None, "joe@example.com")])
    recipients = [Recipient(external_id="ada", email="joe@example.com"), *named("eve")]
    sent = item()
    with pytest.raises(RecipientConflictError):
        await post.deliverer.deliver_to_named(sent, post.project_id, recipients)
    (eve,) = await post.users("eve")
    assert not await post.has(eve, sent)
    delivered = await post.deliverer.deliver_to_named(sent, post.project_id, recipients, skip_conflicts=True)
    assert (delivered.reached, delivered.conflicts) == ([eve.id], [0])


async def test_known_users_who_were_deleted_are_left_out(post: Post) -> None:
    ada, gone, joe = await post.users("ada", "gone", "joe")
    await post.delete_behind_the_directory(gone)
    delivered = await post.deliverer.deliver_to_known(item(), [ada, gone, joe])
    assert delivered.reached == [ada.id, joe.id]
    assert (await post.deliverer.deliver_to_known(item(), [gone])).reached == []
    assert (await post.deliverer.deliver_to_known(item(), [])).reached == []


async def test_only_subscribers_get_an_item_that_is_for_subscribers(post: Post) -> None:
    ada, joe = await post.users("ada", "joe")
    await SubscriptionStore(post.client).set(joe, "t", Status.SUBSCRIBED, {"*": ""})
    sent = item()
    delivered = await post.deliverer.deliver_to_known(sent, [ada, joe], subscribers_only=True)
    assert delivered.reached == [joe.id]
    assert not await post.has(ada, sent)


async def test_a_recipient_whose_data_is_broken_fails_the_others_unless_it_is_spared(post: Post) -> None:
    ada, broken = await post.users("ada", "broken")
    await post.client.redis.set(keys.user(post.project_id, broken.id), "not a hash")
    with pytest.raises(StoreDataError):
        await post.deliverer.deliver_to_known(item(), [ada, broken])
    delivered = await post.deliverer.deliver_to_known(item(skip_broken=True), [ada, broken])
    assert (delivered.reached, delivered.broken) == ([ada.id], [broken.id])


async def test_an_item_makes_room_for_itself_in_an_inbox_with_bounds(post: Post) -> None:
    (ada,) = await post.users("ada")
    first, second = item(ItemRetention(items=1)), item(ItemRetention(items=1))
    for sent in (first, second):
        await post.deliverer.deliver_to_known(sent, [ada])
    assert not await post.has(ada, first)
    assert await post.has(ada, second)


@pytest.mark.parametrize("repeatable", [True, False])
async def test_an_item_that_its_user_deleted_is_not_created_again_when_it_is_sent_again(
    post: Post, repeatable: bool
) -> None:
    (ada,) = await post.users("ada")
    sent = item(repeatable=repeatable)
    await post.deliverer.deliver_to_known(sent, [ada])
    await post.inboxes.delete(ada, sent.content.id, None, at(101))
    await post.deliverer.deliver_to_known(sent, [ada])
    assert not await post.has(ada, sent)


async def test_known_users_do_not_get_what_a_delivery_config_suppresses(post: Post, client: InspectedClient) -> None:
    users = await post.users("ada", "ben")
    await DeliveryConfigStore(client).put(post.project_id, "off", SavedConfig(disabled=True))
    fields = NotificationFields(title="t", category="off")
    suppressed = OutgoingItem(Content.encode(str(uuid4()), fields), at(100), KEEP_ALL, repeatable=True)
    assert (await post.deliverer.deliver_to_known(suppressed, users)).reached == []
    assert not any([await post.has(user, suppressed) for user in users])
