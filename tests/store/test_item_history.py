"""When an item was deleted, as the event log tells."""

from uuid import uuid4

import pytest

from gateway.domain.guard import UserDeletedError
from gateway.domain.notification import ItemId
from gateway.domain.principal import User
from gateway.store.contents import Content, NotificationFields
from gateway.store.deletion import UserDeletion
from gateway.store.deliveries import Delivery
from gateway.store.inbox import InboxStore
from gateway.store.item_history import ItemHistory
from gateway.store.redis.client import FunctionClient
from tests.store.conftest import at, new_user


async def sent(store: InboxStore, user: User) -> ItemId:
    content = Content.encode(str(uuid4()), NotificationFields(title="t"))
    await store.create(content, [Delivery(user)], at(100), remember=False)
    return content.id


async def test_the_log_tells_when_an_item_was_deleted(client: FunctionClient, store: InboxStore) -> None:
    user, history = new_user(), ItemHistory(client)
    first = await sent(store, user)
    assert await history.deleted_ms(user, first) is None
    await store.delete(user, first, None, at(200.123))
    for _ in range(70):  # more than one part of the search
        last = await sent(store, user)
    assert await history.deleted_ms(user, first) == 200_123
    assert await history.deleted_ms(user, last) is None
    assert await history.deleted_ms(user, ItemId(b"x" * 16)) is None


async def test_a_deleted_user_has_no_log(client: FunctionClient, store: InboxStore) -> None:
    user = new_user()
    item = await sent(store, user)
    await UserDeletion(client).delete(user)
    with pytest.raises(UserDeletedError):
        await ItemHistory(client).deleted_ms(user, item)
