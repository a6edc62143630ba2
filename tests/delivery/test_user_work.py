"""The work on one user: what is sent, and what is recorded."""

import gc
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from gateway.auth.unsubscribe_links import UnsubscribeLinks, Unsubscription
from gateway.channels import apns_push, smtp
from gateway.channels.outcome import Dead, Delivered, Handed, Outcome, Refused, Retry, Unknown
from gateway.channels.provider import Provider
from gateway.delivery.decide import LATEST_SECONDS
from gateway.delivery.user_work import LOST, UserWork
from gateway.domain.delivery import (
    DeliveryState,
    EntryRecord,
    EntryResult,
    Route,
    SkipReason,
    TokenState,
    address_key,
)
from gateway.domain.delivery_condition import parse_delivery_condition
from gateway.domain.delivery_config import ChannelConfig, DeliveryConfig, DeliveryConfigs
from gateway.domain.notification import State
from gateway.domain.preferences import Channel
from gateway.sending.command import Overrides
from tests.delivery.entries import NOTIFICATION, NOW, SMS, context, entry, taken, token


def work_on(found: Any, lane: Any = None, overrides: Any = None) -> UserWork:
    """Begin the work on what was taken."""
    known = msgspec.convert(overrides, Overrides) if overrides else None
    ids = {each.id.notification_id: known for each in found.entries}
    return UserWork(found, lane or context(), ids, NOW)


def finish(work: UserWork, *outcomes: Outcome | None) -> EntryResult:
    """Set the outcomes of the attempts, and return the result of the only entry."""
    for attempt, outcome in zip(work.attempts, outcomes, strict=True):
        attempt.outcome = outcome
    (result,) = work.results(NOW).results
    return result


def test_a_message_has_the_content_the_counts_and_the_same_id_at_every_attempt() -> None:
    first = work_on(taken(entry())).attempts[0].message
    assert (first.title, first.content, first.custom_attributes) == ("Shipped", "<b>Today</b>", {"total": 3})
    assert (first.unread, first.unseen, first.attempt, first.channel) == (5, 4, 1, Channel.MOBILE_PUSH)
    assert (first.destination, first.config, first.brand.name) == ({"device_token": "device-1"}, {"key": "k"}, "Shop")
    record = finish(work_on(taken(entry())), Retry("503")).record
    (again,) = work_on(taken(entry(record=_due(record)))).attempts
    assert (again.message.id, again.message.attempt) == (first.id, 2)


def _due(record: EntryRecord) -> EntryRecord:
    """Return a record whose waits are over."""
    tokens = tuple(msgspec.structs.replace(each, next_ms=int(NOW * 1000)) for each in record.tokens)
    return msgspec.structs.replace(record, tokens=tokens)


def test_a_content_is_released_without_the_garbage_collector(without_collector: None) -> None:
    content = b'{"id":"%b","title":"t"}' % (b"0" * 36)
    before = sys.getrefcount(content)
    work = work_on(taken(entry(content=content)))
    assert sys.getrefcount(content) > before
    work.release()
    del work
    assert sys.getrefcount(content) == before


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def test_the_overrides_of_the_channel_and_of_the_provider_are_applied() -> None:
    overrides = {
        "channels": {"mobile_push": {"title": "Short"}, "email": {"title": "Other"}},
        "providers": {"ios": {"sound": "a", "badge": 1}, "apns": {"sound": "b"}, "fcm": {"x": 1}},
    }
    (attempt,) = work_on(taken(entry()), overrides=overrides).attempts
    assert (attempt.message.title, attempt.message.content) == ("Short", "<b>Today</b>")
    assert attempt.message.extra == {"sound": "b", "badge": 1}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"item": State(read_at=5, seen_at=5)}, SkipReason.READ),
        ({"item": State(archived_at=5)}, SkipReason.ARCHIVED),
        ({"item": None, "content": b""}, SkipReason.DELETED),
        ({"is_wanted": False}, SkipReason.PREFERENCE),
        ({"due_ms": int((NOW - LATEST_SECONDS) * 1000)}, SkipReason.EXPIRED),
        ({"content": b"{"}, SkipReason.DELETED),
    ],
)
def test_what_is_no_longer_wanted_is_skipped(changes: dict[str, Any], reason: SkipReason) -> None:
    work = work_on(taken(entry(**changes)))
    assert not work.attempts
    result = finish(work)
    assert (result.record.state, result.record.reason, result.next_ms) == (DeliveryState.SKIPPED, reason.value, None)


