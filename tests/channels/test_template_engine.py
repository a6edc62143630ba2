"""Templates that are hostile need little time and memory; others are Liquid."""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import pytest

from gateway.channels import template_engine
from gateway.channels.template_engine import (
    Deadline,
    TemplateFaultError,
    TemplateLimitError,
    TemplateTimeError,
    environment,
    parse,
)

HTML, TEXT = environment(html=True), environment(html=False)

VARIABLES: dict[str, Any] = {
    "notification": {"title": "Tom & <b>Jerry</b>", "sent_at": "2026-11-29T10:00:00Z", "content": "x" * 100_000},
    "items": [{"name": "a", "price": 3}, {"name": "b", "price": 4}],
}


def rendered(source: str, where: Any = TEXT, **variables: Any) -> str:
    return parse(source, where).render(variables or VARIABLES, Deadline())


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ notification.title }}", "Tom & <b>Jerry</b>"),
        (
            "{% for each in items %}{{ each.name | upcase }}{% unless forloop.last %}, {% endunless %}{% endfor %}",
            "A, B",
        ),
        ("{% assign all = items | map: 'price' | sum %}{{ all | times: 2 }}", "14"),
        ("{% if items.size == 2 %}two{% else %}more{% endif %}", "two"),
        ("{% for i in (1..3) reversed %}{{ i }}{% endfor %}", "321"),
        ("{% for i in (1..3) %}{% if i == 2 %}{% continue %}{% endif %}{{ i }}{% else %}none{% endfor %}", "13"),
        ("{{ absent.deep.down }}{{ absent | default: 'nobody' }}", "nobody"),
        ("{{ 'a-b' | replace: '-', '+' }}{{ 'abc' | split: '' | join: '.' }}{{ 3.14159 | round: 2 }}", "a+ba.b.c3.14"),
        ("{{ notification.sent_at | date: '%d %B %Y, %H:%M' }}", "29 November 2026, 10:00"),
        ("{{ 0 | date: '%Y' }}{{ '86400' | date: ' %d' }}{{ 'soon' | date: '%Y' }}", "1970 02soon"),
        ("{% raw %}{{ not this }}{% endraw %}{% comment %}x{% endcomment %}", "{{ not this }}"),
        ("{{ '<p>Hi <b>you</b></p>' | strip_html }}", "Hi you"),
        ("{{ 'now' | date: '%Y' | size }}", "4"),
    ],
)
def test_templates_are_liquid(source: str, text: str) -> None:
    assert rendered(source) == text


def test_values_are_escaped_in_html_unless_the_template_says_that_they_are_safe() -> None:
    assert rendered("<p>{{ notification.title }}</p>", HTML) == "<p>Tom &amp; &lt;b&gt;Jerry&lt;/b&gt;</p>"
    assert rendered("{{ notification.title | append: '<i>' }}", HTML) == "Tom &amp; &lt;b&gt;Jerry&lt;/b&gt;<i>"
    assert rendered("{{ notification.title | safe }}", HTML) == "Tom & <b>Jerry</b>"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a\n\n{{ notification.title | upcas }}", "line 3: {{ notification.title | upcas }}: unknown filter 'upcas'"),
        ("{% if %}x{% endif %}", "line 1: {% if %}: missing expression"),
        ("x\n{% if a %}y", "line 2: expected tag endif, found end of expression"),
        ("{% include 'other' %}", "line 1: {% include 'other' %}: unexpected tag 'include'"),
        ("{% render 'other' %}", "line 1: {% render 'other' %}: unexpected tag 'render'"),
        ("\n{{ a }", "line 2: '{{' is not closed by '}}'"),
        ("{{ a {{ b }}", "line 1: '{{' is not closed before the next one opens"),
        ("{% raw %}x", "line 1: 'raw' is not closed by 'endraw'"),
        ("{% doc %}x{% enddoc %}", "line 1: unexpected tag 'doc'"),
        ("{% for i in (1..n) %}{% endfor %}", "line 1: the ends of a range must be numbers"),
        (
            "{{ items | upcase: 3 }}",
            "line 1: {{ items | upcase: 3 }}: a filter gets a value or an argument that it cannot use",
        ),
        (
            "{{ 1 | divided_by: 0 }}",
            "line 1: {{ 1 | divided_by: 0 }}: a filter gets a value or an argument that it cannot use",
        ),
        ("{{ 1 | round: -5 }}", "`round` takes a number of digits from 0 to 15"),
        ("{{ 'x' | base64_decode }}", "line 1: {{ 'x' | base64_decode }}: unknown filter 'base64_decode'"),
        ("{% break %}", "line 1: {% break %}: unexpected 'break'"),
        ("x" * 33_000, "it must have at most 32768 characters"),
    ],
)
def test_a_fault_is_named_with_its_line_and_the_text_of_the_template(source: str, message: str) -> None:
    with pytest.raises(TemplateFaultError) as fault:
        rendered(source)
    assert str(fault.value) == message


def test_a_fault_does_not_contain_the_values_with_which_a_template_was_rendered() -> None:
    for source in ("{{ x | plus: y | divided_by: 0 }}", "{{ x | sort }}", "{{ x | sum }}", "{{ x | date: 'a', 'b' }}"):
        with pytest.raises(TemplateFaultError) as fault:
            rendered(source, x=["ada@example.com", 1, {"a": "secret"}], y="ada@example.com")
        assert "ada@example.com" not in str(fault.value)
        assert "secret" not in str(fault.value)


