"""Users' preferences, which are channels per category, and their subscriptions to topics.

Both are applied when a notification is sent. A notification that they exclude does not appear later. By default all
channels are on and every topic notifies, so only a choice of the user excludes a notification.

A subscription is to categories of a topic, or to `*` for all of them. The latest one for a category decides. A
subscription to `*` counts for every category of the topic, including those that were subscribed before. A later
subscription to a single category is an exception to it.

`reaches_inbox` defines the rule. The Lua function `create` applies it to what the functions here encode.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from gateway.domain.notification import UNCATEGORIZED

ALL_CATEGORIES = "*"

UPDATE_EVENT = "notification_preferences/update"


class Channel(Enum):
    """A delivery medium that users switch on and off per category, by its slug.

    `Preference.code` has this order, so a new channel is the last one.
    """

    IN_APP = "in_app"
    MOBILE_PUSH = "mobile_push"
    WEB_PUSH = "web_push"
    EMAIL = "email"
    SLACK = "slack"
    SMS = "sms"
    TEAMS = "teams"

    @property
    def label(self) -> str:
        """Return the name that user interfaces show."""
        return "SMS" if self is Channel.SMS else label_of(self.value)


V1_CHANNELS = tuple(channel for channel in Channel if channel is not Channel.TEAMS)
"""The channels that the v1 contract has: the first ones."""


@dataclass(frozen=True, slots=True)
class Preference:
    """The channels that a category of one user may use: all except those in `off`."""

    off: frozenset[Channel] = frozenset()

    @classmethod
    def decode(cls, code: str) -> "Preference":
        """Decode a `code`. Channels that were added after it was written are on."""
        return cls(frozenset(channel for channel, switch in zip(Channel, code, strict=False) if switch == "0"))

    @property
    def code(self) -> str:
        """Return the channels in order, 1 for on and 0 for off. `create` reads only the first, which is the inbox."""
        return "".join("0" if channel in self.off else "1" for channel in Channel)

    def allows(self, channel: Channel) -> bool:
        """Return whether this channel may be used."""
        return channel not in self.off

    def switched(self, switches: Mapping[Channel, bool]) -> "Preference":
        """Return the preference with some channels switched on or off."""
        turned_off = {channel for channel, enabled in switches.items() if not enabled}
        return Preference((self.off - switches.keys()) | turned_off)


def switches_code(switches: Mapping[Channel, bool]) -> str:
    """Return switches as the Lua function reads them: as in `Preference.code`, with `-` for an unchanged channel."""
    return "".join("-" if channel not in switches else str(int(switches[channel])) for channel in Channel)


class Status(Enum):
    """Whether a user gets notifications of a category of a topic."""

    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"

    @property
    def code(self) -> str:
        """Return the status as it is stored: 1 for subscribed, 0 for unsubscribed."""
        return "1" if self is Status.SUBSCRIBED else "0"

    @classmethod
    def decode(cls, code: str) -> "Status":
        """Decode a `code`. Anything other than 0 is subscribed."""
        return cls.UNSUBSCRIBED if code == "0" else cls.SUBSCRIBED


class Subscription(NamedTuple):
    """A user's status for one category of a topic, or for `*`, and the reason that was given, "" for none."""

    status: Status
    reason: str = ""


Subscriptions = Mapping[str, Subscription]
"""The subscriptions of one user to one topic, by category."""


def subscriptions_after(
    subscriptions: Subscriptions, status: Status, reasons: Mapping[str, str]
) -> dict[str, Subscription]:
    """Return the subscriptions to a topic after a user subscribed to some of its categories, or unsubscribed.

    `reasons` has the categories, each with a reason; "" keeps the present reason.
    """
    after = dict(subscriptions)
    if ALL_CATEGORIES in reasons:
        after = {category: known._replace(status=status) for category, known in after.items()}
    for category, reason in reasons.items():
        known = after.get(category, Subscription(status))
        after[category] = Subscription(status, reason or known.reason)
    return after


def reaches_inbox(preference: Preference, subscriptions: Subscriptions, category: str) -> bool:
    """Return whether a notification of this category becomes an item in the user's inbox.

    `preference` is the user's preference for the category. `subscriptions` are those to the notification's topic, if it
    has one.
    """
    if not preference.allows(Channel.IN_APP):
        return False
    subscription = subscriptions.get(category) or subscriptions.get(ALL_CATEGORIES)
    return subscription is None or subscription.status is Status.SUBSCRIBED


def slug_of(category: str) -> str:
    """Return the name that clients use for a stored category."""
    return category or UNCATEGORIZED


def label_of(slug: str) -> str:
    """Return the label that user interfaces show for a slug: `New message` for `new_message`."""
    words = re.sub(r"[\s_-]+", " ", slug).strip() or slug
    return words[0].upper() + words[1:]


def merged_categories(sent: Iterable[str], preferences: Mapping[str, Preference]) -> dict[str, Preference]:
    """Return the preferences to show a user, for the categories that the project sent or the user has set, by name."""
    return {category: preferences.get(category, Preference()) for category in sorted({*sent, *preferences})}
