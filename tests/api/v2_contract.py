"""The contract of v2, as facts: each operation with its path, its body, its limits, its status and its response.

`v2_contract.json` has the operations and, by name, the shapes of bodies and responses. A shape is a field with a type:

    type       object, array, string, integer, number or boolean
    required   the object must have the field
    nullable   the field may be null
    min, max   length of a string, number of items, or least value
    pattern, format, enum
    fields     of an object; without it the object is free
    items      of an array
    shape      the field has this shape

The `answer` of an operation is a shape, `body` for the body as it was saved, or `{"list": shape}` for a page with
`data` and `links`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gateway.api.core.operation import AnyOperation
from gateway.api.core.unbuilt import NOT_BUILT
from gateway.api.operations import OPERATIONS, document

_FACTS = json.loads(Path(__file__).with_suffix(".json").read_text())

DOCUMENT = document()

Shape = Mapping[str, Any]


def shape_of(name: str | Shape) -> Shape:
    """Return a shape without references to other shapes."""
    return _resolved(_FACTS["shapes"][name] if isinstance(name, str) else name)


def _resolved(shape: Shape) -> Shape:
    if "shape" in shape:
        return {**shape_of(shape["shape"]), **{name: value for name, value in shape.items() if name != "shape"}}
    resolved = dict(shape)
    if "fields" in shape:
        resolved["fields"] = {name: _resolved(field) for name, field in shape["fields"].items()}
    if "items" in shape:
        resolved["items"] = _resolved(shape["items"])
    return resolved


@dataclass(frozen=True)
class Contracted:
    """An operation of the contract."""

    method: str
    path: str
    status: int
    body: Shape | None
    answer: Shape | None
    query: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @cached_property
    def row(self) -> AnyOperation | None:
        """The row of the route table that a request for this operation reaches."""
        address = "/v2" + re.sub(r"{\w+}", "x", self.path)
        return next((row for row in OPERATIONS if row.method == self.method and _matches(row, address)), None)

    @property
    def is_built(self) -> bool:
        """Whether the row is that of the operation, and not one that responds with 501."""
        return self.row is not None and self.row.success is not NOT_BUILT

    @property
    def described(self) -> Any:
        """The operation in the OpenAPI document, None if it is not there with the same path."""
        wanted = re.sub(r"{\w+}", "{}", f"/v2{self.path}")
        for path, methods in DOCUMENT["paths"].items():
            if re.sub(r"{\w+}", "{}", path) == wanted:
                return methods.get(self.method.lower())
        return None


def _matches(row: AnyOperation, address: str) -> bool:
    pattern = re.sub(r"{\w+:path}", ".+", row.path)
    return bool(re.fullmatch(re.sub(r"{\w+}", "[^/]+", pattern), address))


def _operations() -> Iterator[Contracted]:
    for fact in _FACTS["operations"]:
        body = shape_of(fact["body"]) if "body" in fact else None
        answer = fact.get("answer")
        if isinstance(answer, dict) and "list" in answer:
            links = {name: {"type": "string", "nullable": name != "first"} for name in ("first", "next", "prev")}
            fields = {
                "data": {"type": "array", "items": shape_of(answer["list"]), "required": True},
                "links": {"type": "object", "fields": links, "required": True},
            }
            answer = {"type": "object", "fields": fields}
        elif answer == "body":
            answer = body
        elif answer is not None:
            answer = shape_of(answer)
        query = tuple(fact.get("query", ()))
        yield Contracted(fact["method"], fact["path"], fact["status"], body, answer, query)


CONTRACT = list(_operations())
BUILT = [operation for operation in CONTRACT if operation.is_built]
