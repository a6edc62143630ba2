"""Workspaces, projects and users, the credentials of a request, and the principals that they are verified to be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec

from gateway.domain.ids import ProjectId, UserId, WorkspaceId
from gateway.domain.limits import NO_LIMITS, ProjectLimits
from gateway.domain.retention import ItemRetention
from gateway.domain.signing import NO_PROOF, PublicKey

DEFAULT_WORKSPACE = WorkspaceId("1")
"""The workspace that always exists. Projects without an explicit workspace belong to it."""

DEFAULT_WORKSPACE_NAME = "default"
"""The name by which paths and commands may refer to the default workspace."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The owner of projects: a team or a company."""

    id: WorkspaceId
    title: str


@dataclass(frozen=True, slots=True)
class Project:
    """A tenant. `secrets` are the API secrets that are valid now, newest first; `repr` omits them."""

    id: ProjectId
    name: str
    api_key: str
    hmac_enabled: bool
    secrets: tuple[str, ...] = field(repr=False)
    public_keys: tuple[PublicKey, ...] = field(default=(), repr=False)
    valid_credentials: Mapping[str, int | None] = field(default_factory=dict, repr=False, hash=False)
    """The ids of the credentials that are accepted now, each with the unix second at which it expires, if it does."""
    workspace_id: WorkspaceId = DEFAULT_WORKSPACE
    allowed_origins: tuple[str, ...] = ()
    """Origins of the pages that may call; if empty, those of INBOX_ALLOWED_ORIGINS may."""
    item_retention_count: int | None = None
    item_retention_seconds: int | None = None
    """How much of each inbox is kept, 0 for all; None means the value of the setting."""
    strict: bool = False
    """Whether unknown parameter names are refused by the operations of the v1 contract too."""
    limits: ProjectLimits = NO_LIMITS
    event_retention_count: int | None = None
    event_retention_seconds: int | None = None
    """How much of the project's log is kept, of what the settings keep; None keeps that."""

    def item_retention(self, default: ItemRetention) -> ItemRetention:
        """Return how much of each inbox is kept; `default` are the values of the settings."""
        count, seconds = self.item_retention_count, self.item_retention_seconds
        return default if count is seconds is None else default.overridden(count, seconds)


class Identity(msgspec.Struct, frozen=True):
    """The names of a user: external id, email, or both. Raises ValueError without either."""

    external_id: str | None = None
    email: str | None = None

    def __post_init__(self) -> None:
        if not self.external_id and not self.email:
            raise ValueError("an identity needs an external id or an email")


def normalize_email(email: str) -> str:
    """Return an email address as it is stored and compared: trimmed and in lower case."""
    return email.strip().lower()


@dataclass(frozen=True, slots=True)
class User:
    """A user of a project, as read from the directory.

    `external_id_deleted_at` and `email_deleted_at` are the unix seconds at which a previous user of that name was
    deleted, 0 if there was none.
    """

    project_id: ProjectId
    id: UserId
    external_id: str | None
    email: str | None
    external_id_deleted_at: int = field(default=0, compare=False)
    email_deleted_at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class ProjectPrincipal:
    """A verified backend: it proved that it has the project's API secret or one of the project's own tokens.

    For a token, `token_id` and `token_issued_at` (unix seconds) are set.
    """

    project: Project
    token_id: str = ""
    token_issued_at: int | None = None


class UserPrincipal(msgspec.Struct, frozen=True):
    """A verified user of a project. All times are unix seconds.

    `authenticated_by` is the id of the credential that proved the user's name (see `gateway.domain.signing`) and
    `credential_expires_at` the time at which the project stops accepting it, None while that is not known.
    For a token, `token_id`, `token_issued_at` and `token_expires_at` are set.
    """

    project: Project
    user: User
    authenticated_by: str = NO_PROOF
    credential_expires_at: int | None = None
    token_id: str = ""
    token_issued_at: int | None = None
    token_expires_at: int | None = None


Principal: TypeAlias = UserPrincipal | ProjectPrincipal
"""A verified caller of a project. A call for a workspace has a `Workspace` instead."""


class Credentials(msgspec.Struct, frozen=True):
    """The unverified credentials of a request or connection, from any transport. `repr` shows none of them.

    `token` is a JWT; the other fields are the values of the v1 headers.
    """

    api_key: str | None = None
    api_secret: str | None = None
    external_id: str | None = None
    email: str | None = None
    hmac: str | None = None
    token: str | None = None

    def __repr__(self) -> str:
        return "Credentials()"

    def __bool__(self) -> bool:
        return any((self.api_key, self.api_secret, self.external_id, self.email, self.hmac, self.token))
