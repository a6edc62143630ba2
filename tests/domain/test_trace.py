"""The sentences of traces, by what is known."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.delivery import (
    DeliveryState,
    EntryRecord,
    Known,
    Lane,
    LaneStatus,
    LeftOut,
    NotificationDeliveries,
    Route,
    SkipReason,
    TokenState,
)
from gateway.domain.delivery_condition import parse_delivery_condition
from gateway.domain.delivery_config import ChannelConfig, DeliveryConfig
from gateway.domain.ids import ProjectId
from gateway.domain.notification import State
from gateway.domain.preferences import Channel, Preference, Status
from gateway.domain.trace import trace_of
from gateway.domain.trace_facts import BroadcastFacts, Occurrence, TraceFacts
from gateway.domain.trace_sentences import clock, duration, why_skipped

SENT = 1_796_032_920_000
"""2026-11-30 10:02 UTC."""

MINUTE = 60_000
NOW = SENT + 10 * MINUTE

STATE = DeliveryState


def at(minutes: float) -> int:
    """Return the unix second so many minutes after the sending."""
    return int(SENT + minutes * MINUTE) // 1000


def facts(**others: Any) -> TraceFacts:
    return TraceFacts(**{"now_ms": NOW, "who": "Ada", "sent_ms": SENT, **others})


def deliveries(*entries: Known, left_out: Sequence[LeftOut] = (), in_inbox: bool = True) -> NotificationDeliveries:
    return NotificationDeliveries(entries, left_out, in_inbox)


def known(route: Route, state: DeliveryState, reason: str = "", due: float | None = None, **others: Any) -> Known:
    """Return an entry whose times are in minutes after the sending."""
    ended = SENT + 3 * MINUTE if state.is_final else 0
    record = EntryRecord(state, reason, SENT, ended, **others)
    return Known(route, None if due is None else int(SENT + due * MINUTE), record)


def lane(route: Route, **others: Any) -> dict[Route, LaneStatus]:
    return {route: LaneStatus(**{"lane": Lane(ProjectId("1"), route), "waiting": 1, "first_due_ms": SENT, **others})}


DELAYED = DeliveryConfig("orders", (ChannelConfig(Channel.IN_APP), ChannelConfig(Channel.EMAIL, 300)))
UNSEEN = State()
READ = State(seen_at=at(1), read_at=at(1))
HAS_IT = "Ada has it in the inbox since 2026-11-30 10:02 UTC and has not seen it"


def test_the_verdict_answers_the_question_of_a_support_person() -> None:
    skipped = known(Route.EMAIL, STATE.SKIPPED, "read")
    trace = trace_of(facts(item=READ, config=DELAYED, category="orders", deliveries=deliveries(skipped)))
    assert trace.verdict == (
        "Ada has it in the inbox since 2026-11-30 10:02 UTC and read it at 10:03; no mail was sent because it was read "
        "before the delay of 5 minutes ended."
    )
    assert [(step.type, step.at_ms) for step in trace.steps] == [
        ("accepted", SENT),
        ("config", None),
        ("stored", SENT),
        ("seen", SENT + MINUTE),
        ("read", SENT + MINUTE),
        ("delivery", SENT + 3 * MINUTE),
    ]


INBOX: list[tuple[dict[str, Any], str]] = [
    ({"item": UNSEEN}, HAS_IT),
    ({"item": UNSEEN, "sent_ms": None}, "Ada has it in the inbox and has not seen it"),
    (
        {"item": State(seen_at=at(24 * 60), archived_at=at(24 * 60 + 1))},
        (
            "Ada has it in the inbox since 2026-11-30 10:02 UTC and saw it at 2026-12-01 10:02 UTC without reading it "
            "and archived it at 2026-12-01 10:03 UTC"
        ),
    ),
    ({"user_deleted_ms": NOW}, "The user was deleted at 2026-11-30 10:12 UTC, with the inbox"),
    (
        {"deleted_ms": NOW},
        "Ada got it in the inbox at 2026-11-30 10:02 UTC and deleted it at 10:12",
    ),
    ({"deleted_ms": NOW, "sent_ms": None}, "Ada deleted it at 2026-11-30 10:12 UTC"),
    (
        {"stored": True, "occurrences": [Occurrence(SENT, "notification.stored")]},
        (
            "Ada got it in the inbox at 2026-11-30 10:02 UTC, and it is not there any more: it was deleted, or too old "
            "to be kept"
        ),
    ),
    (
        {"stored": True, "sent_ms": None},
        "Ada got it in the inbox, and it is not there any more: it was deleted, or too old to be kept",
    ),
    ({"others": 1}, "It was sent to 1 other user and not to Ada: the request did not name Ada as a recipient"),
    ({"others": 2}, "It was sent to 2 other users and not to Ada: the request did not name Ada as a recipient"),
    ({"recipients": 20}, "It was sent to 20 recipients, and nothing says that Ada was one of them"),
    ({}, "Nothing is known of it for Ada: it was not sent to Ada, or too long ago"),
]

SUPPRESSED: list[tuple[str, dict[str, Any], str]] = [
    ("delivery_config orders: disabled", {}, "the delivery config 'orders' is disabled"),
    ("delivery_config a: b: in_app is disabled", {}, "the delivery config 'a: b' switches the inbox off"),
    (
        "delivery_config default: if of in_app",
        {},
        "the `if` of the inbox in the delivery config 'default' did not hold",
    ),
    ("something new", {}, "of the rule 'something new'"),
    ("preference", {}, "a preference or a subscription of Ada excluded it, which was changed since"),
    ("preference", {"is_content_known": False}, "a preference or a subscription of Ada excludes it"),
    (
        "preference",
        {"preference": Preference(frozenset({Channel.IN_APP})), "category": "orders"},
        "Ada has switched the inbox off for the category 'orders'",
    ),
    (
        "preference",
        {"preference": Preference(frozenset({Channel.IN_APP}))},
        "Ada has switched the inbox off for notifications without a category",
    ),
    (
        "preference",
        {"subscription": Status.UNSUBSCRIBED, "topic": "acme"},
        "Ada is not subscribed to the topic 'acme'",
    ),
]

BROADCAST = BroadcastFacts(SENT, "processed", 7)

BROADCASTS: list[tuple[BroadcastFacts, dict[str, Any], str]] = [
    (
        BROADCAST,
        {"user_created_ms": NOW},
        "Ada was created at 2026-11-30 10:12 UTC, after the broadcast had begun",
    ),
    (
        BROADCAST._replace(status="processing"),
        {"user_created_ms": SENT - 1},
        "The broadcast has not come to Ada yet: it is processing, and has come to 7 users",
    ),
    (
        BROADCAST._replace(status="cancelled", reached=False),
        {"user_created_ms": SENT - 1},
        "The broadcast was cancelled before it came to Ada, after 7 users",
    ),
    (
        BROADCAST._replace(reached=True),
        {},
        "The broadcast reached Ada, and it is not in the inbox any more: it was deleted, or too old to be kept",
    ),
    (
        BROADCAST._replace(names_user=True),
        {},
        (
            "The broadcast did not send it to Ada: it names Ada, but a rule kept it out, or what is stored of the user "
            "could not be read"
        ),
    ),
    (
        BROADCAST._replace(matches=True),
        {},
        (
            "The broadcast did not send it to Ada: a preference or a rule kept it out, or Ada did not match when it "
            "was sent"
        ),
    ),
    (
        BROADCAST._replace(subscribers=True),
        {"topic": "acme"},
        "The broadcast did not send it to Ada: Ada was not subscribed to the topic 'acme'",
    ),
    (
        BROADCAST,
        {},
        "The broadcast did not send it to Ada: Ada matches none of its conditions and is not named",
    ),
]


@pytest.mark.parametrize(("known_facts", "verdict"), INBOX)
def test_the_inbox_is_explained(known_facts: dict[str, Any], verdict: str) -> None:
    assert trace_of(facts(**known_facts)).verdict == f"{verdict}."


@pytest.mark.parametrize(("rule", "others", "reason"), SUPPRESSED)
def test_a_rule_that_kept_it_out_is_named(rule: str, others: dict[str, Any], reason: str) -> None:
    events = [Occurrence(SENT, "notification.suppressed", rule)]
    assert trace_of(facts(occurrences=events, **others)).verdict == f"It is not in the inbox because {reason}."


def test_a_preference_that_kept_it_out_has_the_time_of_its_last_change() -> None:
    off = facts(
        occurrences=[Occurrence(SENT, "notification.suppressed", "preference", category="billing")],
        category="billing",
        preference=Preference(frozenset({Channel.IN_APP})),
        preferences_changed_ms=SENT - 60_000,
    )
    assert trace_of(off).verdict == (
        "It is not in the inbox because Ada has switched the inbox off for the category 'billing' "
        f"(the preferences were last changed at {clock(SENT - 60_000)})."
    )


@pytest.mark.parametrize(("broadcast", "others", "verdict"), BROADCASTS)
def test_a_broadcast_that_did_not_reach_a_user_is_explained(
    broadcast: BroadcastFacts, others: dict[str, Any], verdict: str
) -> None:
    assert trace_of(facts(broadcast=broadcast, **others)).verdict == f"{verdict}."


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ({"preference": Preference(frozenset({Channel.IN_APP}))}, "Ada has switched the inbox off for "),
        ({"config": DeliveryConfig("x", (), disabled=True)}, "the delivery config 'x' switches it off"),
        (
            {"config": DeliveryConfig("x", (ChannelConfig(Channel.IN_APP, disabled=True),))},
            "the delivery config 'x' switches it off",
        ),
        ({}, "a rule kept it out when it was sent"),
    ],
)
def test_what_is_sent_on_other_channels_only_is_in_no_inbox(others: dict[str, Any], reason: str) -> None:
    mail = known(Route.EMAIL, STATE.DELIVERED, provider="smtp", tokens=(TokenState(b"a", STATE.DELIVERED),))
    verdict = trace_of(facts(deliveries=deliveries(mail, in_inbox=False), **others)).verdict
    assert verdict.startswith(f"It is in no inbox because {reason}")
    assert verdict.endswith("; a mail was accepted by the SMTP server at 10:05.")


TWO = (TokenState(b"a", STATE.DELIVERED, 1), TokenState(b"b", STATE.DEAD, 1, "410"))
TRIED = (TokenState(b"a", STATE.RETRY, 3, "503", next_ms=NOW),)
ONCE = (TokenState(b"a", STATE.FAILED, 1, "503"),)

ENTRIES: list[tuple[Known, dict[str, Any], str]] = [
    (
        known(Route.FCM, STATE.DELIVERED, provider="fcm", tokens=TWO),
        {},
        "a push message by FCM was accepted by FCM at 10:05, for 1 of 2 devices",
    ),
    (
        known(Route.SMS, STATE.DELIVERED, provider="twilio", tokens=TWO[:1]),
        {},
        "an SMS was accepted by Twilio at 10:05",
    ),
    (
        known(Route.EXPO, STATE.HANDED, provider="expo", due=15),
        {},
        "a push message by Expo was handed to Expo, which has not told the result yet",
    ),
    (known(Route.EMAIL, STATE.REFUSED, "554", provider="ses"), {}, "Amazon SES refused the mail (554)"),
    (
        known(Route.APNS, STATE.DEAD, "Unregistered", provider="apns"),
        {},
        "no push message by APNs was delivered because APNs knows no such device any more (Unregistered)",
    ),
    (
        known(Route.SLACK, STATE.FAILED, "503", provider="slack", tokens=ONCE),
        {},
        "the Slack message failed for good after 1 attempt (503)",
    ),
    (
        known(Route.SLACK, STATE.FAILED, provider="own", tokens=TRIED),
        {},
        "the Slack message failed for good after 3 attempts",
    ),
    (
        known(Route.TEAMS, STATE.UNKNOWN, "time-out", provider="teams"),
        {},
        "it is not known whether the Teams message arrived: Teams took the request and did not answer (time-out)",
    ),
    (known(Route.WEBHOOKS, STATE.SENDING), {}, "a webhook is being sent"),
    (Known(Route.SMS, NOW, None, is_held=True), {}, "an SMS is being sent"),
    (Known(Route.EMAIL, SENT + 15 * MINUTE, None), {}, "a mail has not been sent and is due at 10:17, in 5 minutes"),
    (
        Known(Route.EMAIL, SENT + 5 * MINUTE, None),
        {},
        "a mail has not been sent and waits for a delivery worker since 10:07",
    ),
    (
        known(Route.EMAIL, STATE.RETRY, "451", due=11, tokens=TRIED),
        {},
        "a mail has failed 3 times (451) and is tried again at 10:13, in 1 minute",
    ),
    (
        known(Route.EMAIL, STATE.RETRY, due=11, tokens=(TokenState(b"a", STATE.RETRY, 1),)),
        {"lanes": lane(Route.EMAIL, parked="535", parked_ms=SENT)},
        (
            "a mail has failed once and waits because all mails of the project are stopped (535): correct the "
            "configuration of the provider, which resumes them"
        ),
    ),
    (
        known(Route.EMAIL, STATE.RETRY, "535", due=11, tokens=(TokenState(b"a", STATE.RETRY, 0),)),
        {"lanes": lane(Route.EMAIL, parked="535", parked_ms=SENT)},
        (
            "a mail has not been sent and waits because all mails of the project are stopped (535): correct the "
            "configuration of the provider, which resumes them"
        ),
    ),
    (
        Known(Route.APNS, SENT, None),
        {"lanes": lane(Route.APNS, is_open=True, failures=5)},
        (
            "a push message by APNs has not been sent and waits because the provider of push messages by APNs has "
            "failed 5 times in a row, and is tried again from time to time"
        ),
    ),
    (
        Known(Route.SMS, SENT, None),
        {"lanes": lane(Route.SMS, not_before_ms=NOW + MINUTE)},
        "an SMS has not been sent and waits because the provider of SMS takes nothing before 10:13",
    ),
    (
        Known(Route.SMS, SENT, None),
        {"lanes": lane(Route.SMS)},
        "an SMS has not been sent and waits for a delivery worker since 10:02",
    ),
    (
        Known(Route.SMS, NOW + MINUTE, None),
        {"lanes": lane(Route.SMS, is_open=True)},
        "an SMS has not been sent and is due at 10:13, in 1 minute",
    ),
]


@pytest.mark.parametrize(("entry", "others", "text"), ENTRIES)
def test_each_state_of_a_delivery_has_a_sentence(entry: Known, others: dict[str, Any], text: str) -> None:
    trace = trace_of(facts(item=UNSEEN, deliveries=deliveries(entry), **others))
    assert trace.verdict == f"{HAS_IT}; {text}."
    assert any(step.type == "delivery" and step.text == f"{text[0].upper()}{text[1:]}." for step in trace.steps)
    assert any(step.type == "parked" for step in trace.steps) == ("are stopped" in text)


CONDITION = "{{ notification.unread }}"

REASONS: list[tuple[Route, str, str]] = [
    (Route.EMAIL, "archived", "it was archived before the delay of 5 minutes ended"),
    (Route.SMS, "deleted", "it was deleted first"),
    (Route.EMAIL, "preference", "Ada has switched this channel off for the category 'orders'"),
    (Route.EMAIL, "unsubscribed", "Ada is not subscribed to its topic"),
    (Route.EMAIL, "condition", f"the `if` of the delivery config 'orders' did not hold ({CONDITION})"),
    (Route.WEBHOOKS, "condition", "the `if` of the delivery config 'orders' did not hold"),
    (Route.EMAIL, "disabled", "the delivery config 'orders' does not use this channel"),
    (Route.APNS, "no_token", "Ada has registered no device for it"),
    (Route.EMAIL, "no_address", "Ada has no email address"),
    (Route.SMS, "no_address", "Ada has no phone number"),
    (Route.EMAIL, "suppressed", "the address has failed for good before"),
    (Route.EMAIL, "expired", "it was too late to be of use"),
    (Route.EMAIL, "no_integration", "the project has configured no provider for it"),
    (Route.EMAIL, "canceled", "it was canceled"),
    (Route.EMAIL, "new one", "of the reason 'new one'"),
]


@pytest.mark.parametrize(("route", "reason", "text"), REASONS)
def test_each_reason_to_skip_a_delivery_has_a_sentence(route: Route, reason: str, text: str) -> None:
    given = facts(config=DELAYED, category="orders", conditions={Channel.EMAIL: CONDITION})
    delay = 300 if route is Route.EMAIL else 0
    assert why_skipped(given, route, reason, delay) == text


def test_every_reason_is_in_the_table() -> None:
    assert {reason.value for reason in SkipReason} <= {reason for _, reason, _ in REASONS} | {"read"}


def test_channels_that_were_left_out_for_one_reason_are_named_together() -> None:
    left_out = [LeftOut(route, SkipReason.NO_TOKEN) for route in (Route.APNS, Route.FCM, Route.EXPO, Route.WEB_PUSH)]
    left_out += [LeftOut(Route.SMS, SkipReason.NO_ADDRESS), LeftOut(Route.WEBHOOKS, SkipReason.CANCELED)]
    trace = trace_of(facts(item=UNSEEN, deliveries=deliveries(left_out=left_out)))
    assert trace.verdict == (
        f"{HAS_IT}; no push message was sent because Ada has registered no device for it; no web push message was sent "
        "because Ada has registered no browser for it; no SMS was sent because Ada has no phone number; no webhook was "
        "sent because it was canceled."
    )
    assert [step.code for step in trace.steps if step.type == "left_out"] == ["no_token"] * 4 + [
        "no_address",
        "canceled",
    ]
    same = [LeftOut(route, SkipReason.CANCELED) for route in (Route.SMS, Route.EMAIL, Route.TEAMS)]
    verdict = trace_of(facts(item=UNSEEN, deliveries=deliveries(left_out=same))).verdict
    assert verdict.endswith("; no SMS, mail or Teams message was sent because it was canceled.")


def test_a_route_of_a_channel_that_was_used_is_no_part_of_the_verdict() -> None:
    entry = known(Route.FCM, STATE.DELIVERED, provider="fcm", tokens=TWO[:1])
    given = deliveries(entry, left_out=[LeftOut(Route.APNS, SkipReason.NO_TOKEN)])
    assert trace_of(facts(item=UNSEEN, deliveries=given)).verdict.endswith("was accepted by FCM at 10:05.")


ENDED: list[tuple[Occurrence, str]] = [
    (
        Occurrence(NOW, "delivery.ended", channel="email", provider="smtp", state="delivered"),
        "a mail was accepted by the SMTP server at 10:12",
    ),
    (
        Occurrence(NOW, "delivery.ended", channel="mobile_push", state="skipped", reason="read"),
        "no push message was sent because it was read first",
    ),
    (Occurrence(NOW, "delivery.ended", channel="webhook", state="skipped"), "no webhook was sent"),
    (
        Occurrence(NOW, "delivery.ended", channel="sms", state="failed", reason="21610"),
        "an SMS ended as failed at 10:12 (21610)",
    ),
    (Occurrence(NOW, "delivery.ended", channel="webhook", state="unknown"), "a webhook ended as unknown at 10:12"),
]


@pytest.mark.parametrize(("event", "text"), ENDED)
def test_events_tell_of_deliveries_whose_records_went_with_the_item(event: Occurrence, text: str) -> None:
    trace = trace_of(facts(deleted_ms=NOW, occurrences=[event]))
    assert trace.verdict.endswith(f"deleted it at 10:12; {text}.")
    assert trace.steps[-1].text == f"{text[0].upper()}{text[1:]}."


def test_the_steps_explain_the_rules_that_apply() -> None:
    condition = parse_delivery_condition(CONDITION)
    config = DeliveryConfig(
        "orders",
        (
            ChannelConfig(Channel.IN_APP),
            ChannelConfig(Channel.EMAIL, 5400, condition=condition),
            ChannelConfig(Channel.SMS, disabled=True),
        ),
    )
    given = facts(
        item=UNSEEN,
        category="orders",
        topic="acme",
        config=config,
        conditions={Channel.EMAIL: CONDITION},
        preference=Preference(frozenset({Channel.SMS, Channel.SLACK})),
    )
    texts = {step.type: step.text for step in trace_of(given).steps}
    assert texts == {
        "accepted": "The request was accepted.",
        "preference": "Ada has switched off for the category 'orders': slack, sms.",
        "topic": "Ada is subscribed to the topic 'acme', because of no choice against it.",
        "config": (
            "The delivery config 'orders' applies: in_app, then email after 1 hour 30 minutes if "
            "{{ notification.unread }}; disabled: sms."
        ),
        "stored": "It was stored in the inbox.",
    }
    given = replace(given, subscription=Status.UNSUBSCRIBED, config=DeliveryConfig("default", (), disabled=True))
    texts = {step.type: step.text for step in trace_of(given).steps}
    assert texts["topic"] == "Ada is unsubscribed from the topic 'acme'."
    assert texts["config"] == "The default delivery config is disabled, so nothing is sent."
    texts = {step.type: step.text for step in trace_of(facts(item=UNSEEN, category="orders")).steps}
    assert texts["config"] == (
        "The project has no delivery config for the category 'orders', so all of its channels are used at once."
    )
    empty = trace_of(facts(item=UNSEEN, config=DeliveryConfig("empty", ()))).steps
    assert "The delivery config 'empty' applies: no channel." in [step.text for step in empty]


def test_the_steps_tell_how_it_was_sent() -> None:
    broadcast = BroadcastFacts(SENT, "processed", 7, 1, reached=True, names_user=True)
    steps = trace_of(facts(item=UNSEEN, broadcast=broadcast)).steps
    assert [step.text for step in steps[:3]] == [
        "The broadcast was accepted.",
        "The broadcast is processed. It has come to 7 users, and failed for 1 of them.",
        "The broadcast names Ada.",
    ]
    steps = trace_of(facts(item=UNSEEN, broadcast=broadcast._replace(names_user=False, matches=True))).steps
    assert steps[2].text == "Ada matches a condition of the broadcast now."
    steps = trace_of(facts(item=UNSEEN, broadcast=broadcast._replace(names_user=False))).steps
    assert steps[2].type == "config"
    assert trace_of(facts(item=UNSEEN, recipients=3)).steps[0].text == "A request to 3 recipients was accepted."
    assert [step.type for step in trace_of(facts(sent_ms=None)).steps] == ["config"]


def test_the_steps_are_in_the_order_of_their_times() -> None:
    given = facts(
        stored=True,
        deleted_ms=NOW - 1,
        user_deleted_ms=NOW,
        occurrences=[
            Occurrence(SENT + 1, "notification.stored"),
            Occurrence(SENT + 2, "notification.suppressed", "preference", users=12),
            Occurrence(SENT + 3, "broadcast.changed"),
        ],
    )
    steps = trace_of(given).steps
    assert [step.type for step in steps] == ["accepted", "config", "stored", "suppressed", "deleted", "user_deleted"]
    assert steps[3].text == (
        "It was kept out of the inbox of 12 users, perhaps of this one too, because of a preference or subscription."
    )
    given = facts(occurrences=[Occurrence(SENT, "notification.suppressed", "delivery_config x: disabled")])
    assert trace_of(given).steps[-1].text == "It was kept out of the inbox because the delivery config 'x' is disabled."
    archived = trace_of(facts(item=State(seen_at=at(1), read_at=at(2), archived_at=at(3)))).steps
    assert [step.type for step in archived] == ["accepted", "config", "stored", "seen", "read", "archived"]


def test_each_destination_of_a_delivery_is_a_step() -> None:
    tokens = (*TWO, TokenState(b"c", STATE.RETRY, 2, "503", may_have_sent=True, next_ms=NOW), TokenState(b"d"))
    entry = known(Route.FCM, STATE.RETRY, "503", due=11, provider="fcm", tokens=tokens)
    steps = [step for step in trace_of(facts(deliveries=deliveries(entry))).steps if step.type == "attempt"]
    assert [(step.text, step.state, step.code, step.attempts, step.next_ms) for step in steps] == [
        ("For device 1 of 4: delivered after 1 attempt.", "delivered", "", 1, None),
        ("For device 2 of 4: dead after 1 attempt, 410.", "dead", "410", 1, None),
        (
            "For device 3 of 4: retry after 2 attempts, 503; an attempt had no answer, so it may have arrived.",
            "retry",
            "503",
            2,
            NOW,
        ),
        ("For device 4 of 4: scheduled.", "scheduled", "", 0, None),
    ]
    scheduled = trace_of(facts(config=DELAYED, deliveries=deliveries(Known(Route.EMAIL, NOW, None)))).steps
    assert "A mail was scheduled after a delay of 5 minutes." in [step.text for step in scheduled]


def test_a_template_that_failed_is_a_step() -> None:
    entry = known(Route.EMAIL, STATE.DELIVERED, tokens=TWO[:1], notes=("sms.title: line 2: it fails",))
    (step,) = [step for step in trace_of(facts(deliveries=deliveries(entry))).steps if step.type == "template"]
    assert (step.channel, step.text) == (
        "email",
        "A template was not used, and the notification's own text was sent instead: sms.title: line 2: it fails.",
    )


def test_whether_anything_is_known_of_a_notification() -> None:
    assert not facts().is_known
    some: tuple[dict[str, Any], ...] = (
        {"item": UNSEEN},
        {"deleted_ms": NOW},
        {"deliveries": deliveries()},
        {"broadcast": BROADCAST},
        {"occurrences": [Occurrence(SENT, "notification.stored")]},
        {"others": 1},
        {"recipients": 1},
    )
    assert all(facts(**each).is_known for each in some)


def test_times_and_durations_are_short() -> None:
    assert clock(SENT) == "2026-11-30 10:02 UTC"
    assert clock(SENT, SENT - MINUTE) == "10:02"
    assert clock(SENT, SENT - 24 * 60 * MINUTE) == "2026-11-30 10:02 UTC"
    assert [duration(each) for each in (0, 1, 61, 3600, 90_061)] == [
        "0 seconds",
        "1 second",
        "1 minute 1 second",
        "1 hour",
        "1 day 1 hour",
    ]


def test_a_late_report_is_a_step_of_its_own() -> None:
    late = Occurrence(
        NOW, "delivery.contradicted", channel="sms", provider="twilio", state="undelivered", reason="30003"
    )
    (step,) = [each for each in trace_of(facts(occurrences=[late])).steps if each.type == "reported"]
    assert step.text == "Twilio reported later that the SMS did not arrive (30003)."
