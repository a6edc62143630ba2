"""Parameters that have parts: free JSON objects, lists, and objects with known fields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway.domain.params import Param, Problems

MAX_NESTING = 100
"""The most levels of nesting in free JSON. Ruby's parser, which the vendor's gem uses, refuses more."""

MAX_PROBLEMS = 1000
"""A body with this many faults is not checked further: the response would be larger than the body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hash(Param):
    """A free JSON object, bounded by its size as compact JSON and by its nesting."""

    max_bytes: int

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check type, size and nesting."""
        if not isinstance(value, dict):
            problems.append(f"Param '{path}' must be a hash")
        elif _json_size(value) > self.max_bytes:
            problems.append(f"Param '{path}' must have at most {self.max_bytes} bytes as JSON")
        elif _nests_deeper(value, MAX_NESTING):
            problems.append(f"Param '{path}' must have at most {MAX_NESTING} levels")
        return value

    def oversized(self, is_object: bool) -> Any:
        """Return an object that is too large, or an array, which is of the wrong type."""
        return {"": " " * self.max_bytes} if is_object else []

    def shape(self) -> dict[str, Any]:
        """Return the schema. JSON Schema cannot express the size, so that is an extension keyword."""
        return {"type": "object", "additionalProperties": True, "x-max-bytes": self.max_bytes}


def _json_size(value: Any) -> int:
    try:
        return len(msgspec.json.encode(value))
    except RecursionError:
        return 0  # nested too deeply to be encoded, which `check` reports instead of the size


def _nests_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    children = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_nests_deeper(child, levels - 1) for child in children)


@dataclass(frozen=True, slots=True, kw_only=True)
class Array(Param):
    """A list whose items are all of one kind."""

    item: Param
    min_items: int = 0
    max_items: int

    def oversized(self, is_object: bool) -> Any:
        """Return an object, which is of the wrong type."""
        return {}

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check type, length and every item."""
        if not isinstance(value, list):
            problems.append(f"Param '{path}' must be an array")
            return []
        if not self.min_items <= len(value) <= self.max_items:
            problems.append(f"Param '{path}' must have {self.min_items} to {self.max_items} items")
            return []
        found = []
        for index, item in enumerate(value):
            if len(problems) >= MAX_PROBLEMS:
                break
            place = f"{path}[{index}]"
            if item is None:  # an item cannot be absent
                problems.append(f"Param '{place}' is missing")
            else:
                found.append(self.item.check(item, place, problems))
        return found

    def shape(self) -> dict[str, Any]:
        """Return the schema of the limits and the items."""
        limits = {"minItems": self.min_items, "maxItems": self.max_items}
        described = {"description": self.item.description} if self.item.description else {}
        return {"type": "array", "items": {**self.item.shape(), **described}, **limits}


@dataclass(frozen=True, slots=True, kw_only=True)
class Object(Param):
    """An object with known fields. Other names in it are noted as unknown, except those in `ignored`."""

    fields: Mapping[str, Param] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    """Names that clients have reason to send, and that have no meaning here."""
    name: str = ""
    """The name of its component in the OpenAPI document, which generated clients use, too. "" for an inline schema."""
    closed: bool = False
    """Whether the component says that there are no other names, because every body that has the object refuses them."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check type and every known field, and return the known fields, None for each that is absent."""
        if not isinstance(value, dict):
            problems.append(f"Param '{path}' must be a hash")
            return {}
        prefix = f"{path}." if path else ""
        if not value.keys() <= self.fields.keys():
            self.note_unknown(value, prefix, problems)
        # Most fields are absent in most requests, so an absent field must cost next to nothing.
        return {
            name: param.read(given, f"{prefix}{name}", problems)
            if (given := value.get(name)) is not None or param.required
            else None
            for name, param in self.fields.items()
        }

    def note_unknown(self, value: Mapping[str, Any], prefix: str, problems: list[str]) -> None:
        """Note the names in the object that are not among its fields."""
        if isinstance(problems, Problems):
            known = frozenset(self.fields)
            problems.note_unknown(prefix, value.keys() - known - self.ignored, known)

    def shape(self) -> dict[str, Any]:
        """Return the schema of the fields."""
        required = [name for name, param in self.fields.items() if param.required]
        properties = {name: param.schema() for name, param in self.fields.items()}
        named = {"title": self.name} if self.name else {}
        others = {"additionalProperties": False} if self.closed else {}
        needed = {"required": required} if required else {}
        return {**named, "type": "object", "properties": properties, **needed, **others}


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeObject(Object):
    """An object with any fields, bounded like a `Hash`, where an object with known fields could stand."""

    max_bytes: int

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check type, size and nesting."""
        return Hash(max_bytes=self.max_bytes).check(value, path, problems)

    def shape(self) -> dict[str, Any]:
        """Return the schema of any object."""
        named = {"title": self.name} if self.name else {}
        return {**named, **Hash(max_bytes=self.max_bytes).shape()}
