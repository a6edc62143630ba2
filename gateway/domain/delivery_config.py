"""Delivery configs: through which channels the notifications of a category reach a user, when, and on which conditions.

A project has a default config, and configs of categories, each of which replaces the default for its category. A
project without a default uses all channels that it has configured, at once (DEFAULT). A config never adds notifications
to an inbox and removes none. It suppresses a new notification in three cases: the category is disabled, the channel
`in_app` is disabled, or the `if` of `in_app` does not hold for a notification that is new, unseen and unread. A config
that does not list `in_app` leaves it enabled.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from gateway.domain.condition import Condition
from gateway.domain.delivery import OutboxPlan, Route
from gateway.domain.delivery_condition import notification_attributes
from gateway.domain.notification import UNCATEGORIZED
from gateway.domain.preferences import Channel

MAX_PLANS = 1000
"""How many plans are kept for the categories of a project. Senders may make up categories."""

DEFAULT_KEY = "default"
"""The key of the default config. The config of a category has the category as its key."""


class ChannelConfig(NamedTuple):
    """How one channel of a config is used.

    `delay_seconds` count from the sending. `priority` orders the channels, the lower ones first. A channel without one
    follows the channel before it in the list. `condition` decides when the channel is due.
    """

    channel: Channel
    delay_seconds: int = 0
    priority: int | None = None
    disabled: bool = False
    condition: Condition | None = None


class DeliveryConfig(NamedTuple):
    """The config of a category, or the default one. `channels` are in the order in which they were saved.

    The emails of a `required` category offer no way to unsubscribe from it.
    """

    key: str
    channels: tuple[ChannelConfig, ...] = ()
    disabled: bool = False
    required: bool = False

    @property
    def steps(self) -> tuple[ChannelConfig, ...]:
        """Return the enabled channels in the order in which they are used, none for a disabled config."""
        if self.disabled:
            return ()
        ranked: list[tuple[int, ChannelConfig]] = []
        for each in self.channels:
            rank = each.priority if each.priority is not None else ranked[-1][0] if ranked else 0
            ranked.append((rank, each))
        return tuple(each for _, each in sorted(ranked, key=lambda entry: entry[0]) if not each.disabled)

    def channel(self, wanted: Channel) -> ChannelConfig | None:
        """Return the config of a channel, None if it is not listed."""
        return next((each for each in self.channels if each.channel is wanted), None)


DEFAULT = DeliveryConfig(DEFAULT_KEY, (ChannelConfig(Channel.IN_APP),))
"""The config of a project that has set none. It lists the inbox alone, and stands for every channel of the project."""


class InboxRule(NamedTuple):
    """Suppresses notifications. `name` identifies the rule in events. Without a condition it suppresses all of them."""

    name: str
    condition: Condition | None = None

    def suppresses(self, category: str, topic: str, custom_attributes: Mapping[str, Any] | None) -> bool:
        """Return whether the rule keeps a new notification out of inboxes."""
        if self.condition is None:
            return True
        attributes = notification_attributes(
            seen=False,
            read=False,
            archived=False,
            category=category,
            topic=topic,
            custom_attributes=custom_attributes,
        )
        return not self.condition.matches(attributes)


class DeliveryConfigs:
    """The configs of one project, and the routes that it uses besides the inbox.

    Looking up the rule of a category is a look-up in a dictionary.
    """

    def __init__(self, configs: Iterable[DeliveryConfig] = (), routes: Sequence[Route] = ()):
        self.routes = tuple(routes)
        self._plans: dict[str, OutboxPlan | None] = {}
        self._by_key = {config.key: config for config in configs}
        self._default_rule = _rule_of(self.default)
        self._rules = {
            "" if key == UNCATEGORIZED else key: _rule_of(config)
            for key, config in self._by_key.items()
            if key != DEFAULT_KEY
        }

    @property
    def default(self) -> DeliveryConfig:
        """Return the default config of the project."""
        return self._by_key.get(DEFAULT_KEY, DEFAULT)

    def all(self) -> tuple[DeliveryConfig, ...]:
        """Return all configs that are set."""
        return tuple(self._by_key.values())

    def find(self, key: str) -> DeliveryConfig | None:
        """Return the config with a key, None if there is none. There always is a default."""
        return self.default if key == DEFAULT_KEY else self._by_key.get(key)

    def of_category(self, category: str) -> DeliveryConfig:
        """Return the config that applies to a category, by its stored name."""
        return self._by_key.get(category or UNCATEGORIZED) or self.default

    def outbox_plan(self, category: str) -> OutboxPlan | None:
        """Return by which routes notifications of a category go besides the inbox, None if by none.

        A project that has saved no config for them uses all of its routes at once.
        """
        if not self.routes:
            return None
        if category not in self._plans:
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            self._plans[category] = self._outbox_plan(category)
        return self._plans[category]

    def _outbox_plan(self, category: str) -> OutboxPlan | None:
        config = self.of_category(category)
        delays = {each.channel: each.delay_seconds * 1000 for each in config.steps}
        if config is DEFAULT:
            delays = dict.fromkeys(Channel, 0)
        found = tuple(
            (route, delays[route.channel])
            for route in self.routes
            if route.channel is not None and route.channel in delays
        )
        return OutboxPlan(found) if found else None

    def inbox_rule(self, category: str) -> InboxRule | None:
        """Return the rule that may suppress notifications of a category, by its stored name; None if there is none."""
        return self._rules.get(category, self._default_rule)


def _rule_of(config: DeliveryConfig) -> InboxRule | None:
    if config.disabled:
        return InboxRule(f"delivery_config {config.key}: disabled")
    in_app = config.channel(Channel.IN_APP)
    if in_app is None:
        return None
    if in_app.disabled:
        return InboxRule(f"delivery_config {config.key}: in_app is disabled")
    return InboxRule(f"delivery_config {config.key}: if of in_app", in_app.condition) if in_app.condition else None
