"""The types of responses that repeat what was saved."""

from typing import Any

import msgspec

from gateway.api.core.answer_types import answer_type
from gateway.channels.secret_param import Secret
from gateway.domain.objects import Array, FreeObject, Hash, Object
from gateway.domain.params import Choice, Integer, OutboundUrl, Real, Switch, Text

TEXT = Text(required=True, max_length=5)
THING = Object(
    name="Thing",
    description="A thing.",
    fields={
        "from": TEXT,
        "key": Secret(required=True, value=TEXT, description="A key."),
        "size": Integer(least=0, most=9),
        "weight": Real(least=0, most=9),
        "sort": Choice(options=("a", "b")),
        "on": Switch(),
        "url": OutboundUrl(),
        "free": Hash(max_bytes=9),
        "others": Array(item=Object(fields={"name": TEXT}), max_items=2),
        "note": Text(max_length=5),
        "inner_part": Object(required=True, fields={"config": FreeObject(max_bytes=9)}),
    },
)


def test_a_saved_object_has_its_type_and_nothing_else() -> None:
    kind = answer_type(THING, "SavedThing", nullable=("note",))
    value = {
        "from": "x",
        "key": "********",
        "size": 1,
        "weight": 0.5,
        "sort": "b",
        "on": True,
        "url": "https://example.com",
        "free": {"a": None},
        "others": [{"name": "n"}],
        "note": None,
        "inner_part": {"config": {"b": 1}},
    }
    assert msgspec.to_builtins(msgspec.convert(value, kind)) == value
    least: dict[str, Any] = {"from": "x", "key": "k", "note": None, "inner_part": {}}
    assert msgspec.to_builtins(msgspec.convert(least, kind)) == least


def test_its_schema_names_every_object_and_has_the_descriptions() -> None:
    (schema,), components = msgspec.json.schema_components([answer_type(THING, "SavedThing", ("note",))])
    assert schema == {"$ref": "#/$defs/SavedThing"}
    assert set(components) == {"SavedThing", "SavedThingInnerPart", "SavedThingOthersItem"}
    described = components["SavedThing"]
    assert described["description"] == "A thing."
    assert described["required"] == ["from", "key", "note", "inner_part"]
    assert described["properties"]["key"] == {"type": "string", "description": "A key."}
    assert described["properties"]["url"]["format"] == "uri"
