"""Secret values in configurations: kept apart from the others when they are stored, and redacted in every response."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.domain.objects import Object
from gateway.domain.params import FormedText, Param

REDACTED = "********"
"""Stands for a secret in responses. A request that sends it back keeps the saved secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret(Param):
    """A value that is encrypted at rest. `value` checks it."""

    value: Param

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check the value, unless it is the redacted one."""
        return value if value == REDACTED else self.value.check(value, path, problems)

    def shape(self) -> dict[str, Any]:
        """Return the schema of the value. That the redacted one is accepted too is in the description."""
        return self.value.shape()

    def schema(self) -> dict[str, Any]:
        """Return the schema with a description that names the redacted value."""
        kept = f"`{REDACTED}` keeps the saved value."
        return {**Param.schema(self), "description": f"{self.description} {kept}".strip()}


def credential(max_length: int) -> FormedText:
    """Return the parameter of a required credential that is sent in a header, which a line break would end."""
    return FormedText(required=True, max_length=max_length, pattern="[!-~]*", form="printable ASCII without spaces")


def secret_paths(fields: Mapping[str, Param], prefix: str = "") -> Iterator[str]:
    """Yield the paths of all secrets, such as `authed_user.access_token`."""
    for name, param in fields.items():
        if isinstance(param, Secret):
            yield f"{prefix}{name}"
        elif isinstance(param, Object):
            yield from secret_paths(param.fields, f"{prefix}{name}.")


def without_secrets(values: Mapping[str, Any], paths: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values without their secrets, and the secrets by path."""
    plain, secrets = _copied(values), {}
    for path in paths:
        place, name = _place(plain, path)
        if place is not None and (value := place.pop(name, None)) is not None:
            secrets[path] = value
    return plain, secrets


def with_secrets(plain: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    """Return values with these secrets. What `without_secrets` took apart is put together again."""
    values = _copied(plain)
    for path, value in secrets.items():
        place, name = _place(values, path)
        if place is not None:
            place[name] = value
    return values


def _copied(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copied(value) if isinstance(value, dict) else value for name, value in values.items()}


def _place(values: dict[str, Any], path: str) -> tuple[dict[str, Any] | None, str]:
    """Return the object that has the field at a path, None if it is absent, and the name of the field."""
    *parents, name = path.split(".")
    place: Any = values
    for parent in parents:
        place = place.get(parent)
        if not isinstance(place, dict):
            return None, name
    return place, name
