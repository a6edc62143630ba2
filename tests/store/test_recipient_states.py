"""The state of one item in many inboxes."""

from uuid import uuid4

import pytest

from gateway.domain.notification import Command, State
from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.contents import Content, NotificationFields
from gateway.store.deliveries import Delivery
from gateway.store.inbox import InboxStore
from gateway.store.recipient_states import RecipientStates
from gateway.store.redis.problems import StoreDataError
from tests.store.conftest import InspectedClient, at, new_user


@pytest.mark.parametrize("remember", [True, False])
async def test_states_are_read_in_order_and_none_is_of_a_user_without_the_item(
    client: InspectedClient, store: InboxStore, remember: bool
) -> None:
    ada = new_user()
    users = [ada, *(User(ada.project_id, new_user().id, None, None) for _ in range(2))]
    content = Content.encode(str(uuid4()), NotificationFields(title="t", category="a b"))
    await store.create(content, [Delivery(user, {}, True) for user in users[:2]], at(5), remember)
    await store.change(ada, content.id, Command.READ, None, at(7))
    states = RecipientStates(client)
    ids = [user.id for user in users]
    assert await states.read(ada.project_id, content.id, ids) == [State(7, 7, None), State(), None]
    assert await states.read(ada.project_id, content.id, []) == []
    await client.redis.hset(keys.states(keys.user(ada.project_id, ada.id)), bytes(content.id), "what?")
    with pytest.raises(StoreDataError):
        await states.read(ada.project_id, content.id, ids)
