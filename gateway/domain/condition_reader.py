"""Conditions in request bodies, in one of two notations.

A string, see domain/condition_text.py:

    custom_attributes.plan == "pro" and (first_name = 'Ada' or not email = null)

An object, of which all entries must hold:

    {"custom_attributes": {"plan": "pro"}, "or": [{"first_name": "Ada"}, {"email": "ada@example.com"}]}

The string `"*"` selects everyone.
"""

import json
from collections.abc import Mapping
from typing import Any

from gateway.domain.condition import (
    MAX_BYTES,
    MAX_DEPTH,
    Condition,
    ConditionError,
    Equals,
    Everyone,
    all_of,
    any_of,
    attribute_path,
    path_names,
)
from gateway.domain.condition_text import parse_text


def read_condition(value: object) -> Condition:
    """Read a condition from decoded JSON. Raises ConditionError."""
    if isinstance(value, str):
        if _size(value) > MAX_BYTES:
            raise ConditionError(f"a condition must have at most {MAX_BYTES} bytes")
        return Everyone() if value.strip() == "*" else parse_text(value)
    if isinstance(value, Mapping):
        if _depth(value) > MAX_DEPTH:
            raise ConditionError(f"a condition must nest at most {MAX_DEPTH} deep")
        if _size(json.dumps(value, ensure_ascii=False)) > MAX_BYTES:
            raise ConditionError(f"a condition must have at most {MAX_BYTES} bytes")
        return _from_object(value)
    raise ConditionError("a condition must be a string or an object")


def _from_object(value: Mapping[str, Any]) -> Condition:
    if not value:
        raise ConditionError("a condition must not be empty")
    return all_of([_from_entry(name, wanted) for name, wanted in value.items()])


def _from_entry(name: str, wanted: Any) -> Condition:
    if name in ("and", "or"):
        if not isinstance(wanted, list) or not wanted:
            raise ConditionError(f"'{name}' must be a list of conditions")
        conditions = [_from_member(name, member) for member in wanted]
        return all_of(conditions) if name == "and" else any_of(conditions)
    return _from_attribute(attribute_path(name), wanted)


def _from_member(name: str, member: Any) -> Condition:
    if not isinstance(member, Mapping):
        raise ConditionError(f"'{name}' must be a list of conditions")
    return _from_object(member)


def _from_attribute(path: tuple[str, ...], wanted: Any) -> Condition:
    if isinstance(wanted, Mapping):
        if not wanted:
            raise ConditionError(f"'{'.'.join(path)}' must not be compared with an empty object")
        return all_of([_from_attribute((*path, *path_names(name)), inner) for name, inner in wanted.items()])
    if isinstance(wanted, list):
        raise ConditionError(f"'{'.'.join(path)}' must be compared with one value, not with a list")
    return Equals(path, wanted)


def _depth(value: Any) -> int:
    """Return how deep objects and lists nest, or MAX_DEPTH + 1 for anything deeper than MAX_DEPTH."""
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        containers = [item for item in level if isinstance(item, Mapping | list)]
        level = [part for item in containers for part in (item.values() if isinstance(item, Mapping) else item)]
        depth += bool(containers)
    return depth


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
