"""The type of an item of an inbox."""

import msgspec

from gateway.api.v1.items import Notification
from tests.api.inbox import Inbox


async def test_a_real_item_has_exactly_the_documented_fields(inbox: Inbox) -> None:
    item = await inbox.item(await inbox.receive(custom_attributes={"order": 42}))
    assert msgspec.to_builtins(msgspec.convert(item, Notification)) == item
