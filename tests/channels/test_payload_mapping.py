"""The mapping of payloads to notifications: what is refused when it is saved, and what it yields."""

from typing import Any

import pytest

from gateway.channels.incoming_webhook import WebhookDelivery
from gateway.channels.payload_mapping import (
    MAX_SEARCHED_ITEMS,
    MAX_TEXT_LENGTH,
    NOTIFICATIONS,
    MappedRecipient,
    mapped,
    rendered,
)
from gateway.domain.objects import Object

ADA = [{"external_id": "ada"}]


def saved(*entries: Any) -> tuple[dict[str, Any], list[str]]:
    """Return a checked mapping, and its faults."""
    problems: list[str] = []
    return dict(Object(fields=NOTIFICATIONS).check({"notifications": list(entries)}, "", problems)), problems


def delivery(**payload: Any) -> WebhookDelivery:
    return WebhookDelivery("1", "issues", "issues opened", payload)


def entry(**fields: Any) -> dict[str, Any]:
    return {"title": "t", "recipients": ADA, **fields}


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        (
            {"title": "{{ payload.a"},
            "notifications[0].title' must have each `{{` closed by `}}`; one is not at column 1",
        ),
        ({"title": "x }}"}, "closed by `}}`; one is not at column 3"),
        ({"title": "ab {{ env.HOME }}"}, "there is 'env.HOME' at column 4"),
        ({"title": "{{ payload }}"}, "there is 'payload' at column 1"),
        ({"title": "{{ payload.a | upper }}"}, "there is 'payload.a | upper'"),
        ({"title": "{{ payload..a }}"}, "there is 'payload..a'"),
        ({"content": "{{}}"}, "notifications[0].content"),
        ({"action_url": "{{ x }}"}, "notifications[0].action_url"),
        ({"title": " "}, "notifications[0].title' is missing"),
        ({"title": "t" * 2001}, "at most 2000"),
        ({"matches": "payload.a"}, "notifications[0].matches' is not a condition"),
        ({"matches": "email = 'x'"}, "'email' is not known; there are type, description, payload at column 1"),
        ({"recipients": []}, "notifications[0].recipients"),
        ({"recipients": [{}]}, "notifications[0].recipients[0]' must have one of external_id, email, matches"),
        ({"recipients": [{"external_id": "a", "email": "b@c.d"}]}, "must have one of"),
        ({"recipients": [{"external_id": "{{ a }}"}]}, "notifications[0].recipients[0].external_id"),
        ({"recipients": [{"matches": "plan"}]}, "notifications[0].recipients[0].matches' is not a condition"),
        ({"category": "c" * 256}, "notifications[0].category"),
    ],
)
def test_a_fault_is_named_with_its_place(fields: dict[str, Any], fault: str) -> None:
    _, problems = saved(entry(**fields))
    assert len(problems) == 1
    assert fault in problems[0]


def test_there_are_at_most_twenty() -> None:
    assert saved(*[entry()] * 21)[1] == ["Param 'notifications' must have 0 to 20 items"]


def test_a_delivery_causes_the_notifications_that_it_matches() -> None:
    config, problems = saved(
        entry(matches="type = 'issues' and payload.action = 'opened'", title="{{ payload.issue.title }}", category="c"),
        entry(matches="not payload.action = 'opened'"),
        entry(title="{{ payload.none }} ", content="{{ description }}", action_url="{{ payload.issue.url }}"),
        entry(recipients=[{"email": "{{ payload.mail }}"}, {"external_id": "{{payload.none}}"}]),
        entry(recipients=[{"email": "{{ payload.none }}@"}]),
        entry(recipients=[{"matches": "custom_attributes.plan = 'pro'"}]),
    )
    assert problems == []
    issue = {"title": "It {{ payload.mail }}\nbroke", "url": "https://x.y/1"}
    first, second, third, fourth = mapped(config, delivery(action="opened", issue=issue, mail="ada@x.y"))
    assert (first.title, first.category, first.content) == (issue["title"], "c", None)
    assert (second.title, second.content, second.action_url) == ("issues opened", "issues opened", "https://x.y/1")
    assert third.recipients == (MappedRecipient(email="ada@x.y"),)
    assert fourth.recipients == (MappedRecipient(matches="custom_attributes.plan = 'pro'"),)
    assert mapped({}, delivery()) == []


@pytest.mark.parametrize("url", ["javascript:alert(1)", "//x", "https://a b", "https://x/" + "a" * 2048, 7, None])
def test_an_address_that_is_none_is_left_out(url: Any) -> None:
    config, _ = saved(entry(action_url="{{ payload.url }}"))
    assert mapped(config, delivery(url=url))[0].action_url is None


def test_what_a_template_yields_is_bounded() -> None:
    config, _ = saved(
        entry(title="{{ payload.x }}", content="{{ payload.x }}", recipients=[{"external_id": "{{ payload.x }}"}])
    )
    assert mapped(config, delivery(x="x" * 20_000)) == []
    config, _ = saved(entry(title="{{ payload.x }}", content="{{ payload.x }}"))
    (found,) = mapped(config, delivery(x="x" * 20_000))
    assert (len(found.title), len(found.content or "")) == (255, 10_000)


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "a"), (1, "1"), (1.5, "1.5"), (True, "true"), (False, "false"), (None, ""), ([1], ""), ({}, "")],
)
def test_a_path_becomes_the_text_of_its_value(value: Any, text: str) -> None:
    assert rendered("<{{ payload.a.b }}{{ payload.a.c }}>", {"payload": {"a": {"b": value}}}) == f"<{text}>"


def test_a_long_value_is_cut_before_it_is_repeated_in_a_template() -> None:
    assert len(rendered("{{ payload.a }}" * 3, {"payload": {"a": "x" * 1_000_000}})) == 3 * MAX_TEXT_LENGTH


def test_a_condition_searches_only_the_beginning_of_a_list_at_any_depth() -> None:
    config, _ = saved(entry(matches="payload.a.b = 'here'"))
    items = ["x"] * MAX_SEARCHED_ITEMS
    assert mapped(config, delivery(a={"b": [*items[1:], "here"]}))
    assert not mapped(config, delivery(a={"b": [*items, "here"]}))
