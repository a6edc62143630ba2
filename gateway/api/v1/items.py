"""An item of an inbox, as operations and live events return it."""

import msgspec

from gateway.api.core.schema import Hash, Seconds, Uuid


class Recipient(msgspec.Struct):
    """The user whose inbox the item is in."""

    id: str
    email: str | None
    external_id: str | None
    first_name: str | None
    last_name: str | None
    custom_attributes: Hash


class Notification(msgspec.Struct):
    """One item of one user's inbox. What did not happen yet has no time."""

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
