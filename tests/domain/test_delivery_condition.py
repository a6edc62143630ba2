"""The `if` of a delivery config: its grammar, its meaning, and the place that an error shows."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.condition import MAX_BYTES, And, Condition, ConditionError, Equals, Holds, Not, Or
from gateway.domain.delivery_condition import (
    EXCERPT_CHARACTERS,
    FLAGS,
    excerpt,
    notification_attributes,
    parse_delivery_condition,
)

# ---- conditions of any shape

scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=5)
names = st.sampled_from(["plan", "ü", "x"])
flags = st.sampled_from([(flag,) for flag in FLAGS])
others = st.sampled_from([("category",), ("topic",)]) | st.lists(names, min_size=1, max_size=2).map(
    lambda parts: ("custom_attributes", *parts)
)
comparisons = (
    st.builds(Holds, flags | others) | st.builds(Equals, others, scalars) | st.builds(Equals, flags, st.booleans())
)
negations: st.SearchStrategy[Condition] = st.recursive(comparisons, lambda inner: st.builds(Not, inner), max_leaves=3)


def several(kind: Any, inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    return inner | st.builds(kind, st.lists(inner, min_size=2, max_size=3).map(tuple))


conditions = several(Or, several(And, negations))
states = st.fixed_dictionaries(
    {
        **dict.fromkeys(("seen", "read", "archived"), st.booleans()),
        **dict.fromkeys(("category", "topic"), st.text(max_size=3)),
        "custom_attributes": st.none()
        | st.dictionaries(names, scalars | st.lists(scalars, max_size=2) | st.dictionaries(names, scalars)),
    }
)


def printed(condition: Condition) -> str:
    """Return the text of a condition, without the braces."""
    match condition:
        case Or(inner):
            return " or ".join(map(printed, inner))
        case And(inner):
            return " and ".join(map(printed, inner))
        case Not(Equals(path, value)):
            return f"{'.'.join(('notification', *path))} != {json.dumps(value, ensure_ascii=False)}"
        case Not(one):
            return f"not {printed(one)}"
        case Equals(path, value):
            return f"{'.'.join(('notification', *path))} == {json.dumps(value, ensure_ascii=False)}"
        case Holds(path):
            return ".".join(("notification", *path))
        case _:
            raise AssertionError(condition)


@given(conditions)
def test_a_condition_survives_its_text(condition: Condition) -> None:
    assert parse_delivery_condition(f"{{{{{printed(condition)}}}}}") == condition


class Value:
    """A value that Python compares and tests as the language does: Python's operators have the same precedence."""

    def __init__(self, value: Any):
        self._value = value

    def __getattr__(self, name: str) -> "Value":
        return Value(self._value.get(name) if isinstance(self._value, Mapping) else None)

    def __bool__(self) -> bool:
        return not any(self._value is one for one in (None, False)) and self._value != ""

    def __eq__(self, other: object) -> bool:
        candidates = [self._value, *(self._value if isinstance(self._value, list) else [])]
        return any(json.dumps(one) == json.dumps(other) or _numbers(one, other) for one in candidates)

    __hash__ = None  # type: ignore[assignment]  # values are compared, and never keys


def _numbers(one: Any, other: Any) -> bool:
    are_numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (one, other))
    return are_numbers and bool(one == other)


@given(conditions, states)
def test_a_condition_means_what_python_means_by_it(condition: Condition, state: dict[str, Any]) -> None:
    derived = {"unseen": not state["seen"], "unread": not state["read"]}
    texts = {name: state[name] or None for name in ("category", "topic")}
    scope = {"notification": Value(state | derived | texts), "true": True, "false": False, "null": None}
    expected = bool(eval(printed(condition), scope))  # noqa: S307 - the text was made above
    assert condition.matches(notification_attributes(**state)) is expected


# ---- the grammar

