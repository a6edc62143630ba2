"""Conditions: the users for which they hold, and the paths of attributes."""

import pytest
from hypothesis import given

from gateway.domain.condition import (
    ROOTS,
    And,
    Condition,
    ConditionError,
    Equals,
    Everyone,
    Not,
    Or,
    all_of,
    any_of,
    attribute_path,
    path_names,
)
from tests.domain.conditions import ADA, attributes, conditions

ADA_IS_FIRST = Equals(("first_name",), "Ada")
BOB_IS_FIRST = Equals(("first_name",), "Bob")


@pytest.mark.parametrize(
    ("path", "value", "holds"),
    [
        ("email", "a@b.c", True),
        ("email", "A@b.c", False),
        ("custom_attributes.seats", 3, True),
        ("custom_attributes.seats", 3.0, True),
        ("custom_attributes.seats", "3", False),
        ("custom_attributes.trial", False, True),
        ("custom_attributes.trial", 0, False),
        ("custom_attributes.address.city", "Köln", True),
        ("custom_attributes.dotted.name", "x", True),
        ("custom_attributes.unknown", None, True),
        ("custom_attributes.plan.deeper", None, True),
        ("last_name", None, True),
        ("phone_numbers", "+2", True),
        ("phone_numbers", "+3", False),
        ("custom_attributes.tags", 1, True),
        ("custom_attributes.tags", True, False),
        ("phone_numbers", ["+1", "+2"], True),
    ],
)
def test_an_attribute_equals_a_value_as_in_json_and_a_list_each_of_its_items(
    path: str, value: object, holds: bool
) -> None:
    assert Equals(attribute_path(path), value).matches(ADA) is holds


def test_conditions_combine() -> None:
    assert Everyone().matches({})
    assert And((ADA_IS_FIRST, Not(BOB_IS_FIRST))).matches(ADA)
    assert not And((ADA_IS_FIRST, BOB_IS_FIRST)).matches(ADA)
    assert Or((ADA_IS_FIRST, BOB_IS_FIRST)).matches(ADA)
    assert not Or((BOB_IS_FIRST,)).matches(ADA)


def test_a_single_condition_is_not_combined() -> None:
    assert all_of([ADA_IS_FIRST]) is ADA_IS_FIRST
    assert any_of([ADA_IS_FIRST]) is ADA_IS_FIRST
    assert all_of([ADA_IS_FIRST, BOB_IS_FIRST]) == And((ADA_IS_FIRST, BOB_IS_FIRST))
    assert any_of([ADA_IS_FIRST, BOB_IS_FIRST]) == Or((ADA_IS_FIRST, BOB_IS_FIRST))


def test_a_path_begins_with_an_attribute_of_a_user_or_with_user() -> None:
    assert attribute_path("user.custom_attributes.plan") == ("custom_attributes", "plan")
    assert attribute_path("email") == ("email",)
    with pytest.raises(ConditionError, match=f"there are {', '.join(ROOTS)} at column 7") as error:
        attribute_path("user.plan", 7)
    assert error.value.column == 7
    with pytest.raises(ConditionError, match="'user' is no attribute"):
        attribute_path("user")


def test_no_name_of_a_path_is_missing() -> None:
    assert path_names("a.b") == ("a", "b")
    with pytest.raises(ConditionError, match=r"'a\.\.b' is no path") as error:
        path_names("a..b")
    assert error.value.column is None


@given(conditions, attributes)
def test_a_negation_holds_for_all_others(condition: Condition, user: dict[str, object]) -> None:
    assert Not(condition).matches(user) is not condition.matches(user)
