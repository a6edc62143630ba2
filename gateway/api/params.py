"""Parameters: what a body or query may hold, and reading it so that every failing field is named.

The messages are those of the v1 contract: `Param 'notification.title' is missing`.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway.domain.errors import ApiError, Problem, invalid

MAX_NESTING = 100
"""How deep free JSON may nest: Ruby's parser, and so the vendor's gem, reads no deeper."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Param(ABC):
    """One parameter. `read` gives its value, None when absent, and adds a message for whatever is wrong."""

    required: bool = False

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Anything(Param):
    """A value that whoever reads it checks."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Take it as it is."""
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Param):
    """A string. A required one must not be empty."""

    max_length: int
    email: bool = False

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check type, length and form."""
        if not isinstance(value, str):
            problems.append(f"Param '{path}' must be a string")
        elif self.required and not value.strip():
            problems.append(f"Param '{path}' is missing")
        elif len(value) > self.max_length:
            problems.append(f"Param '{path}' must have at most {self.max_length} characters")
        elif self.email and not _EMAIL.fullmatch(value.strip()):
            problems.append(f"Param '{path}' must be an email address")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Param):
    """One of a few words."""

    options: tuple[str, ...]

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check that it is one of them."""
        if value not in self.options:
            problems.append(f"Param '{path}' must be one of {', '.join(self.options)}")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag(Param):
    """True or false."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check the type: a number or a word is neither."""
        if not isinstance(value, bool):
            problems.append(f"Param '{path}' must be true or false")
        return value


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
        return [self.item.read(item, f"{path}[{index}]", problems) for index, item in enumerate(value)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Object(Param):
    """An object with known fields; what else it holds is ignored, as clients send more than they need."""

    fields: Mapping[str, Param] = field(default_factory=dict)

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check type and every known field; give the known ones."""
        if not isinstance(value, dict):
            problems.append(f"Param '{path}' must be a hash")
            return {}
        return {name: param.read(value.get(name), f"{path}.{name}", problems) for name, param in self.fields.items()}


def read_body(body: bytes, root: str, param: Object) -> dict[str, Any]:
    """Decode a body `{root: {…}}` and give the object's fields. Raises ApiError 400 or 422."""
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise ApiError(400, (Problem(f"The body is not valid JSON: {problem}"),)) from None
    if not isinstance(decoded, dict):
        raise invalid("The body must be a JSON object")
    problems: list[str] = []
    values = param.read(decoded.get(root), root, problems)
    if problems:
        raise invalid(*problems)
    return dict(values)


class Query:
    """A query string's fields, read one by one; `finish` raises for all that were wrong."""

    def __init__(self, fields: Sequence[tuple[str, str]]):
        self._fields = fields
        self._problems: list[str] = []

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        """Read a whole number in a range."""
        text = self._last(name)
        if text is None:
            return default
        if not re.fullmatch(r"[0-9]{1,12}", text) or not least <= int(text) <= most:
            self._problems.append(f"Param '{name}' must be a number from {least} to {most}")
            return default
        return int(text)

    def boolean(self, name: str) -> bool | None:
        """Read true or false; None when absent."""
        text = self._last(name)
        if text is None:
            return None
        if text.lower() not in ("true", "false", "1", "0"):
            self._problems.append(f"Param '{name}' must be true or false")
        return text.lower() in ("true", "1")

    def texts(self, name: str, most: int, max_length: int) -> tuple[str, ...]:
        """Read a list in any way clients write one: `a=1&a=2`, `a[]=1&a[]=2`, `a=1,2`. Each value once."""
        values = [value for key, text in self._fields if key in (name, f"{name}[]") for value in text.split(",")]
        found = tuple(dict.fromkeys(value for value in values if value))
        if len(found) > most:
            self._problems.append(f"Param '{name}' must have at most {most} items")
        if any(len(value) > max_length for value in found):
            self._problems.append(f"Param '{name}' must have at most {max_length} characters in each item")
        return found

    def text(self, name: str, problem: str, accepted: "re.Pattern[str]") -> str | None:
        """Read a string of a given form; None when absent."""
        text = self._last(name)
        if text is not None and not accepted.fullmatch(text):
            self._problems.append(f"Param '{name}' {problem}")
        return text

    def finish(self) -> None:
        """Raise the 422 that names every field that was wrong, if any was."""
        if self._problems:
            raise invalid(*self._problems)

    def _last(self, name: str) -> str | None:
        values = [text for key, text in self._fields if key == name]
        return values[-1] if values and values[-1] != "" else None
