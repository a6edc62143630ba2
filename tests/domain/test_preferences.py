"""Preferences and subscriptions, and whether a notification reaches the inbox."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.preferences import (
    ALL_CATEGORIES,
    V1_CHANNELS,
    Channel,
    Preference,
    Status,
    Subscription,
    label_of,
    merged_categories,
    reaches_inbox,
    slug_of,
    subscriptions_after,
    switches_code,
)

SUBSCRIBED, UNSUBSCRIBED = Status.SUBSCRIBED, Status.UNSUBSCRIBED

preferences = st.builds(Preference, st.frozensets(st.sampled_from(Channel)))
switches = st.dictionaries(st.sampled_from(Channel), st.booleans())
categories = st.sampled_from(["", "a", "b", ALL_CATEGORIES])
subscriptions = st.dictionaries(
    categories, st.builds(Subscription, st.sampled_from(Status), st.sampled_from(["", "r"]))
)
reasons = st.dictionaries(categories, st.sampled_from(["", "s"]), min_size=1)


# ---- preferences


def test_without_a_preference_every_channel_may_be_used() -> None:
    assert all(Preference().allows(channel) for channel in Channel)


@given(preferences, switches)
def test_switching_changes_the_channels_named_and_no_others(before: Preference, changes: dict[Channel, bool]) -> None:
    after = before.switched(changes)
    for channel in Channel:
        assert after.allows(channel) is changes.get(channel, before.allows(channel))


@given(preferences)
def test_a_preference_survives_its_code(preference: Preference) -> None:
    assert Preference.decode(preference.code) == preference


@given(preferences)
def test_the_first_character_of_the_code_is_about_the_inbox(preference: Preference) -> None:
    assert preference.code[0] == ("1" if preference.allows(Channel.IN_APP) else "0")


def test_a_channel_that_was_added_after_the_code_was_written_is_on() -> None:
    assert Preference.decode("10").off == {Channel.MOBILE_PUSH}


def test_the_code_of_switches_is_that_of_the_lua_function() -> None:
    assert switches_code({}) == "-------"
    assert switches_code({Channel.IN_APP: False, Channel.SMS: True}) == "0----1-"


def test_the_channels_are_the_contracts() -> None:
    assert [(channel.value, channel.label) for channel in V1_CHANNELS] == [
        ("in_app", "In app"),
        ("mobile_push", "Mobile push"),
        ("web_push", "Web push"),
        ("email", "Email"),
        ("slack", "Slack"),
        ("sms", "SMS"),
    ]
    assert tuple(Channel) == (*V1_CHANNELS, Channel.TEAMS)


@pytest.mark.parametrize(
    ("slug", "label"),
    [
        ("billing", "Billing"),
        ("new_message", "New message"),
        ("order-shipped", "Order shipped"),
        ("VIP__only", "VIP only"),
        (" two  words ", "Two words"),
        ("ölstand", "Ölstand"),
        ("ß", "SS"),
        ("_", "_"),
        ("uncategorized", "Uncategorized"),
    ],
)
def test_a_label_is_made_from_the_slug(slug: str, label: str) -> None:
    assert label_of(slug) == label


def test_the_category_without_a_name_is_called_uncategorized() -> None:
    assert (slug_of(""), slug_of("a")) == ("uncategorized", "a")


def test_categories_are_those_sent_and_those_with_preferences_in_order() -> None:
    off = Preference(frozenset({Channel.SMS}))
    merged = merged_categories(["c", "a"], {"b": off, "a": off})
    assert list(merged.items()) == [("a", off), ("b", off), ("c", Preference())]


# ---- subscriptions


def test_a_status_survives_its_code() -> None:
    assert [Status.decode(status.code) for status in Status] == list(Status)


@given(subscriptions, st.sampled_from(Status), reasons)
def test_the_latest_word_about_a_category_counts(
    before: dict[str, Subscription], status: Status, said: dict[str, str]
) -> None:
    after = subscriptions_after(before, status, said)
    assert all(after[category].status is status for category in said)
    if ALL_CATEGORIES in said:
        assert {word.status for word in after.values()} == {status}
    else:
        left = before.keys() - said.keys()
        assert {category: after[category] for category in left} == {category: before[category] for category in left}
    assert after.keys() == before.keys() | said.keys()


@given(subscriptions, st.sampled_from(Status), reasons)
def test_a_reason_stays_until_another_is_given(
    before: dict[str, Subscription], status: Status, said: dict[str, str]
) -> None:
    after = subscriptions_after(before, status, said)
    for category, word in after.items():
        earlier = before[category].reason if category in before else ""
        assert word.reason == (said.get(category) or earlier)


@given(subscriptions, st.sampled_from(Status), reasons)
def test_the_same_word_twice_changes_nothing_the_second_time(
    before: dict[str, Subscription], status: Status, said: dict[str, str]
) -> None:
    once = subscriptions_after(before, status, said)
    assert subscriptions_after(once, status, said) == once


# ---- the decision

OFF = Preference(frozenset({Channel.IN_APP}))
OTHERS_OFF = Preference(frozenset(Channel) - {Channel.IN_APP})


@pytest.mark.parametrize(
    ("preference", "statuses", "category", "expected"),
    [
        (Preference(), {}, "a", True),
        (OTHERS_OFF, {}, "a", True),
        (OFF, {}, "a", False),
        (OFF, {"a": SUBSCRIBED}, "a", False),
        (Preference(), {"a": SUBSCRIBED}, "a", True),
        (Preference(), {"a": UNSUBSCRIBED}, "a", False),
        (Preference(), {"a": UNSUBSCRIBED}, "b", True),
        (Preference(), {"*": UNSUBSCRIBED}, "a", False),
        (Preference(), {"*": UNSUBSCRIBED}, "", False),
        (Preference(), {"*": UNSUBSCRIBED, "a": SUBSCRIBED}, "a", True),
        (Preference(), {"*": UNSUBSCRIBED, "a": SUBSCRIBED}, "b", False),
        (Preference(), {"*": SUBSCRIBED, "a": UNSUBSCRIBED}, "a", False),
        (Preference(), {"": UNSUBSCRIBED}, "", False),
        (Preference(), {"": UNSUBSCRIBED}, "a", True),
    ],
)
def test_preferences_and_subscriptions_decide_what_reaches_the_inbox(
    preference: Preference, statuses: dict[str, Status], category: str, expected: bool
) -> None:
    subscribed = {name: Subscription(status) for name, status in statuses.items()}
    assert reaches_inbox(preference, subscribed, category) is expected


@given(preferences, subscriptions, categories)
def test_unsubscribing_from_all_categories_silences_the_topic(
    preference: Preference, before: dict[str, Subscription], category: str
) -> None:
    after = subscriptions_after(before, UNSUBSCRIBED, {ALL_CATEGORIES: ""})
    assert not reaches_inbox(preference, after, category)
