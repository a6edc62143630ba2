"""The admins of the dashboard, with the hashes of their passwords.

An email is one admin's: a hash from emails to ids is claimed first. Changes are made one after another, under a lock,
so that two of them together cannot leave the gateway without an owner.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping

import msgspec

from gateway.domain.admin import EVERY_WORKSPACE, Admin, Role
from gateway.domain.ids import WorkspaceId
from gateway.domain.principal import normalize_email
from gateway.store import keys
from gateway.store.errors import EmailTakenError, LastOwnerError, TooManyError
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.problems import StoreDataError
from gateway.telemetry.logs import log

MAX_ADMINS = 1000
"""The maximum number of admins. All of them are read to list them."""

LOCK_MS = 5000
"""How long a change of an admin may take before another one begins."""


class AdminRecord(msgspec.Struct, frozen=True):
    """An admin as stored, in JSON. `password` is the hash, "" until the admin has chosen one.

    Times are unix seconds, 0 for never. `sso_subject` is who the admin is for the provider of single sign-on.
    """

    id: str
    email: str
    name: str = ""
    roles: dict[str, str] = {}
    password: str = ""
    created_at: int = 0
    signed_in_at: int = 0
    sso_subject: str = ""

    @property
    def admin(self) -> Admin:
        """The admin, without the password."""
        return Admin(
            self.id, self.email, self.name, {WorkspaceId(where): Role(role) for where, role in self.roles.items()}
        )

    @property
    def is_owner(self) -> bool:
        """Whether this admin may change all admins, and can sign in."""
        can_sign_in = bool(self.password or self.sso_subject)
        return can_sign_in and self.roles.get(EVERY_WORKSPACE) == Role.OWNER.value


class AdminStore:
    """All admins. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient, unix: Callable[[], float] = time.time):
        self._client = client
        self._unix = unix

    async def any(self) -> bool:
        """Return whether there is an admin."""
        return bool(await self._client.command("HLEN", keys.ADMINS))

    async def by_id(self, admin_id: str) -> AdminRecord | None:
        """Return an admin, None if there is none with this id."""
        raw = await self._client.command("HGET", keys.ADMINS, admin_id)
        return None if raw is None else _decoded(raw)

    async def by_email(self, email: str) -> AdminRecord | None:
        """Return the admin with this email, None if there is none."""
        admin_id = await self._client.command("HGET", keys.ADMIN_EMAILS, normalize_email(email))
        return None if admin_id is None else await self.by_id(admin_id.decode())

    async def all(self) -> list[AdminRecord]:
        """Return every admin, by email. A record that cannot be read is logged and left out."""
        found = []
        for raw in await self._client.command("HVALS", keys.ADMINS):
            with contextlib.suppress(StoreDataError):
                found.append(_decoded(raw))
        return sorted(found, key=lambda record: record.email)

    async def create(
        self,
        email: str,
        name: str,
        roles: Mapping[WorkspaceId, Role],
        *,
        password: str = "",
        sso_subject: str = "",
        only_first: bool = False,
    ) -> AdminRecord:
        """Create an admin. With `only_first`, only if there is none yet.

        Raises EmailTakenError, also if the admin is not the first one, and TooManyError.
        """
        record = AdminRecord(
            secrets.token_hex(8),
            normalize_email(email),
            name,
            {where: role.value for where, role in roles.items()},
            password,
            int(self._unix()),
            sso_subject=sso_subject,
        )
        async with self._lock():
            count = await self._client.command("HLEN", keys.ADMINS)
            if only_first and count:
                raise EmailTakenError(email)
            if count >= MAX_ADMINS:
                raise TooManyError("admins", MAX_ADMINS)
            await self._claim(record)
            await self._put(record)
        return record

    async def change(self, admin_id: str, change: Callable[[AdminRecord], AdminRecord]) -> AdminRecord | None:
        """Change an admin, and return the record, None if there is none. The id and the email stay the same.

        Raises LastOwnerError.
        """
        async with self._lock():
            before = await self.by_id(admin_id)
            if before is None:
                return None
            after = change(before)
            if before.is_owner and not after.is_owner:
                await self._check_other_owner(admin_id)
            await self._put(after)
            return after

    async def note_signed_in(self, admin_id: str) -> None:
        """Record that an admin has signed in now."""
        await self.change(admin_id, lambda record: msgspec.structs.replace(record, signed_in_at=int(self._unix())))

    async def remove(self, admin_id: str) -> AdminRecord | None:
        """Remove an admin, and return what was removed, None if there was none. Raises LastOwnerError."""
        async with self._lock():
            record = await self.by_id(admin_id)
            if record is None:
                return None
            if record.is_owner:
                await self._check_other_owner(admin_id)
            await self._client.command("HDEL", keys.ADMINS, admin_id)
            await self._client.command("HDEL", keys.ADMIN_EMAILS, record.email)
            return record

    async def _claim(self, record: AdminRecord) -> None:
        """Claim the email of a new admin. A claim that a dying process left without an admin is taken over."""
        await self._client.command("HSETNX", keys.ADMIN_EMAILS, record.email, record.id)
        owner = await self._client.command("HGET", keys.ADMIN_EMAILS, record.email)
        if owner != record.id.encode():
            if await self._client.command("HEXISTS", keys.ADMINS, owner):
                raise EmailTakenError(record.email)
            await self._client.command("HSET", keys.ADMIN_EMAILS, record.email, record.id)

    async def _put(self, record: AdminRecord) -> None:
        await self._client.command("HSET", keys.ADMINS, record.id, msgspec.json.encode(record))

    async def _check_other_owner(self, admin_id: str) -> None:
        if not any(other.is_owner and other.id != admin_id for other in await self.all()):
            raise LastOwnerError

    @contextlib.asynccontextmanager
    async def _lock(self) -> AsyncIterator[None]:
        """Hold the lock of changes. The lock of a process that died ends by itself."""
        holder = secrets.token_hex(8).encode()
        while await self._client.command("SET", keys.ADMIN_LOCK, holder, "NX", "PX", LOCK_MS) is None:
            if await self._client.command("GET", keys.ADMIN_LOCK) == holder:
                break  # the reply to an earlier attempt was lost
            await asyncio.sleep(0.02)
        try:
            yield
        finally:
            if await self._client.command("GET", keys.ADMIN_LOCK) == holder:
                await self._client.command("UNLINK", keys.ADMIN_LOCK)


def _decoded(raw: bytes) -> AdminRecord:
    try:
        record = msgspec.json.decode(raw, type=AdminRecord)
        _ = record.admin  # the roles are known
        return record
    except (msgspec.DecodeError, ValueError) as problem:
        log.error("admin_record_broken", problem=str(problem))
        raise StoreDataError("The record of this admin cannot be read", f"admin: {problem}") from None
