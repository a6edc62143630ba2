"""Delivery configs: which one applies, the order of its channels, and what it keeps out of inboxes."""

import pytest

from gateway.domain.delivery import OutboxPlan, Route
from gateway.domain.delivery_condition import parse_delivery_condition
from gateway.domain.delivery_config import DEFAULT, MAX_PLANS, ChannelConfig, DeliveryConfig, DeliveryConfigs
from gateway.domain.preferences import Channel

IN_APP, EMAIL, SLACK, TEAMS = Channel.IN_APP, Channel.EMAIL, Channel.SLACK, Channel.TEAMS
QUIET = DeliveryConfig("quiet", disabled=True)
OFF = DeliveryConfig("off", (ChannelConfig(EMAIL), ChannelConfig(IN_APP, disabled=True)))
MAIL = DeliveryConfig("mail", (ChannelConfig(EMAIL),))


def when(text: str, key: str = "when") -> DeliveryConfig:
    return DeliveryConfig(key, (ChannelConfig(IN_APP, condition=parse_delivery_condition(text)),))


def rule(configs: DeliveryConfigs, category: str, **attributes: object) -> str | None:
    """Return the name of the rule that suppresses a notification, None if none does."""
    found = configs.inbox_rule(category)
    return found.name if found and found.suppresses(category, "t", attributes or None) else None


def test_a_project_without_configs_has_the_default_and_no_rule() -> None:
    configs = DeliveryConfigs()
    assert configs.default == configs.find("default") == configs.of_category("x") == configs.of_category("") == DEFAULT
    assert configs.find("x") is None
    assert rule(configs, "x") is None


def test_the_config_of_a_category_replaces_the_default() -> None:
    configs = DeliveryConfigs([DeliveryConfig("default", disabled=True), MAIL, QUIET])
    assert configs.of_category("mail") == configs.find("mail") == MAIL
    assert rule(configs, "mail") is None
    assert rule(configs, "other") == rule(configs, "") == "delivery_config default: disabled"
    assert rule(configs, "quiet") == "delivery_config quiet: disabled"


def test_the_category_of_notifications_without_one_is_called_uncategorized() -> None:
    configs = DeliveryConfigs([DeliveryConfig("uncategorized", disabled=True)])
    assert configs.of_category("").disabled
    assert rule(configs, "")
    assert rule(configs, "x") is None


def test_a_disabled_inbox_suppresses_and_one_that_is_not_listed_does_not() -> None:
    configs = DeliveryConfigs([OFF, MAIL])
    assert rule(configs, "off") == "delivery_config off: in_app is disabled"
    assert rule(configs, "mail") is None


@pytest.mark.parametrize(
    ("text", "suppressed"),
    [
        ("{{ notification.unseen and notification.unread and not notification.archived }}", False),
        ("{{ notification.seen or notification.read or notification.archived }}", True),
        ("{{ notification.category == 'when' and notification.topic == 't' }}", False),
        ("{{ notification.custom_attributes.plan == 'pro' }}", False),
        ("{{ notification.custom_attributes.plan == 'free' }}", True),
    ],
)
def test_an_if_of_the_inbox_is_applied_to_a_new_notification(text: str, suppressed: bool) -> None:
    found = rule(DeliveryConfigs([when(text)]), "when", plan="pro")
    assert found == ("delivery_config when: if of in_app" if suppressed else None)


@pytest.mark.parametrize(
    ("priorities", "order"),
    [
        ((None, None, None), [0, 1, 2]),
        ((2, 1, 0), [2, 1, 0]),
        ((1, 1, 0), [2, 0, 1]),
        ((5, None, 3), [2, 0, 1]),
        ((None, 0, None), [0, 1, 2]),
    ],
)
def test_steps_are_ordered_by_priority_then_as_listed(priorities: tuple[int | None, ...], order: list[int]) -> None:
    channels = tuple(
        ChannelConfig(channel, priority=priority)
        for channel, priority in zip((EMAIL, SLACK, TEAMS), priorities, strict=True)
    )
    assert DeliveryConfig("a", channels).steps == tuple(channels[index] for index in order)


def test_disabled_channels_and_configs_have_no_steps() -> None:
    assert [step.channel for step in OFF.steps] == [EMAIL]
    assert DeliveryConfig("a", (ChannelConfig(EMAIL),), disabled=True).steps == ()


def plans(*configs: DeliveryConfig) -> DeliveryConfigs:
    return DeliveryConfigs(configs, (Route.APNS, Route.EMAIL, Route.WEBHOOKS))


def test_a_project_that_uses_no_other_channel_writes_nothing_for_one() -> None:
    assert DeliveryConfigs((MAIL,)).outbox_plan("mail") is None


def test_without_a_config_every_route_is_used_at_once() -> None:
    assert plans().outbox_plan("x") == OutboxPlan(((Route.APNS, 0), (Route.EMAIL, 0)))


def test_a_config_names_the_routes_and_their_delays() -> None:
    late = DeliveryConfig("late", (ChannelConfig(EMAIL, delay_seconds=300), ChannelConfig(SLACK)))
    configs = plans(late, QUIET)
    assert configs.all() == (late, QUIET)
    assert configs.outbox_plan("late") == OutboxPlan(((Route.EMAIL, 300_000),))
    assert configs.outbox_plan("quiet") is configs.outbox_plan("quiet") is None


def test_plans_of_very_many_categories_are_not_all_kept() -> None:
    configs = plans(MAIL)
    assert {configs.outbox_plan(f"c{number}") for number in range(MAX_PLANS + 1)} == {plans().outbox_plan("x")}
    assert configs.outbox_plan("mail") == OutboxPlan(((Route.EMAIL, 0),))
