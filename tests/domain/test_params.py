"""Parameters of single values."""

import re
from typing import Any

import pytest

from gateway.domain.params import (
    Anything,
    Choice,
    FormedText,
    Integer,
    OutboundUrl,
    Param,
    Problems,
    Real,
    Switch,
    Text,
)
from gateway.domain.unknown_names import MAX_NAMED
from tests.outbound import LOOPBACK


def faults(param: Param, value: Any) -> list[str]:
    """Return the messages of a value."""
    problems: list[str] = []
    param.read(value, "x", problems)
    return problems


TITLE = Text(required=True, max_length=5)
EMAIL = Text(max_length=50, email=True, absent_if_empty=True)
APP_ID = FormedText(max_length=20, min_length=3, pattern=r"[a-z]+(\.[a-z]+)*", form="an id such as com.example.app")
PLATFORM = Choice(options=("ios", "android"))
COUNT = Integer(least=0, most=10)


@pytest.mark.parametrize(
    ("param", "value", "message"),
    [
        (TITLE, None, "Param 'x' is missing"),
        (TITLE, " ", "Param 'x' is missing"),
        (TITLE, 5, "Param 'x' must be a string"),
        (TITLE, "123456", "Param 'x' must have at most 5 characters"),
        (Text(max_length=5, filled=True), "", "Param 'x' must not be empty"),
        (EMAIL, "nobody", "Param 'x' must be an email address"),
        (APP_ID, 5, "Param 'x' must be a string"),
        (APP_ID, "ab", "Param 'x' must have at least 3 characters"),
        (APP_ID, "com..app", "Param 'x' must be an id such as com.example.app"),
        (APP_ID, "com.app\n", "Param 'x' must be an id such as com.example.app"),
        (PLATFORM, "web", "Param 'x' must be one of ios, android"),
        (Switch(), 1, "Param 'x' must be true or false"),
        (COUNT, True, "Param 'x' must be a whole number"),
        (COUNT, 1.5, "Param 'x' must be a whole number"),
        (COUNT, 11, "Param 'x' must be from 0 to 10"),
        (Real(least=0, most=1), "0", "Param 'x' must be a number"),
        (Real(least=0, most=1), True, "Param 'x' must be a number"),
        (Real(least=0, most=1), 1.5, "Param 'x' must be from 0 to 1"),
    ],
)
def test_an_invalid_value_is_reported_in_the_words_of_the_contract(param: Param, value: Any, message: str) -> None:
    assert faults(param, value) == [message]


@pytest.mark.parametrize(
    ("param", "value", "read"),
    [
        (TITLE, "12345", "12345"),
        (EMAIL, " ada@example.com ", " ada@example.com "),
        (EMAIL, "", None),
        (APP_ID, "com.app", "com.app"),
        (PLATFORM, None, None),
        (Switch(), False, False),
        (COUNT, 3.0, 3),
        (Real(least=0, most=1), 0.5, 0.5),
        (Anything(), {"a": [1]}, {"a": [1]}),
    ],
)
def test_a_valid_value_is_returned(param: Param, value: Any, read: Any) -> None:
    problems: list[str] = []
    assert param.read(value, "x", problems) == read
    assert problems == []


def test_the_schema_of_an_optional_value_allows_null_and_keeps_the_description() -> None:
    assert COUNT.schema() == {"type": ["integer", "null"], "minimum": 0, "maximum": 10}
    assert Switch(required=True, description="On?").schema() == {"type": "boolean", "description": "On?"}


@pytest.mark.parametrize(("text", "valid"), [("ada@example.com", True), (" a@b ", True), ("", True), ("ada", False)])
def test_the_pattern_of_an_email_accepts_what_the_parameter_accepts(text: str, valid: bool) -> None:
    assert bool(re.search(EMAIL.schema()["pattern"], text)) is valid
    assert (faults(EMAIL, text) == []) is valid


def test_the_schema_of_a_formed_text_has_its_minimum_length_and_its_pattern() -> None:
    assert APP_ID.shape() == {
        "type": "string",
        "minLength": 3,
        "maxLength": 20,
        "pattern": r"^(?:[a-z]+(\.[a-z]+)*)$",
    }
    assert FormedText(max_length=5).shape() == Text(max_length=5).shape()


def test_unknown_names_are_faults_only_if_strict_and_a_bounded_number_is_noted() -> None:
    names = [f"n{number}" for number in range(1000)]
    for strict in (False, True):
        problems = Problems(strict)
        problems.note_unknown("x.", names, frozenset(("name",)))
        assert len(problems.unknown) == 2 * MAX_NAMED
        assert len(problems) == (2 * MAX_NAMED if strict else 0)


def test_an_outbound_url_is_checked_by_the_rules_of_the_body() -> None:
    url = OutboundUrl(required=True, max_length=30)
    assert faults(url, "https://example.com/x") == []
    assert faults(url, 5) == ["Param 'x' must be a string"]
    assert faults(url, "https://example.com/" + "x" * 30) == ["Param 'x' must have at most 30 characters"]
    assert faults(url, "https://10.0.0.1/") == [
        "Param 'x' must have a public address, or one in INBOX_OUTBOUND_ALLOWED_NETWORKS"
    ]
    for problems in (Problems(), Problems(outbound=LOOPBACK)):
        url.read("http://127.0.0.1:1/", "x", problems)
        assert problems == (
            []
            if problems.outbound.allowed_networks
            else ["Param 'x' must have a public address, or one in INBOX_OUTBOUND_ALLOWED_NETWORKS"]
        )
    assert url.shape() == {"type": "string", "format": "uri", "minLength": 1, "maxLength": 30}


def test_a_choice_is_one_of_its_options() -> None:
    param = Choice(options=("ios", "android"))
    assert faults(param, "ios") == []
    assert faults(param, "web") == ["Param 'x' must be one of ios, android"]


def test_schemas_have_the_options_and_the_range_of_a_value() -> None:
    assert Choice(options=("a", "b")).shape() == {"type": "string", "enum": ["a", "b"]}
    assert Real(least=0, most=1.5).shape() == {"type": "number", "minimum": 0, "maximum": 1.5}
    assert Anything().shape() == {}