def test_no_attribute_of_python_is_reachable() -> None:
    for name in ("__class__", "__init__", "upper", "__globals__", "mro"):
        assert (
            rendered(f"{{{{ notification.{name} }}}}{{{{ notification.title.{name} }}}}{{{{ items[0].{name} }}}}") == ""
        )


LONG = "a" * 30

HOSTILE: dict[str, str] = {
    "outputs that are not closed": "{{" * 16_000,
    "tags that are not closed": "{%" * 16_000,
    "raw that is not closed": "{% raw %}" * 3_600,
    "spaces in an output": "{{ " + " " * 32_000,
    "spaces in a closed output": "{{ a" + " " * 1_900 + "}}" + "{{ b",
    "many spaces in many outputs": ("{{" + " " * 99 + "}}") * 300,
    "nested blocks": "{% if a %}" * 3_000,
    "nested captures": "{% capture x %}" * 1_000,
    "nested brackets": "{{ a" + "[a" * 600 + "]" * 600 + "}}",
    "comments": "{% comment %}" * 2_500,
    "growing replacements": "{{ '" + LONG + "' " + f"| replace: 'a', '{LONG}'" * 30 + "}}",
    "replacements of nothing": "{{ 'a' " + f"| replace: '', '{LONG}'" * 30 + "}}",
    "growing joins": f"{{% assign x = '{LONG}' | split: '' %}}" + "{% assign x = x | join: notification.content %}" * 3,
    "growing products": "{{ 9999999999999999 " + "| times: 9999999999999" * 30 + "}}",
    "a large number in a text": "{{ '1e999' | plus: 1 }}",
    "a long range": "{% for i in (1..1000000000) %}x{% endfor %}",
    "a long range in a condition": "{% if (1..1000000000) contains 'a' %}x{% endif %}",
    "a long range as an argument": "{{ 1 | plus: 2 | at_most: (1..1000000000) }}",
    "a long range as a value": "{% assign r = (1..1000000000) %}{{ r | join }}",
    "a long range in a case": "{% case 1 %}{% when (1..1000000000) %}x{% endcase %}",
    "a long range in a cycle": "{% cycle (1..1000000000), 2 %}",
    "nested loops": "{% assign r = (1..1000) %}{% for i in r %}{% for j in r %}{% for k in r %}{% endfor %}" * 1,
    "nested loops without a body": "{% for i in (1..1000) %}{% for j in (1..49) %}{% endfor %}{% endfor %}",
    "loops with a long body": "{% for i in (1..1000) %}" + "{% if true or true %}{% endif %}" * 500 + "{% endfor %}",
    "loops in a liquid tag": "{% liquid\n" + "for i in (1..1000)\n" * 3 + "endfor\n" * 3 + "%}",
    "a growing text": "{% for i in (1..1000) %}{% assign x = x | append: notification.content %}{% endfor %}",
    "much output": "{% for i in (1..1000) %}{{ notification.content }}{% endfor %}",
    "much captured output": "{% capture x %}" + "{{ notification.content }}" * 9 + "{% endcapture %}",
    "many variables": "".join(f"{{% assign x{i} = notification.content | append: '{i}' %}}" for i in range(500)),
    "a text of single characters": "{{ notification.content | split: '' | uniq | join }}",
    "filters in loops": "{% for i in (1..1000) %}{{ notification.content | replace: 'x', 'y' | size }}{% endfor %}",
    "tags in html": "{{ notification.content | replace: 'x', '<!-' | strip_html }}",
}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_template_is_refused_soon(source: str) -> None:
    before = time.thread_time()
    with pytest.raises(TemplateFaultError):
        rendered(source)
    # The limit is 0.05 s, and the last step adds to it. Without the limits these take minutes, or all memory.
    assert time.thread_time() - before < 5


@pytest.mark.parametrize("part", ["<!-", "<![", "<a ", "<?", "</", "&#", "<!--"])
def test_removing_tags_from_hostile_html_takes_little_time(part: str) -> None:
    before = time.thread_time()
    with contextlib.suppress(TemplateFaultError):
        rendered("{{ text | strip_html }}", text=(part * 32_000)[: 32 * 1024 - 1] + ">")
    assert time.thread_time() - before < 5


def test_all_templates_of_a_message_share_their_time() -> None:
    now = [0.0]
    clock: Callable[[], float] = lambda: now[0]  # noqa: E731
    deadline = Deadline(1.0, clock)
    parsed = parse("{{ notification.title }}", TEXT)
    parsed.render(VARIABLES, deadline)
    now[0] = 1.1
    with pytest.raises(TemplateTimeError):
        parsed.render(VARIABLES, deadline)


def test_stored_values_are_counted_anew_when_they_are_replaced() -> None:
    big = "y" * (template_engine.MAX_SIZE - 10)
    assert rendered("{% for i in (1..20) %}{% assign x = big | append: i %}{% endfor %}{{ x | size }}", big=big)
    with pytest.raises(TemplateLimitError, match="its variables have more than"):
        rendered("".join(f"{{% assign x{i} = big | append: 1 %}}" for i in range(5)), big=big)


def test_a_value_with_too_many_parts_is_refused_by_filters() -> None:
    for value in ([[1] * 100] * 11, {"a": list(range(1001))}, ["x" * 100_000] * 3, float("inf")):
        with pytest.raises(TemplateLimitError):
            rendered("{{ value | json | size }}".replace(" | json", ""), value=value)
