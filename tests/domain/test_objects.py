"""Parameters that have parts."""

import json
from typing import Any

import pytest

from gateway.domain.objects import MAX_NESTING, MAX_PROBLEMS, Array, FreeObject, Hash, Object
from gateway.domain.params import Param, Problems, Text

NAME = Text(required=True, max_length=5)


def faults(param: Param, value: Any) -> list[str]:
    """Return the messages of a value."""
    problems: list[str] = []
    param.read(value, "x", problems)
    return problems


def nested(levels: int) -> Any:
    """Return an object within so many others."""
    return json.loads('{"a":' * levels + "1" + "}" * levels)


@pytest.mark.parametrize("value", [{}, {"plan": "pro"}, nested(MAX_NESTING)])
def test_a_free_object_within_its_limits_is_accepted(value: Any) -> None:
    assert faults(Hash(max_bytes=1000), value) == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "Param 'x' must be a hash"),
        ({"a": "b" * 1000}, "Param 'x' must have at most 1000 bytes as JSON"),
        (nested(MAX_NESTING + 1), f"Param 'x' must have at most {MAX_NESTING} levels"),
    ],
)
def test_a_free_object_over_a_limit_is_refused(value: Any, message: str) -> None:
    assert faults(Hash(max_bytes=1000), value) == [message]


@pytest.mark.parametrize("param", [Hash(max_bytes=5), Array(item=NAME, max_items=3), Object(), NAME])
@pytest.mark.parametrize("is_object", [True, False])
def test_the_stand_in_for_a_part_that_is_too_large_to_decode_is_refused(param: Param, is_object: bool) -> None:
    assert faults(param, param.oversized(is_object))


def test_a_list_reports_every_invalid_item_by_its_index() -> None:
    param = Array(item=NAME, max_items=5)
    assert faults(param, ["a", None, "toolong", 3]) == [
        "Param 'x[1]' is missing",
        "Param 'x[2]' must have at most 5 characters",
        "Param 'x[3]' must be a string",
    ]


@pytest.mark.parametrize("value", [[], ["a", "b", "c"]])
def test_a_list_with_a_wrong_number_of_items_is_refused(value: Any) -> None:
    assert faults(Array(item=NAME, min_items=1, max_items=2), value) == ["Param 'x' must have 1 to 2 items"]


def test_a_body_with_very_many_faults_is_not_checked_to_its_end() -> None:
    assert len(faults(Array(item=NAME, max_items=10**6), [1] * 5000)) == MAX_PROBLEMS


def test_an_object_returns_its_known_fields_and_notes_the_others() -> None:
    problems = Problems()
    param = Object(fields={"name": NAME, "note": Text(max_length=5)}, ignored=frozenset(("label",)))
    assert param.read({"name": "a", "label": 1, "nam": 1}, "x", problems) == {"name": "a", "note": None}
    assert [name.path for name in problems.unknown] == ["x.nam"]
    assert problems == []


def test_a_schema_lists_the_fields_and_which_are_required() -> None:
    schema = Object(required=True, name="Thing", fields={"name": NAME, "note": Text(max_length=5)}).schema()
    assert schema["title"] == "Thing"
    assert schema["required"] == ["name"]
    assert schema["properties"]["note"] == {"type": ["string", "null"], "maxLength": 5}


def test_a_free_object_may_stand_where_an_object_with_known_fields_could() -> None:
    free = FreeObject(required=True, name="Free", max_bytes=1000)
    problems = Problems(strict=True)
    assert free.read({"a": {"b": None}}, "", problems) == {"a": {"b": None}}
    assert problems == []
    assert faults(free, []) == ["Param 'x' must be a hash"]
    assert free.shape() == {"title": "Free", "type": "object", "additionalProperties": True, "x-max-bytes": 1000}
    assert "title" not in FreeObject(max_bytes=1).shape()


def test_a_free_object_that_is_nested_too_deeply_to_be_encoded_is_refused() -> None:
    value: dict[str, Any] = {}
    for _ in range(100_000):
        value = {"a": value}
    assert faults(Hash(max_bytes=1000), value) == [f"Param 'x' must have at most {MAX_NESTING} levels"]
    while value:  # freed level by level: the interpreter would nest as deeply
        value = value["a"]


def test_the_schema_of_a_list_has_its_limits_and_the_description_of_its_items() -> None:
    item = Text(max_length=5, description="A name.")
    schema = Array(item=item, min_items=1, max_items=2).shape()
    assert (schema["minItems"], schema["maxItems"], schema["items"]["description"]) == (1, 2, "A name.")
    assert "description" not in Array(item=NAME, max_items=2).shape()["items"]


def test_unknown_names_are_passed_over_where_nothing_notes_them() -> None:
    param = Object(fields={"name": NAME})
    assert faults(param, {"name": "ada"}) == []
    assert faults(param, {"name": "ada", "age": 3}) == []