def configs(**channel: Any) -> DeliveryConfigs:
    return DeliveryConfigs([DeliveryConfig("default", (ChannelConfig(Channel.MOBILE_PUSH, **channel),))])


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (configs(), None),
        (configs(disabled=True), SkipReason.DISABLED),
        (DeliveryConfigs([DeliveryConfig("default", (), disabled=True)]), SkipReason.DISABLED),
        (DeliveryConfigs([DeliveryConfig("default", (ChannelConfig(Channel.EMAIL),))]), SkipReason.DISABLED),
        (configs(condition=parse_delivery_condition("{{ notification.seen }}")), SkipReason.CONDITION),
        (configs(condition=parse_delivery_condition("{{ notification.custom_attributes.total == 3 }}")), None),
    ],
)
def test_the_delivery_config_is_applied_when_the_message_is_sent(
    known: DeliveryConfigs, reason: SkipReason | None
) -> None:
    work = work_on(taken(entry()), context(configs=known))
    assert work.entries[0].skipped is reason


def test_a_project_without_a_provider_skips_and_so_does_a_user_without_a_destination() -> None:
    assert work_on(taken(entry()), context(None)).entries[0].skipped is SkipReason.NO_INTEGRATION
    assert work_on(taken(entry(), tokens=())).entries[0].skipped is SkipReason.NO_TOKEN
    sms = taken(entry(Route.SMS), recipient={})
    assert work_on(sms, context(SMS, Route.SMS)).entries[0].skipped is SkipReason.NO_ADDRESS


def test_one_dead_token_repeats_nothing_to_the_others() -> None:
    work = work_on(taken(entry(), tokens=[token(1), token(2), token(3)]))
    result = finish(work, Delivered("1"), Dead("Unregistered"), Retry("503"))
    assert work.results(NOW).dead == [token(2).key]
    assert (result.record.state, result.next_ms is None) == (DeliveryState.RETRY, False)
    again = work_on(taken(entry(record=_due(result.record)), tokens=[token(1), token(3)]))
    assert [attempt.key for attempt in again.attempts] == [token(3).key]
    last = finish(again, Delivered("3"))
    assert (last.record.state, last.next_ms) == (DeliveryState.DELIVERED, None)
    assert sorted(each.state.name for each in last.record.tokens) == ["DEAD", "DELIVERED", "DELIVERED"]


def test_a_token_that_waits_for_its_next_attempt_is_left_alone() -> None:
    record = EntryRecord(
        DeliveryState.RETRY,
        tokens=(
            TokenState(token(1).key, DeliveryState.RETRY, 1, next_ms=int(NOW * 1000) + 60_000),
            TokenState(token(2).key, DeliveryState.RETRY, 1, next_ms=int(NOW * 1000)),
        ),
    )
    work = work_on(taken(entry(record=record), tokens=[token(1), token(2)]))
    assert [attempt.key for attempt in work.attempts] == [token(2).key]
    result = finish(work, Delivered())
    assert result.next_ms == int(NOW * 1000) + 60_000


def test_a_dead_address_is_suppressed_and_not_tried_again() -> None:
    sms = context(SMS, Route.SMS)
    work = work_on(taken(entry(Route.SMS)), sms)
    result = finish(work, Dead("21610"))
    key = address_key("+15005550006")
    assert (work.results(NOW).suppressed, result.record.state) == ({key: "21610"}, DeliveryState.DEAD)
    later = work_on(taken(entry(Route.SMS), suppressed={key: "21610"}), sms)
    assert not later.attempts
    assert finish(later).record.tokens[0].reason == "suppressed"


@pytest.mark.parametrize("record", [None, EntryRecord(tokens=(TokenState(token(1).key, DeliveryState.RETRY, 1),))])
def test_after_a_crash_a_push_is_sent_again_with_the_same_id(record: EntryRecord | None) -> None:
    (attempt,) = work_on(taken(entry(record=record, was_lost=True))).attempts
    assert attempt.message.id == work_on(taken(entry())).attempts[0].message.id
    assert attempt.before.attempts == (1 if record is None else 2)
    assert attempt.before.may_have_sent


def test_after_a_crash_a_text_message_is_not_sent_again() -> None:
    work = work_on(taken(entry(Route.SMS, was_lost=True)), context(SMS, Route.SMS))
    assert not work.attempts
    result = finish(work)
    assert (result.record.state, result.record.reason, result.next_ms) == (DeliveryState.UNKNOWN, LOST, None)


def test_an_attempt_that_was_not_made_is_due_at_once_and_spends_nothing() -> None:
    result = finish(work_on(taken(entry(Route.SMS)), context(SMS, Route.SMS)), None)
    assert (result.record.state, result.next_ms) == (DeliveryState.RETRY, int(NOW * 1000))
    assert result.record.tokens[0].attempts == 0


