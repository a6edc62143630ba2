"""Composing messages: what a stored notification shows on one channel, for one destination."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec

from gateway.channels.message import Addressee, Brand, Message, image_of
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.preferences import Channel
from gateway.sending.command import ChannelOverride, Overrides

_NO_OVERRIDE = ChannelOverride()

_decode_overrides = msgspec.json.Decoder(Overrides).decode

_PROVIDER_ALIASES = {"apns": ("ios",), "fcm": ("android",), "ses": ("amazon_ses",)}
"""The names of the vendor's API for providers, whose fields are merged before those of our own names."""


class Shown(msgspec.Struct, frozen=True):
    """The content of a notification as it is stored, decoded."""

    title: str = ""
    content: str | None = None
    action_url: str | None = None
    category: str = ""
    topic: str | None = None
    custom_attributes: dict[str, Any] | None = None


decode_shown = msgspec.json.Decoder(Shown).decode
"""Decodes a stored content, with its closing brace. Raises msgspec.MsgspecError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What all messages of one notification to one user on one channel have in common."""

    project_id: ProjectId
    user_id: UserId
    notification_id: str
    channel: Channel
    shown: Shown = field(repr=False)
    overrides: Overrides | None = field(default=None, repr=False)
    addressee: Addressee = field(default_factory=Addressee, repr=False)
    brand: Brand
    sent_at: int
    expires_at: int
    unread: int = 0
    unseen: int = 0
    unsubscribe_url: str = field(default="", repr=False)
    installed: str | None = field(default=None, repr=False)
    """The template that the user has installed for the channel, None for none."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts that a channel shows. `subject` is that of a mail, "" if it is the title.

    `faults` say which templates were not used and why. They have no text of the notification.
    """

    title: str = field(default="", repr=False)
    content: str | None = field(default=None, repr=False)
    action_url: str | None = field(default=None, repr=False)
    subject: str = field(default="", repr=False)
    faults: tuple[str, ...] = ()


def read_overrides(encoded: bytes | None) -> Overrides | None:
    """Return the overrides of a notification. Raises msgspec.MsgspecError."""
    return None if encoded is None else _decode_overrides(encoded)


def texts_of(subject: Subject) -> Texts:
    """Return the texts of a notification on a channel: those of its override, and the notification's own."""
    channels = subject.overrides.channels if subject.overrides is not None else None
    override = (getattr(channels, subject.channel.value, None) if channels is not None else None) or _NO_OVERRIDE
    shown = subject.shown
    return Texts(
        shown.title if override.title is None else override.title,
        shown.content if override.content is None else override.content,
        shown.action_url if override.action_url is None else override.action_url,
    )


def extra_of(overrides: Overrides | None, provider: str) -> Mapping[str, Any]:
    """Return the fields of a notification's overrides for a provider, to merge into its request."""
    providers = overrides.providers if overrides is not None else None
    if not providers:
        return {}
    found: dict[str, Any] = {}
    for name in (*_PROVIDER_ALIASES.get(provider, ()), provider):
        found |= providers.get(name) or {}
    return found


def message(
    subject: Subject,
    texts: Texts,
    *,
    delivery: UUID,
    provider: str,
    destination: Mapping[str, Any],
    registered_at: int,
    token_kind: str,
    config: Mapping[str, Any],
    config_id: str,
    attempt: int,
) -> Message:
    """Return the message to one destination. `delivery` is the id of the delivery to it."""
    shown = subject.shown
    return Message(
        id=delivery,
        project_id=subject.project_id,
        user_id=subject.user_id,
        notification_id=subject.notification_id,
        channel=subject.channel,
        title=texts.title,
        subject=texts.subject,
        content=texts.content,
        action_url=texts.action_url,
        category=shown.category or None,
        topic=shown.topic,
        custom_attributes=shown.custom_attributes or {},
        sent_at=subject.sent_at,
        expires_at=subject.expires_at,
        attempt=attempt,
        destination=destination,
        registered_at=registered_at,
        token_kind=token_kind,
        config=config,
        config_id=config_id,
        extra=extra_of(subject.overrides, provider),
        addressee=subject.addressee,
        brand=subject.brand,
        unread=subject.unread,
        unseen=subject.unseen,
        image_url=image_of(shown.custom_attributes),
        unsubscribe_url=subject.unsubscribe_url,
    )
