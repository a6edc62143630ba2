"""Who calls: projects, users, and what a request's credentials turned out to mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NewType

from gateway.domain.retention import ItemRetention
from gateway.domain.signing import NO_PROOF, PublicKey

ProjectId = NewType("ProjectId", str)
"""The decimal digits of a number that no other project of the store ever had; the API shows the number."""
UserId = NewType("UserId", str)
WorkspaceId = NewType("WorkspaceId", str)
"""The decimal digits of a number, as of projects."""

DEFAULT_WORKSPACE = WorkspaceId("1")
"""The workspace that is there from the start, and has the projects that name no other."""

DEFAULT_WORKSPACE_NAME = "default"
"""What paths and commands may call it."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Whose projects these are: a team or a company."""

    id: WorkspaceId
    title: str


@dataclass(frozen=True, slots=True)
class Project:
    """One tenant. `secrets` holds the API secrets valid now, newest first; they never print."""

    id: ProjectId
    name: str
    api_key: str
    hmac_enabled: bool
    secrets: tuple[str, ...] = field(repr=False)
    public_keys: tuple[PublicKey, ...] = field(default=(), repr=False)
    grounds: Mapping[str, int | None] = field(default_factory=dict, repr=False, hash=False)
    """What credentials may rest on now, and the unix second at which that ends."""
    workspace_id: WorkspaceId = DEFAULT_WORKSPACE
    allowed_origins: tuple[str, ...] = ()
    """Origins of the pages that may call; none means those of the setting."""
    item_retention_count: int | None = None
    item_retention_seconds: int | None = None
    """How much of each inbox is kept, 0 for all; None means what the settings say."""
    strict: bool = False
    """Whether names that an operation does not know are refused, in the v1 contract's operations too."""

    def item_retention(self, default: ItemRetention) -> ItemRetention:
        """Return how much of each inbox is kept, where the settings say `default`."""
        return default.overridden(self.item_retention_count, self.item_retention_seconds)


@dataclass(frozen=True, slots=True)
class Identity:
    """How a caller names a user: by external id, by email, or both. At least one is set."""

    external_id: str | None = None
    email: str | None = None

    def __post_init__(self) -> None:
        if not self.external_id and not self.email:
            raise ValueError("an identity needs an external id or an email")


def normalize_email(email: str) -> str:
    """Bring an email address to the form users are known by: trimmed, lower case."""
    return email.strip().lower()


@dataclass(frozen=True, slots=True)
class User:
    """A user of a project, as the directory knows them.

    A name may have been that of a user who was deleted: in the unix second that `…_gone_at` tells, 0 if not.
    """

    project_id: ProjectId
    id: UserId
    external_id: str | None
    email: str | None
    external_id_gone_at: int = field(default=0, compare=False)
    email_gone_at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller. `user` is None for an admin; times are unix seconds, and those of a token but for the last.

    `ground` is what the credentials rest on, `ground_until` when that ends.
    """

    project: Project
    user: User | None = None
    expires_at: int | None = None
    token_id: str = ""
    issued_at: int | None = None
    ground: str = NO_PROOF
    ground_until: int | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a caller brought, unverified, whichever way it came. Nothing in here ever prints.

    `token` is a user JWT; the other fields are those of the v1 headers.
    """

    api_key: str | None = field(default=None, repr=False)
    api_secret: str | None = field(default=None, repr=False)
    external_id: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    hmac: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)

    def __bool__(self) -> bool:
        return any((self.api_key, self.api_secret, self.external_id, self.email, self.hmac, self.token))
