"""The audit of all stored projects, and the check of this node's secret key against the store's."""

import contextlib
from dataclasses import dataclass, field

from gateway.domain.credential_rules import is_weak
from gateway.store import keys
from gateway.store.errors import ForeignSecretKeyError
from gateway.store.project_records import peek_record
from gateway.store.project_secrets import SecretCipher
from gateway.store.projects import KEYS_PER_READ, ProjectStore
from gateway.store.redis.problems import StoreWritesRefusedError


@dataclass(slots=True)
class ProjectAudit:
    """The findings about all projects. The lists contain API keys."""

    projects: int = 0
    without_hmac: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    """Projects whose current secret was encrypted with another secret key."""
    broken: list[str] = field(default_factory=list)
    """Projects whose stored record is not a project of this format."""
    weak: list[str] = field(default_factory=list)
    """Projects whose API secret can be guessed."""
    any_origin: list[str] = field(default_factory=list)
    """Projects that allow pages of any origin themselves."""
    default_origins: list[str] = field(default_factory=list)
    """Projects that allow those of INBOX_ALLOWED_ORIGINS."""


async def audit_projects(projects: ProjectStore) -> ProjectAudit:
    """Read all projects, and return the findings about them. Raises StoreUnavailableError."""
    audit, cursor = ProjectAudit(), b"0"
    while True:
        cursor, found = await projects.client.command("HSCAN", keys.PROJECTS, cursor, "COUNT", KEYS_PER_READ)
        for api_key, raw in zip(found[::2], found[1::2], strict=True):
            _examine(audit, projects.cipher, api_key.decode(errors="replace"), raw)
        if int(cursor) == 0:
            return audit


def _examine(audit: ProjectAudit, cipher: SecretCipher, api_key: str, raw: bytes) -> None:
    audit.projects += 1
    record = peek_record(raw)
    if record is None or not record.secrets:
        audit.broken.append(api_key)
        return
    secret = cipher.decrypt(record.secrets[0])
    if secret is None:
        audit.unreadable.append(api_key)
    elif is_weak(secret):
        audit.weak.append(api_key)
    if not record.hmac_enabled:
        audit.without_hmac.append(api_key)
    if not record.allowed_origins:
        audit.default_origins.append(api_key)
    elif "*" in record.allowed_origins:
        audit.any_origin.append(api_key)


async def owns_secret_key(projects: ProjectStore, found: ProjectAudit) -> bool:
    """Return whether this node's secret key is the store's, or the store has none yet.

    Raises StoreUnavailableError.
    """
    if found.projects > len(found.broken):
        return not found.unreadable
    return await projects.client.command("GET", keys.SECRET_KEY_ID) in (None, projects.cipher.key_id.encode())


async def check_secret_key(projects: ProjectStore, found: ProjectAudit) -> None:
    """Raise ForeignSecretKeyError if this node's secret key is not the store's. Raises StoreUnavailableError.

    `found` must be a current audit. The first node that checks a store without projects sets the store's secret key. So
    a second node with another key is refused before there is data that it cannot read.
    """
    if found.unreadable:
        if len(found.unreadable) + len(found.broken) == found.projects:
            raise ForeignSecretKeyError
        return  # some can be read and some cannot: no key is the right one for all
    stored, ours = await projects.client.command("GET", keys.SECRET_KEY_ID), projects.cipher.key_id.encode()
    if stored == ours:
        return
    if found.projects > len(found.broken):
        # This node's key decrypts every secret, so it is the right one, even if that cannot be recorded now.
        with contextlib.suppress(StoreWritesRefusedError):
            await projects.client.command("SET", keys.SECRET_KEY_ID, ours)
        return
    if not stored and not await projects.client.command("SET", keys.SECRET_KEY_ID, ours, "NX"):
        # Another node has just set it, perhaps to the same. Or the reply to this was lost, and it was sent again.
        stored = await projects.client.command("GET", keys.SECRET_KEY_ID)
    if stored and stored != ours:
        raise ForeignSecretKeyError
