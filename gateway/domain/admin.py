"""Admins: the people who use the dashboard. Their roles, and what a role allows."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from gateway.domain.ids import WorkspaceId

EVERY_WORKSPACE = WorkspaceId("*")
"""Stands for all workspaces in the roles of an admin, those that are created later as well."""


class Role(Enum):
    """What an admin may do. Each role may do what the one before may."""

    VIEWER = "viewer"
    """Read everything but secrets."""
    EDITOR = "editor"
    """Send notifications and broadcasts, and change users."""
    ADMIN = "admin"
    """Change projects, channels and keys."""
    OWNER = "owner"
    """Change admins and workspaces, and delete projects."""

    @property
    def rank(self) -> int:
        """The place among the roles, from 0."""
        return _RANKS[self]

    def allows(self, needed: "Role") -> bool:
        """Return whether an admin with this role may do what needs another."""
        return _RANKS[self] >= _RANKS[needed]


_RANKS = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Admin:
    """A person who may sign in to the dashboard. `roles` has the person's role in each workspace."""

    id: str
    email: str
    name: str
    roles: Mapping[WorkspaceId, Role]

    def role_in(self, workspace_id: WorkspaceId) -> Role | None:
        """Return the role in a workspace, None if the admin may not enter it."""
        found = [self.roles[each] for each in (workspace_id, EVERY_WORKSPACE) if each in self.roles]
        return max(found, key=lambda role: role.rank, default=None)

    @property
    def highest_role(self) -> Role:
        """The highest role in any workspace; viewer if there is none."""
        return max(self.roles.values(), key=lambda role: role.rank, default=Role.VIEWER)


@dataclass(frozen=True, slots=True)
class AdminPrincipal:
    """A verified admin: the session that proved it, and until when (unix seconds) the password counts as just given.

    `session_id` is no secret: it names the session in lists. `confirmed_until` is 0 if the password is to be asked.
    `is_token` is whether a script sent a token, and not a browser a cookie.
    """

    admin: Admin
    session_id: str
    confirmed_until: int = 0
    is_token: bool = False
