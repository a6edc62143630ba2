"""Conditions in requests: objects, strings, everyone, and their bounds."""

from typing import Any

import pytest
from hypothesis import given

from gateway.domain.condition import MAX_BYTES, MAX_DEPTH, And, Condition, ConditionError, Equals, Everyone, Or
from gateway.domain.condition_reader import read_condition
from tests.domain.conditions import ADA, positive


def test_a_string_is_a_condition_and_a_star_is_everyone() -> None:
    assert read_condition("email = 'a@b.c'") == Equals(("email",), "a@b.c")
    assert read_condition("*") == read_condition(" * ") == Everyone()


@pytest.mark.parametrize(
    ("value", "holds"),
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
def test_an_object_holds_if_all_of_its_entries_do(value: object, holds: bool) -> None:
    assert read_condition(value).matches(ADA) is holds


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
def test_an_invalid_value_is_rejected(value: object, part: str) -> None:
    with pytest.raises(ConditionError) as refused:
        read_condition(value)
    assert part in str(refused.value)
    assert refused.value.column is None


def test_an_object_may_nest_as_deep_as_the_bound() -> None:
    assert read_condition(nested(MAX_DEPTH - 1)).matches({"email": "a"})


def as_object(condition: Condition) -> dict[str, Any]:
    match condition:
        case Equals(path, value):
            return {".".join(path): value}
        case And(several):
            return {"and": [as_object(one) for one in several]}
        case Or(several):
            return {"or": [as_object(one) for one in several]}
    raise AssertionError(condition)


@given(positive)
def test_a_condition_that_is_spelt_as_an_object_is_read_as_itself(condition: Condition) -> None:
    assert read_condition(as_object(condition)) == condition
