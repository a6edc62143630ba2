"""The texts that templates give to a message, and what happens when one fails."""

import sys
import time
from typing import Any

import pytest

from gateway.channels import template_renderer
from gateway.channels.message import Addressee
from gateway.channels.template_renderer import (
    MISSING_EXTRA,
    NOTHING,
    TemplateRenderer,
    installed_names,
    templates_of,
    variables_of,
)
from gateway.domain.preferences import Channel

ADA = Addressee(external_id="ada", email="ada@example.com", first_name="Ada", last_name="<i>L", phone_numbers=("+491",))


def variables(content: str | None = "It is on its way.", **others: Any) -> dict[str, Any]:
    return variables_of(
        notification_id="0190", title="Shipped & gone", content=content, action_url="https://example.com/1",
        category="orders", topic=None, custom_attributes={"lines": [{"sku": "A1"}]}, sent_at="2026-11-29T10:00:00Z",
        recipient=ADA, project_name="Acme", **others,
    )  # fmt: skip


def texts(config: Any, channel: Channel = Channel.EMAIL, installed: str | None = None, **others: Any) -> dict[str, str]:
    found = TemplateRenderer().render(templates_of(config, installed, channel, "orders"), channel, variables(**others))
    assert found.faults == ()
    return dict(found.texts)


def test_the_examples_of_the_vendor_and_of_users_give_title_and_content() -> None:
    assert texts({"email": {"title": "{{ notification.title }}!"}}) == {"title": "Shipped & gone!"}
    assert texts({}, installed="Hi {{ recipient.first_name }}") == {"content": "Hi Ada"}
    assert texts(None) == {}


def test_a_category_comes_before_its_channel_and_a_users_text_before_both_field_by_field() -> None:
    config = {
        "email": {
            "subject": "All",
            "title": "{{ project.name }}",
            "content": "c",
            "categories": {"orders": {"subject": "Orders"}, "news": {"title": "News"}},
        },
        "sms": {"content": "sms"},
    }
    assert texts(config) == {"subject": "Orders", "title": "Acme", "content": "c"}
    assert texts(config, installed="mine") == {"subject": "Orders", "title": "Acme", "content": "mine"}
    assert texts(config, Channel.SMS) == {"content": "sms"}
    assert texts(config, Channel.TEAMS) == {}
    assert installed_names(Channel.SMS, "orders") == ("templates sms orders", "templates sms ")
    assert installed_names(Channel.SMS, None) == ("templates sms ",)


def test_what_an_older_version_stored_and_is_no_template_is_passed_over() -> None:
    wrong: tuple[Any, ...] = ("x", {"title": 5, "html": "x"}, {"categories": 1}, {"categories": {"orders": 1}})
    for config in ({"x": {}}, *({"email": each} for each in wrong)):
        assert texts(config) == {}


def test_all_variables_have_values() -> None:
    names = [f"{{{{ {root}.{name} }}}}" for root, known in template_renderer._KNOWN.items() for name in known]
    found = texts({"sms": {"title": "|".join(names)}}, Channel.SMS)["title"]
    assert found == (
        '0190|Shipped & gone|It is on its way.|https://example.com/1|orders||{"lines"'.partition("{")[0]
        + "{'lines': [{'sku': 'A1'}]}|2026-11-29T10:00:00Z|ada|ada@example.com|Ada|<i>L|Ada <i>L|+491|{}|Acme"
    )


@pytest.mark.parametrize(
    ("source", "content", "text"),
    [
        ("<p>{{ recipient.name }}</p>{{ notification.content }}", "<b>Hi</b>", "<p>Ada &lt;i&gt;L</p><b>Hi</b>"),
        ("<p>{{ notification.content }}</p>", "1 < 2\n3", "<p>1 &lt; 2<br>\n3</p>"),
        ("Hi {{ recipient.name }},\n\nbye", "", "Hi Ada &lt;i&gt;L,<br>\n<br>\nbye"),
        ("{% if true %}\nx{% endif %}\n{{ notification.content\n}}\n", "a", "<br>\nx<br>\na"),
        ("{{ notification.content }}", None, ""),
    ],
)
def test_a_content_is_html_and_a_template_without_tags_keeps_its_lines(
    source: str, content: str | None, text: str
) -> None:
    assert texts({"email": {"content": source}}, content=content) == {"content": text}


def test_an_empty_title_is_used_only_where_a_message_does_without() -> None:
    config: dict[str, Any] = {name: {"title": " "} for name in ("email", "mobile_push", "web_push", "sms", "slack")}
    found = {channel: texts(config, channel) for channel in (Channel.EMAIL, Channel.MOBILE_PUSH, Channel.WEB_PUSH)}
    assert not any(found.values())
    assert texts(config, Channel.SMS) == texts(config, Channel.SLACK) == {"title": ""}


