"""Conditions: who is meant, in both spellings, and what is said of those that make no sense."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.condition import (
    MAX_BYTES,
    MAX_DEPTH,
    ROOTS,
    And,
    Condition,
    ConditionError,
    Equals,
    Not,
    Or,
    parse,
)

ADA = {
    "external_id": "ada",
    "email": "a@b.c",
    "first_name": "Ada",
    "last_name": None,
    "phone_numbers": ["+1", "+2"],
    "custom_attributes": {
        "plan": "pro",
        "seats": 3,
        "trial": False,
        "tags": ["a", 1],
        "address": {"city": "Köln", "post-code": "50667"},
        "dotted.name": "x",
        "2fa": True,
        "or": 1,
    },
}


@pytest.mark.parametrize(
    "text",
    [
        "*",
        " * ",
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
def test_ada_is_meant(text: str) -> None:
    assert parse(text).matches(ADA)


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
def test_ada_is_not_meant(text: str) -> None:
    assert not parse(text).matches(ADA)


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ({"custom_attributes": {"plan": "pro"}}, True),
        ({"custom_attributes.plan": "pro"}, True),
        ({"custom_attributes.plan": "free"}, False),
        ({"custom_attributes": {"address.city": "Köln", "address": {"post-code": "50667"}}}, True),
        ({"first_name": "Ada", "email": "x"}, False),
        ({"and": [{"first_name": "Ada"}, {"email": "x"}]}, False),
        ({"or": [{"first_name": "Ada"}, {"email": "x"}]}, True),
        ({"or": [{"first_name": "Ada"}], "email": "x"}, False),
        ({"user.first_name": "Ada", "last_name": None}, True),
        ({"phone_numbers": "+1"}, True),
        ({"custom_attributes": {"dotted.name": "x"}}, True),
    ],
)
def test_an_object_means_who_has_all_of_it(value: object, meant: bool) -> None:
    assert parse(value).matches(ADA) is meant


def test_escapes_stand_for_what_json_says_they_do() -> None:
    assert parse(r"""email = "\"\\\n\t\r\b\f\/'\u0041" """) == Equals(("email",), "\"\\\n\t\r\b\f/'A")
    assert parse(r"""email = 'it\'s "it"' """) == Equals(("email",), 'it\'s "it"')


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
def test_a_string_that_makes_no_sense_is_refused_with_its_column(text: str, column: int, part: str) -> None:
    with pytest.raises(ConditionError) as refused:
        parse(text)
    assert refused.value.column == column
    assert part in str(refused.value)
    assert str(refused.value).endswith(f"at column {column}")


def nested(depth: int) -> object:
    return {"or": [nested(depth - 2)]} if depth > 1 else {"email": "a"}


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (None, "must be a string or an object"),
        ([], "must be a string or an object"),
        ({}, "must not be empty"),
        ({"plan": "pro"}, "'plan' is no attribute"),
        ({"or": []}, "'or' must be a list"),
        ({"or": {"email": "a"}}, "'or' must be a list"),
        ({"and": ["email = 'a'"]}, "'and' must be a list of conditions"),
        ({"and": [{}]}, "must not be empty"),
        ({"custom_attributes": {}}, "'custom_attributes' must not be compared with an empty object"),
        ({"custom_attributes.plan": ["a"]}, "'custom_attributes.plan' must be compared with one value"),
        ({"custom_attributes..plan": "a"}, "'custom_attributes..plan' is no path"),
        ({"custom_attributes": {"": "a"}}, "'' is no path"),
        ({"email": "ä" * MAX_BYTES}, f"at most {MAX_BYTES} bytes"),
        ("email = '" + "ä" * (MAX_BYTES // 2) + "'", f"at most {MAX_BYTES} bytes"),
        (nested(MAX_DEPTH + 2), f"at most {MAX_DEPTH} deep"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(value: object, part: str) -> None:
    with pytest.raises(ConditionError) as refused:
        parse(value)
    assert part in str(refused.value)
    assert refused.value.column is None


def test_what_nests_as_deep_as_it_may_is_taken() -> None:
    assert parse("(" * MAX_DEPTH + "email = 'a'" + ")" * MAX_DEPTH).matches({"email": "a"})
    assert parse(nested(MAX_DEPTH - 1)).matches({"email": "a"})


# ---- both spellings of any condition mean the same, and what it says

scalars = st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9) | st.text(max_size=5)
names = st.sampled_from(["plan", "a-b", "x.y", "or", "ü"])
paths = st.sampled_from([("email",), ("phone_numbers",)]) | names.map(
    lambda name: ("custom_attributes", *name.split("."))
)
equals = st.builds(Equals, paths, scalars)


def grown(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.builds(And, several) | st.builds(Or, several)


positive: st.SearchStrategy[Condition] = st.recursive(equals, grown, max_leaves=5)
conditions: st.SearchStrategy[Condition] = st.recursive(
    equals, lambda inner: grown(inner) | st.builds(Not, inner), max_leaves=6
)
attributes = st.fixed_dictionaries(
    {
        "email": scalars,
        "phone_numbers": st.lists(scalars, max_size=2),
        "custom_attributes": st.dictionaries(names | st.just("x"), scalars | st.fixed_dictionaries({"y": scalars})),
    }
)


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


def as_object(condition: Condition) -> dict[str, Any]:
    match condition:
        case Equals(path, value):
            return {".".join(path): value}
        case And(several):
            return {"and": [as_object(one) for one in several]}
        case Or(several):
            return {"or": [as_object(one) for one in several]}
    raise AssertionError(condition)


@given(conditions)
def test_a_condition_that_is_spelt_as_a_string_is_read_as_itself(condition: Condition) -> None:
    assert parse(spelt(condition)) == condition


@given(positive)
def test_a_condition_that_is_spelt_as_an_object_is_read_as_itself(condition: Condition) -> None:
    assert parse(as_object(condition)) == condition


@given(conditions, attributes)
def test_not_means_everyone_else(condition: Condition, who: dict[str, Any]) -> None:
    assert parse(f"not ({spelt(condition)})").matches(who) is not condition.matches(who)


def refusal_column(text: str) -> int | None:
    """Where a string is refused, or None if it is not."""
    try:
        parse(text).matches(ADA)
    except ConditionError as refused:
        return refused.column or -1
    return None


@given(st.text(max_size=40) | st.text(alphabet="email='\"()!&|andornot \\u1.*", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    column = refusal_column(text)
    assert column is None or 1 <= column <= len(text) + 1
