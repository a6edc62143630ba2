"""The names of users in bodies and paths, and their attributes in bodies, for all operations on users."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.api.core.problems import not_found
from gateway.domain.ids import ProjectId
from gateway.domain.objects import Array, Hash, Object
from gateway.domain.params import Text
from gateway.domain.principal import User, normalize_email
from gateway.store.directory import Directory

MAX_EXTERNAL_ID = 255
MAX_EMAIL = 255
MAX_FIELD = 50
"""The most characters of a name and of a phone number, and the most phone numbers."""

NAMES = {
    # In some languages a string cannot be null. Clients in these always send both names, one of them empty.
    "external_id": Text(
        max_length=MAX_EXTERNAL_ID, absent_if_empty=True, description="The user's id in your application."
    ),
    "email": Text(max_length=MAX_EMAIL, email=True, absent_if_empty=True, description="An email address."),
}

ATTRIBUTES = {
    "first_name": Text(max_length=MAX_FIELD),
    "last_name": Text(max_length=MAX_FIELD),
    "custom_attributes": Hash(max_bytes=6000, description="Any attributes of your own; conditions can refer to them."),
    "phone_numbers": Array(item=Text(max_length=MAX_FIELD), max_items=MAX_FIELD),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedUser(Object):
    """A user that is named by external id, email or both, or in one of `other_ways`.

    The OpenAPI document states this in words only: an `anyOf` beside `properties` breaks generated clients.
    """

    other_ways: tuple[str, ...] = ()

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check the fields, and that the user is named."""
        fields = Object.check(self, value, path, problems)
        if fields and not any(fields[name] for name in (*NAMES, *self.other_ways)):
            subject = f"Param '{path}'" if path else "The body"
            problems.append(f"{subject} must have an email or an external_id")
        return fields


def names_of(values: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the external id and the normalized email of a checked body, None for each that is absent."""
    email = values["email"]
    return values["external_id"] or None, normalize_email(email) if email else None


async def find_user(directory: Directory, project_id: ProjectId, name: str) -> User:
    """Return the user that a path names by id, or as `external_id:…` or `email:…`. Raises ApiError 404."""
    kind, separator, rest = name.partition(":")
    if separator and kind == "email":
        wanted = f"e:{normalize_email(rest)}"
    else:
        wanted = f"x:{rest}" if separator and kind == "external_id" else f"u:{name}"
    user = await directory.find(project_id, wanted)
    if user is None:
        raise user_not_found()
    return user


def user_not_found() -> Exception:
    """Return the 404 error for a user that a path names and that does not exist."""
    return not_found("User", "Name the user by id, or as `external_id:…` or `email:…`.")
