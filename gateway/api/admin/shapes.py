"""What the operations of the dashboard say of admins and their sessions, and the fields that they read."""

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.api.core.schema import Errors, ResponseSpec, Seconds
from gateway.auth.passwords import MAX_LENGTH, MIN_LENGTH
from gateway.domain.admin import Role
from gateway.domain.params import FormedText, Param, Text
from gateway.store.admin_sessions import AdminSession
from gateway.store.admins import AdminRecord

TAG = "Dashboard"

MAX_ROLES = 100
_WORKSPACE = r"\*|[1-9][0-9]{0,14}"

EMAIL = Text(required=True, max_length=255, email=True, description="The admin's email address.")
NAME = Text(max_length=255, description="The name that others see.")
PASSWORD = Text(required=True, max_length=MAX_LENGTH, description="The admin's password.")
NEW_PASSWORD = FormedText(
    required=True, min_length=MIN_LENGTH, max_length=MAX_LENGTH, description=f"At least {MIN_LENGTH} characters."
)
LINK_TOKEN = Text(required=True, max_length=255, description="The token in the link that the admin got.")

NOT_SIGNED_IN = ResponseSpec(401, "The email or the password is incorrect", Errors)
CROSS_SITE = ResponseSpec(403, "The request does not come from a page of the dashboard, or over plain HTTP", Errors)
NOT_VALID = ResponseSpec(422, "A parameter is missing or not valid; each one has an entry", Errors)
TOO_MANY = ResponseSpec(429, "Too many passwords were tried", Errors)


class AdminShown(msgspec.Struct):
    """An admin. `roles` has the role in each workspace by its number; `*` stands for all workspaces.

    `has_sso` is whether the admin has signed in by the provider of single sign-on.
    """

    id: str
    email: str
    name: str
    roles: dict[str, str]
    has_password: bool
    has_sso: bool
    created_at: Seconds
    signed_in_at: Seconds


class SessionShown(msgspec.Struct):
    """A session. `kind` is `browser` or `token`; `is_current` is whether it is the one that asks."""

    id: str
    kind: str
    created_at: Seconds
    seen_at: Seconds
    ends_at: Seconds
    address: str
    agent: str
    is_current: bool


class Me(msgspec.Struct):
    """The admin who is signed in, the session, and until when the password counts as just given.

    `role` is the highest one in any workspace. `public_url` is the address at which clients reach the gateway, "" for
    that of the dashboard.
    """

    admin: AdminShown
    role: str
    session_id: str
    confirmed_until: Seconds
    version: str
    public_url: str


ME = ResponseSpec(200, "The admin", Me)


def shown_admin(record: AdminRecord) -> dict[str, Any]:
    """Return an admin as responses have it."""
    return {
        "id": record.id,
        "email": record.email,
        "name": record.name,
        "roles": dict(record.roles),
        "has_password": bool(record.password),
        "has_sso": bool(record.sso_subject),
        "created_at": record.created_at,
        "signed_in_at": record.signed_in_at,
    }


def shown_session(session: AdminSession, current: str) -> dict[str, Any]:
    """Return a session as responses have it. `current` is the id of the session that asks."""
    return {
        "id": session.id,
        "kind": session.kind.value,
        "created_at": session.created_at,
        "seen_at": session.seen_at,
        "ends_at": session.ends_at,
        "address": session.address,
        "agent": session.agent,
        "is_current": session.id == current,
    }


ROLES = tuple(role.value for role in Role)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolesParam(Param):
    """The roles of an admin by workspace: `{"*": "viewer", "2": "admin"}`."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check the numbers of workspaces, and the roles."""
        if not isinstance(value, dict) or not 1 <= len(value) <= MAX_ROLES:
            problems.append(f"Param '{path}' must be a hash with 1 to {MAX_ROLES} workspaces")
            return {}
        for where, role in value.items():
            if not re.fullmatch(_WORKSPACE, where):
                problems.append(f"Param '{path}' must have numbers of workspaces, or *, as its names")
            elif role not in ROLES:
                problems.append(f"Param '{path}.{where}' must be one of {', '.join(ROLES)}")
        return value

    def shape(self) -> dict[str, Any]:
        """Return the schema of the roles."""
        return {
            "type": "object",
            "minProperties": 1,
            "maxProperties": MAX_ROLES,
            "propertyNames": {"pattern": f"^({_WORKSPACE})$"},
            "additionalProperties": {"type": "string", "enum": list(ROLES)},
        }
