"""Conditions on attributes. Those of users select some of all users; domain/delivery_condition.py has others.

domain/condition_reader.py reads them from request bodies. An attribute that does not exist is null. A list equals a
value if the list itself or one of its items does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from gateway.domain.errors import DomainError

MAX_BYTES = 2048
MAX_DEPTH = 20
"""The longest condition, as UTF-8 or JSON, and the deepest nesting."""

ROOTS = ("external_id", "email", "first_name", "last_name", "phone_numbers", "custom_attributes")
"""The attributes that a path may begin with. What follows `custom_attributes` is up to the project."""


class ConditionError(DomainError, ValueError):
    """A condition is invalid. `column` counts characters from 1, if the condition is a string."""

    def __init__(self, message: str, column: int | None = None):
        super().__init__(message if column is None else f"{message} at column {column}")
        self.column = column


@dataclass(frozen=True, slots=True)
class Everyone:
    """Holds for every user."""

    def matches(self, attributes: Mapping[str, Any]) -> bool:
        """Return whether the condition holds for a user with these attributes."""
        return True


@dataclass(frozen=True, slots=True)
class Equals:
    """Holds if the attribute at the path equals the value, or is a list with an item that does."""

    path: tuple[str, ...]
    value: Any

    def matches(self, attributes: Mapping[str, Any]) -> bool:
        """Return whether the condition holds for a user with these attributes."""
        found = look_up(attributes, self.path)
        if _same(found, self.value):
            return True
        return isinstance(found, list) and any(_same(item, self.value) for item in found)


@dataclass(frozen=True, slots=True)
class Holds:
    """Holds if the attribute at the path exists, and is not null, false or ""."""

    path: tuple[str, ...]

    def matches(self, attributes: Mapping[str, Any]) -> bool:
        """Return whether the condition holds for these attributes."""
        found = look_up(attributes, self.path)
        return found is not None and found is not False and found != ""


@dataclass(frozen=True, slots=True)
class Not:
    """Holds if another condition does not."""

    condition: "Condition"

    def matches(self, attributes: Mapping[str, Any]) -> bool:
        """Return whether the condition holds for a user with these attributes."""
        return not self.condition.matches(attributes)


@dataclass(frozen=True, slots=True)
class And:
    """Holds if all of its conditions do."""

    conditions: tuple["Condition", ...]

    def matches(self, attributes: Mapping[str, Any]) -> bool:
        """Return whether the condition holds for a user with these attributes."""
        return all(condition.matches(attributes) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Or:
    """Holds if any of its conditions does."""

    conditions: tuple["Condition", ...]

    def matches(self, attributes: Mapping[str, Any]) -> bool:
        """Return whether the condition holds for a user with these attributes."""
        return any(condition.matches(attributes) for condition in self.conditions)


Condition: TypeAlias = Everyone | Equals | Holds | Not | And | Or


def all_of(conditions: Sequence[Condition]) -> Condition:
    """Return the condition that holds if all of at least one do."""
    return conditions[0] if len(conditions) == 1 else And(tuple(conditions))


def any_of(conditions: Sequence[Condition]) -> Condition:
    """Return the condition that holds if any of at least one does."""
    return conditions[0] if len(conditions) == 1 else Or(tuple(conditions))


def path_names(path: str) -> tuple[str, ...]:
    """Split a path at its dots. Raises ConditionError."""
    names = tuple(path.split("."))
    if not all(names):
        raise ConditionError(f"'{path}' is no path: names are missing between the dots")
    return names


def attribute_path(path: str, column: int | None = None) -> tuple[str, ...]:
    """Split the path of an attribute, which may begin with `user.`. Raises ConditionError with this column."""
    names = path_names(path)
    if names[0] == "user" and len(names) > 1:
        names = names[1:]
    if names[0] not in ROOTS:
        raise ConditionError(f"'{names[0]}' is no attribute of a user; there are {', '.join(ROOTS)}", column)
    return names


def look_up(attributes: Mapping[str, Any], path: Sequence[str]) -> Any:
    """Return the attribute at a path, None if there is none."""
    found: Any = attributes
    for index, name in enumerate(path):
        if not isinstance(found, Mapping):
            return None
        # The names of a project's attributes may contain dots.
        rest = ".".join(path[index:])
        if rest in found:
            return found[rest]
        found = found.get(name)
    return found


def _same(one: Any, other: Any) -> bool:
    """Return whether two values are equal in JSON, where true is not 1 as it is in Python."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
