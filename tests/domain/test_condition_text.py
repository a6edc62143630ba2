"""Conditions as strings: their meaning, and the columns of errors."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.condition import MAX_DEPTH, ROOTS, And, Condition, ConditionError, Equals, Not, Or
from gateway.domain.condition_text import parse_text
from tests.domain.conditions import ADA, conditions


@pytest.mark.parametrize(
    "text",
    [
        "email == 'a@b.c'",
        "email='a@b.c'",
        'user.email = "a@b.c"',
        "email != 'x'",
        "custom_attributes.plan == 'pro'",
        "custom_attributes.address.city = 'K\\u00f6ln'",
        "custom_attributes.address.post-code = '50667'",
        "custom_attributes.seats = 3",
        "custom_attributes.seats = 3.0",
        "custom_attributes.seats != -3",
        "custom_attributes.seats = 0.3e1",
        "custom_attributes.trial = false",
        "custom_attributes.trial != 0",
        "custom_attributes.2fa = TRUE",
        "custom_attributes.or = 1",
        "custom_attributes.dotted.name = 'x'",
        "custom_attributes.unknown = null",
        "custom_attributes.plan.deeper = null",
        "last_name = null",
        "phone_numbers = '+2'",
        "phone_numbers != '+3'",
        "custom_attributes.tags = 'a' and custom_attributes.tags = 1 and custom_attributes.tags != true",
        "first_name = 'Bob' or first_name = 'Ada'",
        "first_name = 'Bob' || first_name = 'Ada'",
        "first_name = 'Ada' && email = 'a@b.c'",
        "first_name = 'Ada' or first_name = 'Bob' and email = 'x'",
        "not first_name = 'Bob'",
        "!(first_name = 'Bob')",
        "NOT NOT first_name = 'Ada' AND (email = 'x' OR (email = 'a@b.c'))",
        "first_name\n=\t'Ada'",
    ],
)
def test_a_string_that_holds_for_ada(text: str) -> None:
    assert parse_text(text).matches(ADA)


@pytest.mark.parametrize(
    "text",
    [
        "email = 'A@b.c'",
        "first_name = null",
        "phone_numbers != '+2'",
        "(first_name = 'Ada' or first_name = 'Bob') and email = 'x'",
        "not first_name = 'Ada' or email = 'x'",
        "custom_attributes.trial = 0",
        "custom_attributes.seats = '3'",
        "custom_attributes.plan = 'pro' and custom_attributes.plan = 'free'",
    ],
)
def test_a_string_that_does_not_hold_for_ada(text: str) -> None:
    assert not parse_text(text).matches(ADA)


def test_escapes_are_those_of_json() -> None:
    assert parse_text(r"""email = "\"\\\n\t\r\b\f\/'\u0041" """) == Equals(("email",), "\"\\\n\t\r\b\f/'A")
    assert parse_text(r"""email = 'it\'s "it"' """) == Equals(("email",), 'it\'s "it"')


@pytest.mark.parametrize(
    ("text", "column", "part"),
    [
        ("", 1, "an attribute"),
        ("email", 6, "'==' or '!='"),
        ("email == ", 9, "a value (text needs quotes) is expected where it ends"),
        ("email == joe", 10, "text needs quotes"),
        ("email == 'joe", 10, "a string without its end"),
        ("email == 'joe' email", 16, "'and', 'or' or the end is expected where there is 'email'"),
        ("email ~ 'joe'", 7, "'~'"),
        ("email == 1x", 10, "'1'"),
        ("email == 1e999", 10, "too large"),
        ("(email == 'joe'", 16, "')' is expected"),
        ("email == 'joe')", 15, "there is ')'"),
        ("email == 'joe' and", 19, "an attribute"),
        ("plan == 'pro'", 1, f"'plan' is no attribute of a user; there are {', '.join(ROOTS)}"),
        ("user == 'joe'", 1, "'user' is no attribute"),
        ("email = 'a' or user.plan = 'b'", 16, "'plan'"),
        ("* and email = 'a'", 1, "'*'"),
        ("!" * (MAX_DEPTH + 1) + "email = 'a'", MAX_DEPTH + 1, f"at most {MAX_DEPTH} deep"),
        ("(" * (MAX_DEPTH + 1) + "email = 'a'", MAX_DEPTH + 1, f"at most {MAX_DEPTH} deep"),
    ],
)
def test_an_invalid_string_is_rejected_with_the_column_of_the_error(text: str, column: int, part: str) -> None:
    with pytest.raises(ConditionError) as refused:
        parse_text(text)
    assert refused.value.column == column
    assert part in str(refused.value)
    assert str(refused.value).endswith(f"at column {column}")


def test_a_string_may_nest_as_deep_as_the_bound() -> None:
    assert parse_text("(" * MAX_DEPTH + "email = 'a'" + ")" * MAX_DEPTH).matches({"email": "a"})


def spelt(condition: Condition) -> str:
    match condition:
        case Equals(path, value):
            return f"{'.'.join(path)} = {json.dumps(value)}"
        case Not(inner):
            return f"not ({spelt(inner)})"
        case And(several):
            return " and ".join(f"({spelt(one)})" for one in several)
        case Or(several):
            return " || ".join(f"({spelt(one)})" for one in several)
    raise AssertionError(condition)


@given(conditions)
def test_a_condition_that_is_spelt_as_a_string_is_parsed_as_itself(condition: Condition) -> None:
    assert parse_text(spelt(condition)) == condition


def refusal_column(text: str) -> int | None:
    """Return where a string is rejected, None if it is valid."""
    try:
        parse_text(text).matches(ADA)
    except ConditionError as refused:
        return refused.column or -1
    return None


@given(st.text(max_size=40) | st.text(alphabet="email='\"()!&|andornot \\u1.*", max_size=40))
def test_any_text_is_parsed_or_rejected(text: str) -> None:
    column = refusal_column(text)
    assert column is None or 1 <= column <= len(text) + 1
