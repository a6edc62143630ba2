"""Query parameters, declared once to read them and to describe them in the OpenAPI document."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.domain.errors import invalid

Fields = Sequence[tuple[str, str]]
"""The names and values of a query string, in its order."""


@dataclass(frozen=True, slots=True)
class QueryParam(ABC):
    """One query parameter."""

    name: str
    description: str

    @abstractmethod
    def read(self, fields: Fields, problems: list[str]) -> Any:
        """Return the value, and add a message if it is not valid."""

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the values that `read` accepts."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names under which clients send it."""
        return (self.name,)

    def last(self, fields: Fields) -> str | None:
        """Return the text of the last occurrence, None if there is none or it is empty."""
        values = [text for key, text in fields if key == self.name]
        return values[-1] if values and values[-1] != "" else None


@dataclass(frozen=True, slots=True)
class Number(QueryParam):
    """An integer in a range."""

    default: int
    least: int
    most: int

    def read(self, fields: Fields, problems: list[str]) -> int:
        """Return the number, the default if it is absent."""
        text = self.last(fields)
        if text is None:
            return self.default
        if not re.fullmatch(r"[0-9]{1,12}", text) or not self.least <= int(text) <= self.most:
            problems.append(f"Param '{self.name}' must be a number from {self.least} to {self.most}")
            return self.default
        return int(text)

    def schema(self) -> dict[str, Any]:
        """Return the schema of the range and the default."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most, "default": self.default}


@dataclass(frozen=True, slots=True)
class Flag(QueryParam):
    """A boolean. Clients also send 1 and 0."""

    def read(self, fields: Fields, problems: list[str]) -> bool | None:
        """Return the flag, None if it is absent."""
        text = self.last(fields)
        if text is None:
            return None
        if text.lower() not in ("true", "false", "1", "0"):
            problems.append(f"Param '{self.name}' must be true or false")
        return text.lower() in ("true", "1")

    def schema(self) -> dict[str, Any]:
        """Return the schema of a boolean."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Texts(QueryParam):
    """A list in any form that clients send: `a=1&a=2`, `a=1,2`, `a[]=1&a[]=2`.

    After brackets, a comma belongs to the value.
    """

    max_items: int
    max_length: int

    @property
    def names(self) -> tuple[str, ...]:
        """The names under which clients send it."""
        return (self.name, f"{self.name}[]")

    def read(self, fields: Fields, problems: list[str]) -> tuple[str, ...]:
        """Return the values without duplicates."""
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
        """Return the schema of the limits."""
        item = {"type": "string", "maxLength": self.max_length}
        return {"type": "array", "maxItems": self.max_items, "items": item}


@dataclass(frozen=True, slots=True)
class Formed(QueryParam):
    """A string that matches a pattern. `form` describes the pattern in messages."""

    form: str
    pattern: str

    def read(self, fields: Fields, problems: list[str]) -> str | None:
        """Return the string, None if it is absent."""
        text = self.last(fields)
        if text is not None and not re.fullmatch(self.pattern, text):
            problems.append(f"Param '{self.name}' must be {self.form}")
        return text

    def schema(self) -> dict[str, Any]:
        """Return the schema of the pattern."""
        return {"type": "string", "pattern": f"^{self.pattern}$"}


@dataclass(frozen=True, slots=True)
class Option(QueryParam):
    """One of several words."""

    options: tuple[str, ...]

    def read(self, fields: Fields, problems: list[str]) -> str | None:
        """Return the word, None if it is absent."""
        text = self.last(fields)
        if text is not None and text not in self.options:
            problems.append(f"Param '{self.name}' must be one of {', '.join(self.options)}")
        return text

    def schema(self) -> dict[str, Any]:
        """Return the schema of the words."""
        return {"type": "string", "enum": list(self.options)}


def total_pages(total: int, per_page: int) -> int:
    """Return the number of pages, which is 1 for an empty list: clients page until the current page is the last."""
    return max(1, -(-total // per_page))


def read_query(fields: Fields, params: Sequence[QueryParam]) -> dict[str, Any]:
    """Return the value of every declared parameter by name. Raises ApiError 422 that names every invalid one."""
    problems: list[str] = []
    values = {param.name: param.read(fields, problems) for param in params}
    if problems:
        raise invalid(*problems)
    return values
