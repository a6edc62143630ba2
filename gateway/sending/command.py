"""The command to send a notification: its fields, its recipients and its overrides for inboxes.

A command is read from a request body that `api/` has validated. Recipients are also part of the plan of a broadcast,
which is stored for 30 days. So fields may be added here, but existing ones keep their names and their order.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.domain.principal import Identity, normalize_email
from gateway.store.contents import NotificationFields
from gateway.store.directory import Named
from gateway.store.profiles import ATTRIBUTES


class UserFields(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A user as a request names and describes it. None means that the request does not set the attribute."""

    external_id: str | None = None
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    custom_attributes: dict[str, Any] | None = None
    phone_numbers: list[str] | None = None

    @property
    def is_named(self) -> bool:
        """Return whether there is an external id or an email."""
        return bool(self.external_id or self.email)

    @property
    def identity(self) -> Identity:
        """Return the normalized names. Raises ValueError if the user is not named."""
        return Identity(self.external_id or None, normalize_email(self.email) if self.email else None)

    @property
    def named(self) -> Named:
        """Return the same as `identity`, without an object of its own where no email has to be normalized."""
        return self if self.email is None and self.external_id else self.identity

    @property
    def attributes(self) -> dict[str, Any]:
        """Return the attributes that the request sets, without the names."""
        first_name, last_name = self.first_name, self.last_name
        if first_name is last_name is None and self.custom_attributes is None and self.phone_numbers is None:
            return {}  # as in most requests
        return {name: value for name in ATTRIBUTES if (value := getattr(self, name)) is not None}


class TopicRecipients(msgspec.Struct, frozen=True):
    """The subscribers of the command's topic. `subscribers` is always true."""

    subscribers: bool


class Recipient(UserFields, frozen=True, kw_only=True, omit_defaults=True):
    """A recipient of a command: a named user, the users who match a condition, or the subscribers of the topic."""

    matches: str | dict[str, Any] | None = None
    topic: TopicRecipients | None = None


class ChannelOverride(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The values that a channel shows in place of a command's own fields."""

    title: str | None = None
    content: str | None = None
    action_url: str | None = None


class ChannelOverrides(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Overrides by channel."""

    in_app: ChannelOverride | None = None
    email: ChannelOverride | None = None
    mobile_push: ChannelOverride | None = None
    slack: ChannelOverride | None = None
    sms: ChannelOverride | None = None
    teams: ChannelOverride | None = None
    web_push: ChannelOverride | None = None


class Overrides(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The `overrides` of a request body. `providers` has the fields to merge into the request to each provider."""

    channels: ChannelOverrides | None = None
    providers: dict[str, dict[str, Any]] | None = None

    @property
    def beyond_inbox(self) -> "Overrides | None":
        """Return the overrides without those for the inbox, None if there are no others."""
        channels = self.channels
        if channels is not None:
            channels = msgspec.structs.replace(channels, in_app=None)
        others = Overrides(channels=None if channels == ChannelOverrides() else channels, providers=self.providers)
        return others if others != Overrides() else None


class SendCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A notification to send, and its recipients."""

    title: str
    content: str | None = None
    action_url: str | None = None
    category: str | None = None
    topic: str | None = None
    custom_attributes: dict[str, Any] | None = None
    recipients: Sequence[Recipient]
    overrides: Overrides | None = None

    @property
    def is_for_many(self) -> bool:
        """Return whether any recipient stands for any number of users, so that a job has to find them."""
        for recipient in self.recipients:  # noqa: SIM110 - the generator of `any` costs each request 0.4 µs
            if recipient.matches or recipient.topic:
                return True
        return False

    @property
    def sent(self) -> NotificationFields:
        """Return the fields as they were sent. The response repeats them."""
        return NotificationFields(
            title=self.title,
            content=self.content,
            action_url=self.action_url,
            category=self.category or "",
            topic=self.topic or None,
            custom_attributes=self.custom_attributes,
        )

    @property
    def shown(self) -> NotificationFields:
        """Return the fields as inboxes show them: those that were sent, with the overrides for the inbox."""
        channels = self.overrides.channels if self.overrides is not None else None
        in_app = channels.in_app if channels is not None else None
        if in_app is None:
            return self.sent
        given = {name: value for name, value in msgspec.structs.asdict(in_app).items() if value}
        return msgspec.structs.replace(self.sent, **given)
