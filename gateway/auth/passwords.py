"""The passwords of admins: Argon2id (RFC 9106) with the parameters of OWASP, one at a time in a thread.

A hash takes 19 MiB and some 20 ms of a processor. Requests are served meanwhile. If there is no hash to compare with,
a password is compared with one that nobody has, so that the time of a refusal does not reveal who is an admin.
"""

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from typing import TypeVar

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from gateway.domain.errors import ErrorCode, api_error

T = TypeVar("T")

MIN_LENGTH = 12
MAX_LENGTH = 1000

_MEMORY_KIB = 19 * 1024
_ITERATIONS = 2
_LANES = 1
_SALT_BYTES = 16
_HASH_BYTES = 32

MAX_WAITING = 50
"""How many passwords may wait for the thread: one second of work."""

RESERVED = 50
"""How many more may wait of admins in networks from which they have signed in before. However many strangers try at
once, they cannot keep these out."""


def password_fault(password: str, email: str = "") -> str:
    """Return what is wrong with a new password, "" if nothing is."""
    if len(password) < MIN_LENGTH:
        return f"must have at least {MIN_LENGTH} characters"
    if len(password) > MAX_LENGTH:
        return f"must have at most {MAX_LENGTH} characters"
    if len(set(password)) < 5 or (email and password.strip().lower() == email.lower()):
        return "is too easy to guess"
    return ""


class PasswordHasher:
    """Hashes passwords, and compares them with hashes. `hashed` counts the work that was done."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._nobodys = ""
        self.hashed = 0

    async def hash(self, password: str) -> str:
        """Return the hash of a password in PHC form. Raises ApiError 503."""
        return await self._run(_hash, password)

    async def matches(self, password: str, stored: str, *, is_known: bool = False) -> bool:
        """Return whether a hash is that of a password. Without a hash, do the same work.

        `is_known` is whether the admin has signed in from this network before. Raises ApiError 503.
        """
        most = MAX_WAITING + RESERVED if is_known else MAX_WAITING
        if not self._nobodys:
            self._nobodys = await self._run(_hash, secrets.token_urlsafe(), most=most)
        found = await self._run(_matches, password, stored or self._nobodys, most=most)
        return found and bool(stored)

    async def _run(self, work: Callable[..., T], *texts: str, most: int = MAX_WAITING + RESERVED) -> T:
        if self._waiting >= most:
            raise api_error(ErrorCode.OVERLOADED, "Too many people are signing in", 2)
        self._waiting += 1
        try:
            async with self._lock:
                self.hashed += 1
                return await asyncio.to_thread(work, *texts)
        finally:
            self._waiting -= 1


def _hash(password: str) -> str:
    argon = Argon2id(
        salt=secrets.token_bytes(_SALT_BYTES),
        length=_HASH_BYTES,
        iterations=_ITERATIONS,
        lanes=_LANES,
        memory_cost=_MEMORY_KIB,
    )
    return argon.derive_phc_encoded(_bytes(password))


def _matches(password: str, stored: str) -> bool:
    try:
        Argon2id.verify_phc_encoded(_bytes(password), stored)
    except InvalidKey:
        return False
    return True


def _bytes(password: str) -> bytes:
    """Return a password as it is hashed: keyboards encode the same characters in several ways (RFC 8265, 4.2)."""
    return unicodedata.normalize("NFC", password).encode()
