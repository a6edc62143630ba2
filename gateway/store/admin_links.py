"""Links that let somebody choose a password: for the first owner, for an invited admin, after a reset.

A link has a token of 256 random bits, is used once, and ends by itself. Only the SHA-256 of the token is stored. A link
ends too when the admin's password or roles change: it must not outlive what its maker was allowed to give.
"""

import hashlib
import secrets
from typing import NamedTuple

import msgspec

from gateway.store import keys
from gateway.store.admins import AdminRecord
from gateway.store.redis.client import FunctionClient

SETUP_SECONDS = 3600
"""How long the link for the first owner lasts. Every start of the gateway makes another one until there is an owner."""

INVITATION_SECONDS = 7 * 24 * 3600
"""How long an invited admin has to choose a password."""

FIRST_OWNER = ""
"""Stands for the id of the admin in a link for the first owner, whom the link creates."""


class AdminLink(NamedTuple):
    """A link: the id of the admin or FIRST_OWNER, and `state_of` the admin when it was made."""

    admin_id: str
    state: str

    def is_for(self, record: AdminRecord) -> bool:
        """Return whether a link is for an admin, whose password and roles have not changed since it was made."""
        return self == (record.id, state_of(record))


def state_of(record: AdminRecord) -> str:
    """Return a digest of the password and the roles of an admin."""
    state = msgspec.json.encode([record.password, sorted(record.roles.items())])
    return hashlib.sha256(state).hexdigest()[:32]


class AdminLinkStore:
    """All links. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient):
        self._client = client

    async def create(self, record: AdminRecord | None, seconds: int) -> str:
        """Create a link for an admin, or for the first owner, and return its token."""
        token = secrets.token_urlsafe(32)
        stored = f"{record.id} {state_of(record)}" if record is not None else FIRST_OWNER
        await self._client.command("SET", _key(token), stored, "EX", seconds)
        return token

    async def find(self, token: str) -> AdminLink | None:
        """Return a link, None if it was used or has ended."""
        found = await self._client.command("GET", _key(token))
        if found is None:
            return None
        admin_id, _, state = found.decode().partition(" ")
        return AdminLink(admin_id, state)

    async def use(self, token: str) -> bool:
        """Use a link up. Return False if another request was faster."""
        return bool(await self._client.command("UNLINK", _key(token)))


def _key(token: str) -> str:
    return keys.admin_link(hashlib.sha256(token.encode()).hexdigest())
