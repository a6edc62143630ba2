"""The declaration of bodies, and how they are decoded and checked."""

import codecs

import pytest

from gateway.api.core.body import Body, read_body
from gateway.domain.errors import ApiError
from gateway.domain.objects import Object
from gateway.domain.params import Problems, Text

THING = Object(required=True, fields={"name": Text(required=True, max_length=5), "note": Text(max_length=5)})


def test_the_fields_of_a_wrapped_body_are_returned_with_none_for_those_that_are_absent() -> None:
    assert read_body(b'{"thing":{"name":"a"}}', "thing", THING) == {"name": "a", "note": None}


def test_a_body_without_a_wrapper_is_the_object_itself() -> None:
    assert read_body(b'{"name":"a","note":"b"}', "", THING) == {"name": "a", "note": "b"}


def test_a_byte_order_mark_is_ignored() -> None:
    assert read_body(codecs.BOM_UTF8 + b'{"name":"a"}', "", THING)["name"] == "a"


@pytest.mark.parametrize("body", [b"", b"{", b'{"name":"\xff"}', b"[" * 100_000])
def test_a_body_that_is_not_json_is_a_400(body: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        read_body(body, "", THING)
    assert refused.value.status == 400
    assert str(refused.value).startswith("The body is not valid JSON: ")


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        (b"[]", ["The body must be a JSON object"]),
        (b"{}", ["Param 'thing' is missing"]),
        (b'{"thing":3}', ["Param 'thing' must be a hash"]),
        (b'{"thing":{"note":"toolong"}}', ["Param 'thing.name' is missing", "Param 'thing.note' must have at most 5"]),
    ],
)
def test_every_fault_of_a_body_has_an_entry(body: bytes, messages: list[str]) -> None:
    with pytest.raises(ApiError) as refused:
        read_body(body, "thing", THING)
    assert refused.value.status == 422
    found = [problem.message for problem in refused.value.problems]
    assert all(text.startswith(start) for text, start in zip(found, messages, strict=True))


def test_unknown_names_inside_and_beside_the_wrapper_are_noted() -> None:
    problems = Problems()
    read_body(b'{"thing":{"name":"a","nam":1},"thingy":1}', "thing", THING, problems=problems)
    assert [(name.path, name.nearest) for name in problems.unknown] == [("thingy", "thing"), ("thing.nam", "name")]


def test_wrapping_an_object_and_reading_the_whole_are_inverse() -> None:
    body = Body("thing", THING, example={"name": "a"})
    assert body.wrapped(body.example) == {"thing": {"name": "a"}}
    assert body.whole.read(body.wrapped(body.example), "", []) == {"thing": {"name": "a", "note": None}}
    assert Body("", THING, example={}).whole is THING
