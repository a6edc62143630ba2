"""Query parameters: declared once, then read from requests and written into the OpenAPI document."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.domain.errors import invalid

Fields = Sequence[tuple[str, str]]
"""A query string's names and values, in the order written."""


@dataclass(frozen=True, slots=True)
class QueryParam(ABC):
    """One query parameter. `read` gives its value and adds a message when that is wrong."""

    name: str
    description: str

    @abstractmethod
    def read(self, fields: Fields, problems: list[str]) -> Any:
        """Find and check the value."""

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """Say in JSON Schema what `read` takes."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which clients send it."""
        return (self.name,)

    def last(self, fields: Fields) -> str | None:
        """Give the text that counts: the last one, and none if that is empty."""
        values = [text for key, text in fields if key == self.name]
        return values[-1] if values and values[-1] != "" else None


@dataclass(frozen=True, slots=True)
class Number(QueryParam):
    """A whole number in a range."""

    default: int
    least: int
    most: int

    def read(self, fields: Fields, problems: list[str]) -> int:
        """Give the number, or the default when it is absent."""
        text = self.last(fields)
        if text is None:
            return self.default
        if not re.fullmatch(r"[0-9]{1,12}", text) or not self.least <= int(text) <= self.most:
            problems.append(f"Param '{self.name}' must be a number from {self.least} to {self.most}")
            return self.default
        return int(text)

    def schema(self) -> dict[str, Any]:
        """Name the range and the default."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most, "default": self.default}


@dataclass(frozen=True, slots=True)
class Flag(QueryParam):
    """True or false; clients write 1 and 0 as well."""

    def read(self, fields: Fields, problems: list[str]) -> bool | None:
        """Give the flag, None when it is absent."""
        text = self.last(fields)
        if text is None:
            return None
        if text.lower() not in ("true", "false", "1", "0"):
            problems.append(f"Param '{self.name}' must be true or false")
        return text.lower() in ("true", "1")

    def schema(self) -> dict[str, Any]:
        """Name the type."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Texts(QueryParam):
    """A list in any form that clients write: `a=1&a=2`, `a=1,2`, `a[]=1&a[]=2`. After brackets a comma is text."""

    max_items: int
    max_length: int

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which clients send it."""
        return (self.name, f"{self.name}[]")

    def read(self, fields: Fields, problems: list[str]) -> tuple[str, ...]:
        """Give the values, each once."""
        values: list[str] = []
        for key, text in fields:
            if key == self.name:
                values += text.split(",")
            elif key == f"{self.name}[]":
                values.append(text)
        found = tuple(dict.fromkeys(value for value in values if value))
        if len(found) > self.max_items:
            problems.append(f"Param '{self.name}' must have at most {self.max_items} items")
        if any(len(value) > self.max_length for value in found):
            problems.append(f"Param '{self.name}' must have at most {self.max_length} characters in each item")
        return found

    def schema(self) -> dict[str, Any]:
        """Name the limits."""
        item = {"type": "string", "maxLength": self.max_length}
        return {"type": "array", "maxItems": self.max_items, "items": item}


@dataclass(frozen=True, slots=True)
class Formed(QueryParam):
    """A string of a given form; `form` names it in messages."""

    form: str
    pattern: str

    def read(self, fields: Fields, problems: list[str]) -> str | None:
        """Give the string, None when it is absent."""
        text = self.last(fields)
        if text is not None and not re.fullmatch(self.pattern, text):
            problems.append(f"Param '{self.name}' must be {self.form}")
        return text

    def schema(self) -> dict[str, Any]:
        """Name the form."""
        return {"type": "string", "pattern": f"^{self.pattern}$"}


def total_pages(total: int, per_page: int) -> int:
    """Return how many pages there are. An empty list has one: clients page until they are on the last."""
    return max(1, -(-total // per_page))


def read_query(fields: Fields, params: Sequence[QueryParam]) -> dict[str, Any]:
    """Read every declared parameter; others are ignored. Raises ApiError 422 that names all that are wrong."""
    problems: list[str] = []
    values = {param.name: param.read(fields, problems) for param in params}
    if problems:
        raise invalid(*problems)
    return values