def handed() -> EntryRecord:
    record = finish(work_on(taken(entry())), Handed("receipt-1", 900)).record
    assert record.state is DeliveryState.HANDED
    return _due(record)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Delivered(), DeliveryState.DELIVERED),
        (Dead("DeviceNotRegistered"), DeliveryState.DEAD),
        (Refused("MessageTooBig"), DeliveryState.REFUSED),
        (Unknown("no receipt"), DeliveryState.UNKNOWN),
        (Handed("receipt-1", 900), DeliveryState.HANDED),
        (Retry("MessageRateExceeded", 5), DeliveryState.RETRY),
        (None, DeliveryState.HANDED),
    ],
)
def test_the_result_of_a_message_that_was_handed_over_is_asked_for(
    outcome: Outcome | None, state: DeliveryState
) -> None:
    work = work_on(taken(entry(record=handed(), was_lost=True)))
    assert [attempt.receipt for attempt in work.attempts] == ["receipt-1"]
    result = finish(work, outcome)
    assert (result.record.state, result.next_ms is None) == (state, state.is_final)
    assert result.record.tokens[0].provider_id == ("" if state is DeliveryState.RETRY else "receipt-1") or state in (
        DeliveryState.DEAD,
        DeliveryState.REFUSED,
    )


def test_a_result_that_the_provider_never_tells_is_unknown_in_the_end() -> None:
    found = entry(record=handed())
    late = NOW + LATEST_SECONDS - 100
    for outcome in (Handed("receipt-1", 900), None):
        work = UserWork(taken(found), context(), {}, late)
        work.attempts[0].outcome = outcome
        (result,) = work.results(late).results
        assert (result.record.state, result.next_ms) == (DeliveryState.UNKNOWN, None)


def test_what_was_sent_already_stays_delivered_when_the_rest_is_skipped() -> None:
    states = (
        TokenState(token(1).key, DeliveryState.DELIVERED, 1),
        TokenState(token(2).key, DeliveryState.RETRY, 1, next_ms=int(NOW * 1000) + 60_000),
    )
    record = EntryRecord(DeliveryState.RETRY, tokens=states)
    found = entry(record=record, item=State(read_at=5, seen_at=5))
    work = work_on(taken(found, tokens=[token(1), token(2), token(3)]))
    assert not work.attempts
    result = finish(work)
    assert (result.record.state, result.next_ms) == (DeliveryState.DELIVERED, None)
    assert [(each.state.name, each.reason) for each in result.record.tokens] == [
        ("DELIVERED", ""),
        ("SKIPPED", "read"),
        ("SKIPPED", "read"),
    ]


def test_the_result_of_a_message_is_asked_for_although_the_notification_was_read() -> None:
    found = entry(record=handed(), item=State(read_at=5, seen_at=5))
    work = work_on(taken(found))
    assert finish(work, Delivered()).record.state is DeliveryState.DELIVERED


def test_a_message_that_was_handed_to_a_provider_that_is_gone_ends_as_unknown() -> None:
    for lane, tokens in ((context(None), [token(1)]), (context(), [])):
        result = finish(work_on(taken(entry(record=handed()), tokens=tokens), lane))
        assert (result.record.state, result.next_ms) == (DeliveryState.UNKNOWN, None)


def test_a_text_message_that_may_have_been_sent_is_not_called_skipped() -> None:
    found = entry(Route.SMS, was_lost=True, item=State(read_at=5, seen_at=5))
    assert finish(work_on(taken(found), context(SMS, Route.SMS))).record.state is DeliveryState.UNKNOWN


def test_the_message_to_a_token_that_is_gone_ends() -> None:
    record = EntryRecord(tokens=(TokenState(token(1).key, DeliveryState.RETRY, 1),))
    work = work_on(taken(entry(record=record), tokens=[]))
    result = finish(work)
    assert (result.record.state, result.record.tokens[0].reason) == (DeliveryState.SKIPPED, "no_token")


def test_no_repr_shows_a_text_a_token_or_an_address() -> None:
    found = taken(entry())
    message = work_on(found).attempts[0].message
    assert not {"Shipped", "Today", "device-1", "ada@example.com"} & set(repr(message).replace("'", " ").split())
    assert "ada@example.com" not in repr(found)
    assert str(NOTIFICATION) in repr(message)


def test_an_email_can_be_unsubscribed_from_unless_the_category_is_required() -> None:  # complaint 13
    links = UnsubscribeLinks("key", "https://inbox.example.com")
    required = DeliveryConfigs([DeliveryConfig("resets", (ChannelConfig(Channel.EMAIL),), required=True)])

    def url(category: str, route: Route, provider: Provider) -> str:
        found = taken(entry(route, category=category), recipient={"email": "ada@example.com"})
        lane = context(provider, route, unsubscribe=links, configs=required)
        return work_on(found, lane).attempts[0].message.unsubscribe_url

    token = url("orders", Route.EMAIL, smtp.PROVIDER).rpartition("/")[2]
    assert links.read(token) == Unsubscription(taken().lane.project_id, taken().user_id, "orders")
    assert url("resets", Route.EMAIL, smtp.PROVIDER) == ""
    assert url("orders", Route.APNS, apns_push.PROVIDER) == ""
