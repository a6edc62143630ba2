"""What users want to be told: channels per category, and subscriptions to topics.

Both are decided when a notification is sent; what was kept out then never comes back. A channel that nobody switched
is on, and a topic that nobody unsubscribed from notifies: silence is always somebody's choice.

A subscription names categories of a topic, or `*` for all of them. The latest word about a category counts: a word
about `*` is one about every category of the topic, those named before and those never named; a later word about one
category is an exception from it.

`reaches_inbox` is the rule; the Lua function `create` compares in the same way what the functions here encode.
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
    """A delivery medium that users switch per category, by its slug. The order is that of `Preference.code`."""

    IN_APP = "in_app"
    MOBILE_PUSH = "mobile_push"
    WEB_PUSH = "web_push"
    EMAIL = "email"
    SLACK = "slack"
    SMS = "sms"

    @property
    def label(self) -> str:
        """What people read."""
        return "SMS" if self is Channel.SMS else label_of(self.value)


@dataclass(frozen=True, slots=True)
class Preference:
    """Which channels a category of one user may use: all but those switched off."""

    off: frozenset[Channel] = frozenset()

    @classmethod
    def decode(cls, code: str) -> "Preference":
        """Read what `code` wrote. Channels that came to be since then are on."""
        return cls(frozenset(channel for channel, switch in zip(Channel, code, strict=False) if switch == "0"))

    @property
    def code(self) -> str:
        """The channels in order, 1 for on and 0 for off. The first is the inbox: `create` looks at that alone."""
        return "".join("0" if channel in self.off else "1" for channel in Channel)

    def allows(self, channel: Channel) -> bool:
        """Whether this channel may be used."""
        return channel not in self.off

    def switched(self, switches: Mapping[Channel, bool]) -> "Preference":
        """Give the preference after some channels were switched; the others stay as they are."""
        turned_off = {channel for channel, enabled in switches.items() if not enabled}
        return Preference((self.off - switches.keys()) | turned_off)


def switches_code(switches: Mapping[Channel, bool]) -> str:
    """Spell switches as the Lua function takes them: like `Preference.code`, with `-` for a channel to leave."""
    return "".join("-" if channel not in switches else str(int(switches[channel])) for channel in Channel)


class Status(Enum):
    """Whether a user wants a category of a topic."""

    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"

    @property
    def code(self) -> str:
        """1 or 0, as it is stored."""
        return "1" if self is Status.SUBSCRIBED else "0"

    @classmethod
    def decode(cls, code: str) -> "Status":
        """Read what `code` wrote."""
        return cls.UNSUBSCRIBED if code == "0" else cls.SUBSCRIBED


class Subscription(NamedTuple):
    """One category of a topic (or `*`): the user's status, and why they were subscribed, if somebody said so."""

    status: Status
    reason: str = ""


Subscriptions = Mapping[str, Subscription]
"""What one user said about one topic, by category."""


def subscriptions_after(
    subscriptions: Subscriptions, status: Status, reasons: Mapping[str, str]
) -> dict[str, Subscription]:
    """Give what is known of a topic after a user subscribed to some of its categories, or unsubscribed.

    `reasons` has the categories; without a reason ("") the one given before stays.
    """
    after = dict(subscriptions)
    if ALL_CATEGORIES in reasons:
        after = {category: known._replace(status=status) for category, known in after.items()}
    for category, reason in reasons.items():
        known = after.get(category, Subscription(status))
        after[category] = Subscription(status, reason or known.reason)
    return after


def reaches_inbox(preference: Preference, subscriptions: Subscriptions, category: str) -> bool:
    """Decide whether a notification of this category makes an item in the user's inbox.

    `preference` is the user's for the category, `subscriptions` are those to the notification's topic, if it has one.
    """
    if not preference.allows(Channel.IN_APP):
        return False
    word = subscriptions.get(category) or subscriptions.get(ALL_CATEGORIES)
    return word is None or word.status is Status.SUBSCRIBED


def slug_of(category: str) -> str:
    """Give the name that clients know a stored category by."""
    return category or UNCATEGORIZED


def label_of(slug: str) -> str:
    """Make what people read out of a slug: `new_message` is `New message`."""
    words = re.sub(r"[\s_-]+", " ", slug).strip() or slug
    return words[0].upper() + words[1:]


def merged_categories(sent: Iterable[str], preferences: Mapping[str, Preference]) -> dict[str, Preference]:
    """Give every category to show a user: those the project has sent, and those the user has preferences for."""
    return {category: preferences.get(category, Preference()) for category in sorted({*sent, *preferences})}
