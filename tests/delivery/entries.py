"""Builders of what workers take, and a provider of tests."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid5

from gateway.channels.message import Brand, Message
from gateway.channels.outcome import Delivered, Outcome
from gateway.channels.provider import Links, Provider, Schedule
from gateway.delivery.policy import Rules
from gateway.delivery.user_work import LaneContext
from gateway.domain.delivery import Entry, EntryId, EntryRecord, Lane, Route, Taken, Token
from gateway.domain.delivery_config import DeliveryConfigs
from gateway.domain.event import Counts
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.notification import ItemId, State
from gateway.domain.preferences import Channel

NOTIFICATION = UUID("018c0000-0000-7000-8000-000000000001")
NOW = 1_800_000_000.0
USER = UserId("018c0000-0000-7000-8000-00000000000a")


async def deliver(messages: Sequence[Message], links: Links) -> Sequence[Outcome]:
    """Deliver everything."""
    return [Delivered(str(message.id)) for message in messages]


PUSH = Provider(name="apns", channel=Channel.MOBILE_PUSH, deliver=deliver)
SMS = Provider(name="twilio", channel=Channel.SMS, deliver=deliver, repeats_unknown=False)


def context(provider: Provider | None = PUSH, route: Route = Route.APNS, **others: Any) -> LaneContext:
    """Return the context of a lane."""
    repeats = provider.repeats_unknown if provider is not None else False
    values: dict[str, Any] = {
        "rules": Rules(Schedule.PROMPT, repeats),
        "config": {"key": "k"},
        "config_id": "c1",
        "brand": Brand(name="Shop"),
        "configs": DeliveryConfigs(),
        **others,
    }
    return LaneContext(route=route, provider=provider, **values)


def token(number: int) -> Token:
    """Return one of the tokens of a user."""
    key = bytes([0, number]) * 5
    return Token(uuid5(NOTIFICATION, str(number)), key, {"device_token": f"device-{number}"}, 0)


def entry(route: Route = Route.APNS, record: EntryRecord | None = None, **others: Any) -> Entry:
    """Return an entry that is due now."""
    values: dict[str, Any] = {
        "was_lost": False,
        "item": State(),
        "sent_at": int(NOW),
        "content": b'{"id":"%b","title":"Shipped","content":"<b>Today</b>","custom_attributes":{"total":3}}'
        % str(NOTIFICATION).encode(),
        "due_ms": int(NOW * 1000),
        **others,
    }
    return Entry(EntryId(ItemId(NOTIFICATION.bytes), route), record, **values)


def taken(*entries: Entry, tokens: Sequence[Token] = (token(1),), **others: Any) -> Taken:
    """Return the entries of one user."""
    lane = Lane(ProjectId("1"), entries[0].id.route if entries else Route.APNS)
    values: dict[str, Any] = {
        "counts": Counts(5, 4, 3, 2),
        "recipient": {"email": "ada@example.com", "phone_numbers": ["+15005550006"], "first_name": "Ada"},
        **others,
    }
    return Taken(lane=lane, user_id=USER, claim=1, entries=entries, tokens=tokens, **values)
