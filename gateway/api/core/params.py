"""Parameters: what a body may hold, declared once to read it and to describe it in the OpenAPI document.

Reading names every failing field. The messages are those of the v1 contract: `Param 'notification.title' is missing`.
"""

import codecs
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway.api.core.unknown import MAX_NAMED, UnknownName, nearest_name
from gateway.domain.errors import ErrorCode, invalid, malformed_body

MAX_NESTING = 100
"""How deep free JSON may nest: Ruby's parser, and so the vendor's gem, reads no deeper."""

MAX_PROBLEMS = 1000
"""Once a body has so many faults the rest of its lists is not looked at: the answer would be larger than the body."""

SMALL_BODY_BYTES = 64 * 1024
"""Several times what a body without long lists needs, however its JSON is written."""

LISTS_BODY_BYTES = 256 * 1024
"""Enough for a user's longest lists: 250 categories, each with its channels or a reason."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")

_SPACE = r"\s\x1c-\x1f\x85"
"""Python's white space in the words of ECMA-262, whose `\\s` is not quite the same, for JSON Schema patterns."""


class Problems(list[str]):
    """What is wrong with a body, a message each; and the names in it that no parameter reads.

    With `strict` such a name is wrong.
    """

    __slots__ = ("_strict", "unknown")

    def __init__(self, strict: bool = False) -> None:
        super().__init__()
        self.unknown: list[UnknownName] = []
        self._strict = strict

    def note_unknown(self, prefix: str, names: Iterable[str], known: frozenset[str]) -> None:
        """Take note of names that are not known beside the known ones. Of very many it leaves some out."""
        for name in sorted(names):
            if len(self.unknown) >= 2 * MAX_NAMED:
                return
            found = UnknownName(f"{prefix}{name}", nearest_name(name, known))
            self.unknown.append(found)
            if self._strict:
                self.append(found.message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Param(ABC):
    """One parameter. `read` gives its value, None when absent, and adds a message for whatever is wrong."""

    required: bool = False
    description: str = ""

    def read(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check a decoded value; `path` names it in messages."""
        if value is None:
            if self.required:
                problems.append(f"Param '{path}' is missing")
            return None
        return self.check(value, path, problems)

    @abstractmethod
    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check a value that is present."""

    def oversized(self, is_object: bool) -> Any:
        """Return what stands for a JSON object or array that is too large to be decoded: nothing that `check` takes."""
        return {} if isinstance(self, Array) else []

    def schema(self) -> dict[str, Any]:
        """Say in JSON Schema what `read` takes. Null is as good as absent."""
        schema = self.shape()
        if not self.required and "type" in schema:
            schema["type"] = [schema["type"], "null"]
        return {**schema, "description": self.description} if self.description else schema

    @abstractmethod
    def shape(self) -> dict[str, Any]:
        """Say in JSON Schema what `check` takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anything(Param):
    """A value that whoever reads it checks."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Take it as it is."""
        return value

    def shape(self) -> dict[str, Any]:
        """Ask nothing."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Param):
    """A string. A required one must not be empty; with `filled`, none must; with `absent_if_empty`, "" is like null."""

    max_length: int
    email: bool = False
    filled: bool = False
    absent_if_empty: bool = False

    def read(self, value: Any, path: str, problems: list[str]) -> Any:
        """Return the checked text, None when it is absent."""
        return Param.read(self, None if self.absent_if_empty and value == "" else value, path, problems)

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check type, length and form."""
        if not isinstance(value, str):
            problems.append(f"Param '{path}' must be a string")
        elif self.required and not value.strip():
            problems.append(f"Param '{path}' is missing")
        elif self.filled and not value.strip():
            problems.append(f"Param '{path}' must not be empty")
        elif len(value) > self.max_length:
            problems.append(f"Param '{path}' must have at most {self.max_length} characters")
        elif self.email and not _EMAIL.fullmatch(value.strip()):
            problems.append(f"Param '{path}' must be an email address")
        return value

    def shape(self) -> dict[str, Any]:
        """Name the length and the form."""
        shape: dict[str, Any] = {"type": "string", "maxLength": self.max_length}
        if self.email:
            address = _EMAIL.pattern.replace(r"\s", _SPACE)
            shape["pattern"] = rf"^(\s*{address}\s*)?$" if self.absent_if_empty else rf"^\s*{address}\s*$"
        elif self.required or self.filled:
            shape |= {"minLength": 1, "pattern": f"[^{_SPACE}]"}
        return shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Param):
    """One of a few words."""

    options: tuple[str, ...]

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check that it is one of them."""
        if value not in self.options:
            problems.append(f"Param '{path}' must be one of {', '.join(self.options)}")
        return value

    def shape(self) -> dict[str, Any]:
        """List the words."""
        return {"type": "string", "enum": list(self.options)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch(Param):
    """True or false."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check the type: a number or a word is neither."""
        if not isinstance(value, bool):
            problems.append(f"Param '{path}' must be true or false")
        return value

    def shape(self) -> dict[str, Any]:
        """Say that it is one of two."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer(Param):
    """A whole number in a range."""

    least: int
    most: int

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check type and range; JSON has one kind of number, so 1.0 is whole."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            problems.append(f"Param '{path}' must be a whole number")
        elif not self.least <= value <= self.most:
            problems.append(f"Param '{path}' must be from {self.least} to {self.most}")
        return value

    def shape(self) -> dict[str, Any]:
        """Name the range."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


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
        """Return an object that is too large, unless it is an array."""
        return {"": " " * self.max_bytes} if is_object else []

    def shape(self) -> dict[str, Any]:
        """Name the size, for which JSON Schema has no word."""
        return {"type": "object", "additionalProperties": True, "x-max-bytes": self.max_bytes}


def _json_size(value: Any) -> int:
    try:
        return len(msgspec.json.encode(value))
    except RecursionError:
        return 0  # what could just be decoded; its nesting is what is wrong with it


def _nests_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    children = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_nests_deeper(child, levels - 1) for child in children)


