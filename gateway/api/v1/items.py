"""An item of an inbox, as operations and live events return it."""

import msgspec

from gateway.api.core.call import UserCall
from gateway.api.core.problems import not_found
from gateway.api.core.schema import Hash, Seconds, Uuid
from gateway.domain.notification import ItemId, read_item_id


def item_id_of(call: UserCall) -> ItemId:
    """Return the item id in the path. Raises ApiError 404 for any other text."""
    try:
        return read_item_id(call.text("id"))
    except ValueError:
        raise not_found("Notification") from None


class Recipient(msgspec.Struct):
    """The user whose inbox the notification is in."""

    id: str
    email: str | None
    external_id: str | None
    first_name: str | None
    last_name: str | None
    custom_attributes: Hash


class Notification(msgspec.Struct):
    """A notification in one user's inbox. A time is null until the event has happened."""

    id: Uuid
    title: str
    content: str | None
    action_url: str | None
    category: str
    topic: str | None
    custom_attributes: Hash | None
    recipient: Recipient
    seen_at: Seconds | None
    sent_at: Seconds
    read_at: Seconds | None
    archived_at: Seconds | None
