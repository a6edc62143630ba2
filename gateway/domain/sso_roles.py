"""The roles of people who sign in by single sign-on, from a claim about them such as their groups."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.domain.admin import EVERY_WORKSPACE, Role
from gateway.domain.ids import WorkspaceId

_MAPPING = re.compile(r"(?P<claim>https?://[^\s:=,]+|[^\s:=,]+):(?P<entries>.+)")
"""A claim may be named by an address, as the OpenID specifications advise for private claims."""

_ENTRY = re.compile(r"(?P<value>.+)=(?P<role>[a-z]+)(@(?P<workspace>\*|[1-9][0-9]{0,14}))?")

MAPPING_EXAMPLE = "groups:inbox-admins=admin,inbox-viewers=viewer"


@dataclass(frozen=True, slots=True)
class Grant:
    """The role of people whose claim has a value."""

    value: str
    role: Role
    workspace_id: WorkspaceId = EVERY_WORKSPACE


@dataclass(frozen=True, slots=True)
class SsoRoles:
    """Which values of which claim grant which roles."""

    claim: str
    grants: tuple[Grant, ...]

    def of(self, claims: Mapping[str, Any]) -> dict[WorkspaceId, Role]:
        """Return the roles of somebody with these claims: of several in a workspace, the highest."""
        values = _values(claims, self.claim)
        roles: dict[WorkspaceId, Role] = {}
        for grant in self.grants:
            known = roles.get(grant.workspace_id)
            if grant.value in values and (known is None or grant.role.allows(known)):
                roles[grant.workspace_id] = grant.role
        return roles


def read_sso_roles(text: str) -> SsoRoles:
    """Read a mapping such as `groups:inbox-admins=admin,shop=editor@2`. Raises ValueError."""
    mapping = _MAPPING.fullmatch(text.strip())
    if mapping is None:
        raise ValueError(f"must have a claim and its values, such as {MAPPING_EXAMPLE}")
    return SsoRoles(mapping["claim"], tuple(_grant(each.strip()) for each in mapping["entries"].split(",")))


def _grant(text: str) -> Grant:
    entry = _ENTRY.fullmatch(text)
    if entry is None:
        raise ValueError(f"must have entries such as inbox-admins=admin or shop=editor@2, not {text!r}")
    if entry["role"] not in [role.value for role in Role]:
        raise ValueError(f"must have roles that are one of {', '.join(role.value for role in Role)}, not {text!r}")
    return Grant(entry["value"].strip(), Role(entry["role"]), WorkspaceId(entry["workspace"] or EVERY_WORKSPACE))


def _values(claims: Mapping[str, Any], claim: str) -> set[str]:
    """Return the texts in a claim. A claim that is not there is looked for within others: `realm_access.roles`."""
    found: Any = claims.get(claim)
    if found is None:
        found = claims
        for name in claim.split("."):
            found = found.get(name) if isinstance(found, dict) else None
    values = found if isinstance(found, list) else [found]
    return {value for value in values if isinstance(value, str)}
