"""Parameters: the values in a body, declared once to read them and to describe them in the OpenAPI document.

Reading reports every invalid field. The messages are those of the v1 contract: `Param 'notification.title' is missing`.
This module has the parameters of single values, and `objects` those that have parts.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gateway.domain.outbound import MAX_URL_LENGTH, PUBLIC_ONLY, OutboundRules
from gateway.domain.unknown_names import MAX_NAMED, UnknownName, nearest_name

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")

_SPACE = r"\s\x1c-\x1f\x85"
"""The white space of Python's `\\s` as an ECMA-262 character class, for JSON Schema: there, `\\s` differs slightly."""


class Problems(list[str]):
    """A message for each fault of a body, and the names in it that no parameter reads.

    With `strict`, such a name is a fault. `outbound` are the rules for addresses to which the gateway shall connect.
    """

    __slots__ = ("_strict", "outbound", "unknown")

    def __init__(self, strict: bool = False, outbound: OutboundRules = PUBLIC_ONLY) -> None:
        super().__init__()
        self.unknown: list[UnknownName] = []
        self.outbound = outbound
        self._strict = strict

    def note_unknown(self, prefix: str, names: Iterable[str], known: frozenset[str]) -> None:
        """Note names that are not known. At most `2 * MAX_NAMED` are noted; `prefix` is the path of their object."""
        for name in sorted(names):
            if len(self.unknown) >= 2 * MAX_NAMED:
                return
            found = UnknownName(f"{prefix}{name}", nearest_name(name, known))
            self.unknown.append(found)
            if self._strict:
                self.append(found.message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Param(ABC):
    """One parameter. A subclass checks values of one kind, and describes them in JSON Schema."""

    required: bool = False
    description: str = ""

    def read(self, value: Any, path: str, problems: list[str]) -> Any:
        """Return the value of a decoded field, None if it is absent, and add a message for each fault.

        `path` names the field in messages. Null is the same as absent.
        """
        if value is None:
            if self.required:
                problems.append(f"Param '{path}' is missing")
            return None
        return self.check(value, path, problems)

    @abstractmethod
    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Return the value of a field that is present, and add a message for each fault."""

    def oversized(self, is_object: bool) -> Any:
        """Return a stand-in for an object or array that is too large to be decoded: a value that `check` refuses."""
        return []

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the values that `read` accepts. Null is the same as absent."""
        schema = self.shape()
        if not self.required and "type" in schema:
            schema["type"] = [schema["type"], "null"]
        return {**schema, "description": self.description} if self.description else schema

    @abstractmethod
    def shape(self) -> dict[str, Any]:
        """Return the JSON Schema of the values that `check` accepts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anything(Param):
    """Any value. The handler checks it."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Return the value as it is."""
        return value

    def shape(self) -> dict[str, Any]:
        """Return the schema of any value."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Param):
    """A string.

    A required string must not be blank. With `filled`, an optional one must not be blank either. With
    `absent_if_empty`, "" is the same as null.
    """

    max_length: int
    email: bool = False
    filled: bool = False
    absent_if_empty: bool = False

    def read(self, value: Any, path: str, problems: list[str]) -> Any:
        """Return the text, None if it is absent."""
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
        """Return the schema of the length and the form."""
        shape: dict[str, Any] = {"type": "string", "maxLength": self.max_length}
        if self.email:
            address = _EMAIL.pattern.replace(r"\s", _SPACE)
            shape["pattern"] = rf"^(\s*{address}\s*)?$" if self.absent_if_empty else rf"^\s*{address}\s*$"
        elif self.required or self.filled:
            shape |= {"minLength": 1, "pattern": f"[^{_SPACE}]"}
        return shape


@dataclass(frozen=True, slots=True, kw_only=True)
class FormedText(Text):
    """A string with a minimum length or a form. Both are checked only of a string that is otherwise valid."""

    min_length: int = 0
    pattern: str = ""
    """A regular expression that the whole string matches, in the syntax that Python and ECMA-262 share."""
    form: str = ""
    """What the pattern expresses, in a message: "an id such as com.example.app"."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check what Text checks, then the minimum length and the form."""
        faults = len(problems)
        Text.check(self, value, path, problems)
        if len(problems) > faults:
            return value
        if len(value) < self.min_length:
            problems.append(f"Param '{path}' must have at least {self.min_length} characters")
        elif self.pattern and not re.fullmatch(self.pattern, value):
            problems.append(f"Param '{path}' must be {self.form}")
        return value

    def shape(self) -> dict[str, Any]:
        """Return the schema of the length and the form."""
        shape = Text.shape(self)
        if self.min_length:
            shape["minLength"] = self.min_length
        if self.pattern:
            shape["pattern"] = f"^(?:{self.pattern})$"
        return shape


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundUrl(Param):
    """The URL of a host to which the gateway shall connect for the tenant. It must be public, and use https."""

    max_length: int = MAX_URL_LENGTH

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check the URL by the rules for outbound addresses."""
        rules = problems.outbound if isinstance(problems, Problems) else PUBLIC_ONLY
        if not isinstance(value, str):
            problems.append(f"Param '{path}' must be a string")
        elif len(value) > self.max_length:
            problems.append(f"Param '{path}' must have at most {self.max_length} characters")
        elif fault := rules.url_fault(value):
            problems.append(f"Param '{path}' {fault}")
        return value

    def shape(self) -> dict[str, Any]:
        """Return the schema of a URL. JSON Schema cannot express which hosts are public."""
        return {"type": "string", "format": "uri", "minLength": 1, "maxLength": self.max_length}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Param):
    """One of several strings."""

    options: tuple[str, ...]

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check that the value is one of the options."""
        if value not in self.options:
            problems.append(f"Param '{path}' must be one of {', '.join(self.options)}")
        return value

    def shape(self) -> dict[str, Any]:
        """Return the schema of the options."""
        return {"type": "string", "enum": list(self.options)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch(Param):
    """True or false."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check the type: a number or a string is no boolean."""
        if not isinstance(value, bool):
            problems.append(f"Param '{path}' must be true or false")
        return value

    def shape(self) -> dict[str, Any]:
        """Return the schema of a boolean."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer(Param):
    """An integer in a range."""

    least: int
    most: int

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check type and range. JSON has one type of number, so 1.0 is an integer."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            problems.append(f"Param '{path}' must be a whole number")
        elif not self.least <= value <= self.most:
            problems.append(f"Param '{path}' must be from {self.least} to {self.most}")
        return value

    def shape(self) -> dict[str, Any]:
        """Return the schema of the range."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True, kw_only=True)
class Real(Param):
    """A number in a range, with or without decimals."""

    least: float
    most: float

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check type and range. JSON has neither NaN nor infinity."""
        if not isinstance(value, int | float) or isinstance(value, bool):
            problems.append(f"Param '{path}' must be a number")
        elif not self.least <= value <= self.most:
            problems.append(f"Param '{path}' must be from {self.least} to {self.most}")
        return value

    def shape(self) -> dict[str, Any]:
        """Return the schema of the range."""
        return {"type": "number", "minimum": self.least, "maximum": self.most}