@dataclass(frozen=True, slots=True, kw_only=True)
class Array(Param):
    """A list of one kind of parameter."""

    item: Param
    min_items: int = 0
    max_items: int

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
        """Name the limits and the items."""
        limits = {"minItems": self.min_items, "maxItems": self.max_items}
        described = {"description": self.item.description} if self.item.description else {}
        return {"type": "array", "items": {**self.item.shape(), **described}, **limits}


@dataclass(frozen=True, slots=True, kw_only=True)
class Object(Param):
    """An object with known fields. What else it holds is noted in Problems, unless it is among `ignored`."""

    fields: Mapping[str, Param] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    """Names that clients rightly send, and that mean nothing here."""
    name: str = ""
    """What the OpenAPI document calls it, and so generated clients; "" describes it where it stands."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check type and every known field; give the known ones."""
        if not isinstance(value, dict):
            problems.append(f"Param '{path}' must be a hash")
            return {}
        prefix = f"{path}." if path else ""
        if not value.keys() <= self.fields.keys():
            self.note_unknown(value, prefix, problems)
        # Most fields are absent in most requests: those cost nothing more.
        return {
            name: param.read(given, f"{prefix}{name}", problems)
            if (given := value.get(name)) is not None or param.required
            else None
            for name, param in self.fields.items()
        }

    def note_unknown(self, value: Mapping[str, Any], prefix: str, problems: list[str]) -> None:
        """Take note of what the object holds besides its fields."""
        if isinstance(problems, Problems):
            known = frozenset(self.fields)
            problems.note_unknown(prefix, value.keys() - known - self.ignored, known)

    def shape(self) -> dict[str, Any]:
        """Name the fields."""
        required = [name for name, param in self.fields.items() if param.required]
        properties = {name: param.schema() for name, param in self.fields.items()}
        named = {"title": self.name} if self.name else {}
        return {**named, "type": "object", "properties": properties} | ({"required": required} if required else {})


@dataclass(frozen=True, slots=True)
class Body:
    """What a request's body is: `{root: {…}}`, or the object itself if `root` is "". `example` is such an object."""

    root: str
    param: Object
    example: Mapping[str, Any]
    refusals: tuple[ErrorCode, ...] = ()
    """What a body may be answered with that is well-formed, and yet not taken."""
    max_bytes: int | None = SMALL_BODY_BYTES
    """How large it may be; None: as large as INBOX_MAX_BODY_BYTES says."""

    @property
    def whole(self) -> Object:
        """The parameter of the whole body, its wrapper included."""
        return Object(fields={self.root: self.param}) if self.root else self.param

    def wrapped(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """Put an object where its body has it."""
        return {self.root: dict(value)} if self.root else dict(value)


def read_body(
    body: bytes,
    root: str,
    param: Object,
    decode: Callable[[bytes], Any] = msgspec.json.decode,
    problems: Problems | None = None,
) -> dict[str, Any]:
    """Decode a body `{root: {…}}`, or without a wrapper, and return the object's fields. Raises ApiError 400 or 422.

    `problems` is for the caller to read which names are not known.
    """
    try:
        # A byte order mark is no JSON, but a reader may ignore one (RFC 8259, 8.1); .NET clients send it.
        decoded = decode(body.removeprefix(codecs.BOM_UTF8))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise malformed_body(f"The body is not valid JSON: {problem}") from None
    if not isinstance(decoded, dict):
        raise invalid("The body must be a JSON object")
    problems = Problems() if problems is None else problems
    if root and len(decoded) > 1:
        problems.note_unknown("", decoded.keys() - {root}, frozenset((root,)))
    values = param.read(decoded.get(root) if root else decoded, root, problems)
    if problems:
        raise invalid(*problems)
    return dict(values)
