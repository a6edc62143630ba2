"""Kinds of channel tokens: the fields that a user registers, and which of them identify the token."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.domain.params import Param

SEPARATOR = "\n"
"""Separates the parts of an identity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKind:
    """One kind of channel token, such as the device tokens of APNs.

    - `path` is its place in the API: `/channels/{path}/tokens`. What is stored names it too, so it never changes.
    - `title` is its name in documentation, and `component` begins the names of its components in OpenAPI.
    - `fields` are the fields of the token. A response has the same, except those that are absent.
    - `identities`: a token is the same one if the values of these fields are the same. Each entry is an alternative,
      the first one whose fields are all present applies. A path such as `webhook.url` names a field of an object.
    - `example` is a token.
    - `credential` names the field that is itself a credential, "" if none is. Of its value only a digest is stored, and
      responses show its end.
    - `offered`: whether it has operations of its own. The tokens of other kinds come through the v1 API.
    """

    path: str
    title: str
    component: str
    fields: Mapping[str, Param]
    identities: tuple[tuple[str, ...], ...]
    example: Mapping[str, Any]
    credential: str = ""
    offered: bool = True

    def identity(self, values: Mapping[str, Any]) -> str | None:
        """Return the text that identifies the token with these values, None if they lack every alternative."""
        for paths in self.identities:
            found = [_value_at(values, path) for path in paths]
            if all(found):
                return SEPARATOR.join([paths[0], *map(str, found)])
        return None

    @property
    def opens_connections(self) -> bool:
        """Whether the token opens live connections, which end when it is discarded."""
        return bool(self.credential)

    @property
    def missing_identity(self) -> str:
        """Return the message about a token that lacks every alternative."""
        names = list(dict.fromkeys(path for paths in self.identities for path in paths))
        return f"Param '{names[0]}' is missing" if len(names) == 1 else f"One of {', '.join(names)} is missing"


def _value_at(values: Mapping[str, Any], path: str) -> Any:
    value: Any = values
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
