"""Request bodies as components of the OpenAPI document."""

from typing import Any

import pytest

from gateway.api.core.body import Body
from gateway.api.core.body_components import BodyComponents
from gateway.domain.objects import Array, FreeObject, Object
from gateway.domain.params import Text

PART = Object(name="Part", fields={"title": Text(max_length=5)}, description="A part.")


def body(**fields: Any) -> Body:
    """Return a body with these fields."""
    return Body("thing", Object(required=True, name="Thing", fields=fields), example={"part": {}})


def test_a_wrapped_body_is_a_component_that_refers_to_its_object() -> None:
    components: dict[str, Any] = {}
    described = BodyComponents(components).described(body(part=PART), is_closed=False)
    assert described == {"schema": {"$ref": "#/components/schemas/ThingBody"}, "example": {"thing": {"part": {}}}}
    assert components["ThingBody"]["properties"] == {"thing": {"$ref": "#/components/schemas/Thing"}}


def test_an_optional_object_with_a_name_is_null_or_a_reference_and_keeps_its_description() -> None:
    components: dict[str, Any] = {}
    BodyComponents(components).described(body(part=PART), is_closed=False)
    assert components["Thing"]["properties"]["part"] == {
        "anyOf": [{"$ref": "#/components/schemas/Part"}, {"type": "null"}],
        "description": "A part.",
    }


def test_a_field_that_is_called_title_does_not_name_a_component() -> None:
    components: dict[str, Any] = {}
    BodyComponents(components).described(body(part=PART), is_closed=False)
    assert components["Part"]["properties"]["title"] == {"type": ["string", "null"], "maxLength": 5}


def test_a_closed_body_allows_no_other_properties() -> None:
    components: dict[str, Any] = {}
    BodyComponents(components).described(body(), is_closed=True)
    assert components["Thing"]["additionalProperties"] is False
    assert components["ThingBody"]["additionalProperties"] is False


def test_the_objects_in_a_closed_body_are_closed_too_and_free_objects_are_not() -> None:
    components: dict[str, Any] = {}
    fields = {"parts": Array(item=PART, max_items=3), "inner": Object(), "free": FreeObject(max_bytes=9)}
    BodyComponents(components).described(body(**fields), is_closed=True)
    assert "additionalProperties" not in components["Part"]  # other bodies refer to it
    properties = components["Thing"]["properties"]
    assert properties["inner"]["additionalProperties"] is False
    assert properties["free"]["additionalProperties"] is True


def test_items_with_a_name_are_references() -> None:
    components: dict[str, Any] = {}
    BodyComponents(components).described(body(parts=Array(item=PART, max_items=3)), is_closed=False)
    items = components["Thing"]["properties"]["parts"]["items"]
    assert items["$ref"] == "#/components/schemas/Part"


def test_two_components_of_one_name_are_an_error() -> None:
    bodies = BodyComponents({})
    bodies.described(body(part=PART), is_closed=False)
    with pytest.raises(ValueError, match="two components are called Thing"):
        bodies.described(body(other=PART), is_closed=False)
