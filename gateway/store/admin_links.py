"""Links that let somebody choose a password: for the first owner, for an invited admin, after a reset.

A link has a token of 256 random bits, is used once, and ends by itself. Only the SHA-256 of the token is stored.
"""

import hashlib
import secrets

from gateway.store import keys
from gateway.store.redis.client import FunctionClient

SETUP_SECONDS = 3600
"""How long the link for the first owner lasts. Every start of the gateway makes another one until there is an owner."""

INVITATION_SECONDS = 7 * 24 * 3600
"""How long an invited admin has to choose a password."""

FIRST_OWNER = ""
"""Stands for the id of the admin in a link for the first owner, whom the link creates."""


class AdminLinkStore:
    """All links. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient):
        self._client = client

    async def create(self, admin_id: str, seconds: int) -> str:
        """Create a link for an admin, or for FIRST_OWNER, and return its token."""
        token = secrets.token_urlsafe(32)
        await self._client.command("SET", _key(token), admin_id, "EX", seconds)
        return token

    async def find(self, token: str) -> str | None:
        """Return the id of the admin whom a link is for, or FIRST_OWNER; None if the link was used or has ended."""
        found = await self._client.command("GET", _key(token))
        return None if found is None else str(found.decode())

    async def use(self, token: str) -> bool:
        """Use a link up. Return False if another request was faster."""
        return bool(await self._client.command("UNLINK", _key(token)))


def _key(token: str) -> str:
    return keys.admin_link(hashlib.sha256(token.encode()).hexdigest())