def test_a_template_that_fails_leaves_its_field_alone_and_says_why() -> None:
    config = {"email": {"title": "\n{{ 1 | divided_by: 0 }}", "subject": "{{", "content": "ok"}}
    found = TemplateRenderer().render(templates_of(config, None, Channel.EMAIL, None), Channel.EMAIL, variables())
    assert found.texts == {"content": "ok"}
    assert found.used == ("email.content",)
    assert [str(fault) for fault in found.faults] == [
        "email.title: line 2: {{ 1 | divided_by: 0 }}: a filter gets a value or an argument that it cannot use",
        "email.subject: line 1: '{{' is not closed by '}}'",
    ]
    config = {"sms": {"action_url": "{{ notification.content }}"}}
    found = TemplateRenderer().render(
        templates_of(config, None, Channel.SMS, None), Channel.SMS, variables(content="x" * 3000)
    )
    assert [str(fault) for fault in found.faults] == ["sms.action_url: its text has more than 2048 characters"]
    assert TemplateRenderer().render({}, Channel.SMS, {}) is NOTHING


def test_a_template_that_took_too_much_time_three_times_is_not_rendered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.channels import template_engine

    renderer = TemplateRenderer()
    loops = "{% for i in (1..1000) %}{{ i | plus: 1 }}{% for j in (1..40) %}{{ j | plus: i }}{% endfor %}{% endfor %}"
    templates = {"title": ("sms.title", loops)}
    for _ in range(template_renderer.MAX_TIMEOUTS):
        assert renderer.render(templates, Channel.SMS, variables()).faults[0].reason == "it takes too much time"

    def render(*_: object) -> str:
        raise AssertionError("rendered again")

    monkeypatch.setattr(template_engine.Parsed, "render", render)
    assert renderer.render(templates, Channel.SMS, variables()).faults[0].reason == "it takes too much time"


def test_parsed_templates_are_bounded_and_the_latest_ones_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_renderer, "MAX_PARSED", 2)
    renderer = TemplateRenderer()
    for text in ("a", "b", "a", "c", "a"):
        templates = {"title": ("sms.title", text)}
        assert renderer.render(templates, Channel.SMS, variables()).texts == {"title": text}
    assert [source for source, _ in renderer._kept] == ["c", "a"]


@pytest.mark.parametrize(
    ("source", "faults"),
    [
        ("{{ notification.title }} {{ recipient.custom_attributes.a.b[0] }} {{ project['name'] }}", []),
        ("{% assign x = recipient.name %}{% for each in recipient.phone_numbers %}{{ each }}{{ x }}{% endfor %}", []),
        ("\n{{ project.nam }}", ["line 2: 'project.nam' is not known; do you mean 'project.name'?"]),
        (
            "{% if user.name %}\n{{ project.zzzzzzzz }}{% endif %}",
            [
                "line 1: 'user.name' is not known; there are notification, recipient, project",
                "line 2: 'project.zzzzzzzz' is not known; it has name",
            ],
        ),
        ("{{ notification }}", ["line 1: 'notification' needs the name of a field, such as 'notification.id'"]),
        ("{{ a | nothing }}", ["line 1: 'a' is not known; there are notification, recipient, project"]),
        ("{{", ["line 1: '{{' is not closed by '}}'"]),
    ],
)  # fmt: skip
def test_faults_are_found_before_a_template_is_used(source: str, faults: list[str]) -> None:
    assert TemplateRenderer().faults("title", source) == faults


def test_variables_without_a_value_are_named_with_their_lines() -> None:
    source = (
        "{{ notification.title }}\n{{ notification.topic }}{{ notification.custom_attributes.lines[0].sku }}"
        "{{ notification.custom_attributes.lines[7].sku }}{{ notification.custom_attributes.lines.size }}"
    )
    renderer = TemplateRenderer()
    assert renderer.missing("title", source, variables()) == [
        "line 2: notification.topic",
        "line 2: notification.custom_attributes.lines.7.sku",
    ]
    assert renderer.missing("title", "{{", variables()) == []


def test_without_the_extra_messages_keep_their_texts_and_saving_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gateway.channels.template_engine", None)
    renderer = TemplateRenderer()
    found = renderer.render({"title": ("sms.title", "x")}, Channel.SMS, variables())
    assert (found.texts, [str(fault) for fault in found.faults]) == ({}, [f"sms: {MISSING_EXTRA}"])
    assert renderer.faults("title", "x") == [MISSING_EXTRA]


@pytest.mark.parametrize("part", ["{{", "{%", "{{ x }", "}}"])
def test_a_template_of_tags_without_an_end_is_refused_in_no_time(part: str) -> None:
    began = time.process_time()
    assert TemplateRenderer().faults("content", part * (32_000 // len(part))) or part == "}}"
    assert time.process_time() - began < 5