SEEN, X = Holds(("seen",)), ("custom_attributes", "x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{notification.seen}}", SEEN),
        ("  {{\n notification.seen\t}}\n", SEEN),
        ("{{ not not notification.seen }}", Not(Not(SEEN))),
        ("{{ not notification.topic == 'a' }}", Not(Equals(("topic",), "a"))),
        ("{{ notification.seen != true }}", Not(Equals(("seen",), True))),
        (
            "{{ notification.seen or not notification.seen and notification.category == 'x' }}",
            Or((SEEN, And((Not(SEEN), Equals(("category",), "x"))))),
        ),
        (
            '{{ notification.custom_attributes.or.a-b == "}}\'\\u00e4" }}',
            Equals(("custom_attributes", "or", "a-b"), "}}'ä"),
        ),
        ("{{ notification.custom_attributes.x == -1.5e1 }}", Equals(X, -15.0)),
        ("{{ notification.custom_attributes.x == null }}", Equals(X, None)),
    ],
)
def test_the_grammar(text: str, expected: Condition) -> None:
    assert parse_delivery_condition(text) == expected


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("", "'{{' is expected", 1),
        ("true", "'{{' is expected", 1),
        ("{{", "'}}' is expected at the end", 3),
        ("{{}", "'}}' is expected at the end", 4),
        ("{{}}", "a value such as 'notification.seen' is expected where it ends", 3),
        ("{{ true }}", "a value such as 'notification.seen' is expected where there is 'true'", 4),
        ("{{ notification.seen", "'}}' is expected at the end", 21),
        ("{{ notification.seen }} x", "'}}' is expected at the end", 26),
        ("{{ notification.seen }} {{ notification.seen }}", "there is '}', which makes no sense here", 22),
        ("{{ (notification.seen) }}", "a value such as 'notification.seen' is expected where there is '('", 4),
        ("{{ notification.seen && notification.read }}", "'and', 'or' or '}}' is expected where there is '&&'", 22),
        ("{{ notification.seen AND notification.read }}", "'and', 'or' or '}}' is expected where there is 'AND'", 22),
        ("{{ notification.topic = 'x' }}", "'and', 'or' or '}}' is expected where there is '='", 23),
        ("{{ !notification.seen }}", "a value such as 'notification.seen' is expected where there is '!'", 4),
        ("{{ notification.topic == }}", "a value (text needs quotes) is expected where it ends", 25),
        ("{{ notification.topic == x }}", "a value (text needs quotes) is expected where there is 'x'", 26),
        ("{{ notification.topic == 'x }}", "there is a string without its end", 26),
        ("{{ notification.seen == 'x' }}", "true or false is expected where there is ''x''", 25),
        ("{{ user.email }}", "'user' is not known; a path begins with 'notification.'", 4),
        (
            "{{ notification.custom_attributes }}",
            "'custom_attributes.' must be followed by the name of an attribute",
            34,
        ),
        ("{{ notification.seen.x }}", "'notification.seen' has no parts", 21),
        ("{{ " + "not " * 21 + "notification.seen }}", "there may be at most 20 'not' in a row", 84),
        (" " * (MAX_BYTES + 1), "it must have at most 2048 bytes", 1),
    ],
)
def test_anything_else_is_an_error_that_names_the_place(text: str, message: str, column: int) -> None:
    with pytest.raises(ConditionError) as error:
        parse_delivery_condition(text)
    assert (str(error.value), error.value.column) == (f"{message} at column {column}", column)


@pytest.mark.parametrize("name", ["opened", "content"])
def test_an_unknown_value_is_an_error_that_names_the_known_ones(name: str) -> None:
    with pytest.raises(
        ConditionError, match=r"a notification has seen, unseen, read, unread, archived, .* at column 17"
    ):
        parse_delivery_condition(f"{{{{ notification.{name} }}}}")
    with pytest.raises(ConditionError, match=r"a notification has .* at column 4"):
        parse_delivery_condition("{{ notification }}")


@given(st.text(st.sampled_from("{}notifcaresd.=!'\" 1u(")) | st.text())
def test_any_text_is_a_condition_or_an_error_within_it(text: str) -> None:
    column: int | None = 1
    try:
        parse_delivery_condition(text)
    except ConditionError as problem:
        column = problem.column
    assert column is not None
    assert 1 <= column <= len(text) + 1


# ---- excerpts


def test_an_excerpt_points_at_the_place() -> None:
    assert excerpt("{{ notification.sean }}", 17) == "{{ notification.sean }}\n                ^"
    assert excerpt("a\nb", 3) == "a b\n  ^"


@given(st.text(), st.data())
def test_an_excerpt_is_a_part_of_the_text_around_the_place(text: str, data: st.DataObject) -> None:
    column = data.draw(st.integers(1, len(text) + 1))
    shown, caret = excerpt(text, column).split("\n")
    assert len(shown) <= EXCERPT_CHARACTERS
    assert len(caret) <= EXCERPT_CHARACTERS + 1
    if column <= len(text) and text[column - 1].isprintable():
        assert shown[len(caret) - 1] == text[column - 1]
