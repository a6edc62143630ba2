"""How a body names a user and what it says of one, the same wherever users occur."""

from dataclasses import dataclass
from typing import Any

from gateway.api.core.params import Array, Hash, Object, Text

NAMES = {
    # Clients whose language has no null for text send both names always, one of them empty.
    "external_id": Text(max_length=255, absent_if_empty=True),
    "email": Text(max_length=255, email=True, absent_if_empty=True, description="An email address."),
}

ATTRIBUTES = {
    "first_name": Text(max_length=50),
    "last_name": Text(max_length=50),
    "custom_attributes": Hash(max_bytes=6000),
    "phone_numbers": Array(item=Text(max_length=50), max_items=50),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedUser(Object):
    """A user who is named by external id, email or both; or by one of `other_ways`.

    The OpenAPI document says so in words only: an `anyOf` beside `properties` breaks generated clients.
    """

    other_ways: tuple[str, ...] = ()

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check the fields, and that there is a name."""
        fields = Object.check(self, value, path, problems)
        if fields and not any(fields[name] for name in (*NAMES, *self.other_ways)):
            subject = f"Param '{path}'" if path else "The body"
            problems.append(f"{subject} must have an email or an external_id")
        return fields
