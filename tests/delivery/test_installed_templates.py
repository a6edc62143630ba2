"""The templates that users have installed, as deliveries read them."""

from uuid import uuid4

from gateway.channels import templates
from gateway.delivery.installed_templates import InstalledTemplates
from gateway.domain.delivery import Entry, EntryId, Lane, Route, Taken
from gateway.domain.notification import ItemId, State
from gateway.domain.preferences import Channel
from gateway.domain.principal import User
from gateway.store.deletion import UserDeletion
from gateway.store.installations import InstallationStore
from gateway.store.redis.client import FunctionClient
from tests.store.conftest import client, new_user

__all__ = ["client"]

KIND = templates.INSTALLATION


def taken(user: User, *categories: str) -> Taken:
    lane = Lane(user.project_id, Route.SMS)
    entries = [
        Entry(EntryId(ItemId(uuid4().bytes), Route.SMS), None, False, State(), 1, b"{}", category)
        for category in categories
    ]
    return Taken(lane=lane, user_id=user.id, claim=1, entries=entries)


async def test_the_text_of_a_category_comes_before_that_of_the_channel(client: FunctionClient) -> None:
    store, ada, bob = InstallationStore(client, "secret"), new_user(), new_user()
    bob = User(ada.project_id, bob.id, "bob", None)
    for category, text in (("orders", "of orders"), (None, "of all")):
        values = {"channel": "sms", "category": category, "text": text}
        await store.replace(ada, KIND.place(values), values, (), None)
    installed = InstalledTemplates(store)
    found = await installed.of_taken([taken(ada, "orders", "news", ""), taken(bob, "orders")], Channel.SMS)
    assert found == {(ada.id, "orders"): "of orders", (ada.id, "news"): "of all", (ada.id, ""): "of all"}
    assert await installed.of_taken([taken(ada, "orders")], Channel.EMAIL) == {}
    assert await installed.of_taken([taken(ada, "orders")], None) == {}


async def test_a_user_who_was_deleted_has_installed_nothing(client: FunctionClient) -> None:
    user = new_user()
    await UserDeletion(client).delete(user)
    found = await InstalledTemplates(InstallationStore(client, "secret")).of_taken([taken(user, "x")], Channel.SMS)
    assert found == {}
