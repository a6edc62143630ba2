"""Query parameters."""

import re
from typing import Any

import pytest

from gateway.api.core.query import Flag, Formed, Number, Texts, read_query, total_pages
from gateway.domain.errors import ApiError

PARAMS = (
    Number("page", "Page.", default=1, least=1, most=100),
    Flag("read", "Read."),
    Texts("topics", "Topics.", max_items=3, max_length=5),
    Formed("month", "Month.", "a month", "[0-9]{4}-[0-9]{2}"),
)


def read(*fields: tuple[str, str]) -> dict[str, Any]:
    """Return the values of a query string."""
    return read_query(fields, PARAMS)


def test_absent_parameters_have_their_defaults() -> None:
    assert read() == {"page": 1, "read": None, "topics": (), "month": None}


@pytest.mark.parametrize("name", ["page", "read", "month"])
def test_an_empty_value_is_an_absent_one_and_the_last_of_several_counts(name: str) -> None:
    assert read((name, "")) == read()
    assert read(("page", "3"), ("page", "4"))["page"] == 4


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("False", False), ("0", False)])
def test_a_flag_is_read_in_every_form(text: str, value: bool) -> None:
    assert read(("read", text))["read"] is value


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        ([("topics", "a"), ("topics", "b")], ("a", "b")),
        ([("topics", "a,b,a,")], ("a", "b")),
        ([("topics[]", "a,b"), ("topics[]", "c")], ("a,b", "c")),
    ],
)
def test_a_list_is_read_in_every_form(fields: list[tuple[str, str]], values: tuple[str, ...]) -> None:
    assert read(*fields)["topics"] == values


def test_every_invalid_parameter_is_named() -> None:
    with pytest.raises(ApiError) as refused:
        read(("page", "0"), ("read", "yes"), ("topics", "a,b,c,toolong"), ("month", "May"))
    assert [problem.message for problem in refused.value.problems] == [
        "Param 'page' must be a number from 1 to 100",
        "Param 'read' must be true or false",
        "Param 'topics' must have at most 3 items",
        "Param 'topics' must have at most 5 characters in each item",
        "Param 'month' must be a month",
    ]


def test_schemas_describe_the_accepted_values() -> None:
    page, flag, topics, month = (param.schema() for param in PARAMS)
    assert page == {"type": "integer", "minimum": 1, "maximum": 100, "default": 1}
    assert flag == {"type": "boolean"}
    assert topics == {"type": "array", "maxItems": 3, "items": {"type": "string", "maxLength": 5}}
    assert re.search(month["pattern"], "2026-03")


@pytest.mark.parametrize(("total", "pages"), [(0, 1), (1, 1), (15, 1), (16, 2)])
def test_an_empty_list_has_one_page(total: int, pages: int) -> None:
    assert total_pages(total, 15) == pages
