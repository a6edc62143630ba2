"""The sessions of admins: of browsers, by a cookie, and of scripts, by a token.

Both are 256 random bits. Only their SHA-256 is stored, so that nobody can use what is in a backup. Its first half is
the id of the session, which is no secret.
"""

import hashlib
import secrets
import time
from collections.abc import Callable
from enum import Enum

import msgspec

from gateway.store import keys
from gateway.store.redis.client import FunctionClient

IDLE_SECONDS = 12 * 3600
"""How long after its last use the session of a browser ends."""

MAX_SECONDS = 7 * 24 * 3600
"""How long a session of a browser lasts, however much it is used."""

TOUCH_SECONDS = 60
"""How often the use of a session is recorded, at most."""

MAX_SESSIONS = 100
"""The maximum number of sessions of an admin. The oldest one ends when another one begins."""

MAX_AGENT_LENGTH = 255


class SessionKind(Enum):
    """How the id of a session is sent."""

    BROWSER = "browser"
    """In a cookie."""
    TOKEN = "token"  # noqa: S105 - the name of a kind
    """In the header `Authorization`, by a script."""


class AdminSession(msgspec.Struct, frozen=True):
    """A session. Times are unix seconds; `confirmed_until` is until when the password counts as just given."""

    id: str
    admin_id: str
    kind: SessionKind
    created_at: int
    seen_at: int
    ends_at: int
    confirmed_until: int
    address: str
    agent: str


class NewSession(msgspec.Struct, frozen=True):
    """A session that has just begun, and the secret that opens it, which is not stored."""

    secret: str
    session: AdminSession


def session_id_of(secret: str) -> str:
    """Return the id of the session that a secret opens."""
    return hashlib.sha256(secret.encode()).hexdigest()[:32]


class AdminSessionStore:
    """All sessions. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient, unix: Callable[[], float] = time.time):
        self._client = client
        self._unix = unix

    async def begin(
        self,
        admin_id: str,
        kind: SessionKind,
        *,
        address: str = "",
        agent: str = "",
        seconds: int = MAX_SECONDS,
        confirmed_until: int = 0,
    ) -> NewSession:
        """Begin a session that lasts at most `seconds`."""
        now = int(self._unix())
        secret = ("inbox_admin_" if kind is SessionKind.TOKEN else "") + secrets.token_urlsafe(32)
        session = AdminSession(
            session_id_of(secret),
            admin_id,
            kind,
            now,
            now,
            now + seconds,
            confirmed_until,
            address,
            agent[:MAX_AGENT_LENGTH],
        )
        of_admin, key = keys.admin_sessions(admin_id), keys.admin_session(session.id)
        await self._client.commands(
            ("HSET", key, *_fields(session)),
            ("EXPIRE", key, _lifetime(session, now)),
            ("ZREMRANGEBYSCORE", of_admin, "-inf", now),
            ("ZADD", of_admin, session.ends_at, session.id),
        )
        for oldest in await self._client.command("ZRANGE", of_admin, 0, -MAX_SESSIONS - 1):
            await self.end(admin_id, oldest.decode())
        last = await self._client.command("ZRANGE", of_admin, -1, -1, "WITHSCORES")
        ends_at = int(float(last[-1])) if last else session.ends_at
        await self._client.command("EXPIRE", of_admin, max(1, ends_at - now))
        return NewSession(secret, session)

    async def open(self, secret: str, kind: SessionKind) -> AdminSession | None:
        """Return the session that a secret opens, None if there is none of this kind. Its use is recorded."""
        session = await self._read(session_id_of(secret))
        now = int(self._unix())
        if session is None or session.kind is not kind or session.ends_at <= now:
            return None
        if now - session.seen_at >= TOUCH_SECONDS:
            key = keys.admin_session(session.id)
            # If the session ends just now, this leaves a record without an admin, which opens nothing and expires.
            await self._client.commands(("HSET", key, "seen_at", now), ("EXPIRE", key, _lifetime(session, now)))
        return session

    async def is_open(self, session_id: str) -> bool:
        """Return whether a session has not ended. Its use is not recorded."""
        session = await self._read(session_id)
        return session is not None and session.ends_at > int(self._unix())

    async def confirm(self, session_id: str, until: int) -> None:
        """Record until when the password counts as just given. A session that has ended stays ended."""
        key, session = keys.admin_session(session_id), await self._read(session_id)
        if session is not None:
            lifetime = _lifetime(session, int(self._unix()))
            await self._client.commands(("HSET", key, "confirmed_until", until), ("EXPIRE", key, lifetime))

    async def of_admin(self, admin_id: str) -> list[AdminSession]:
        """Return the sessions of an admin, the one that was used last first."""
        ids = await self._client.command("ZRANGE", keys.admin_sessions(admin_id), 0, -1)
        if not ids:
            return []
        stored = await self._client.commands(*(("HGETALL", keys.admin_session(each.decode())) for each in ids))
        found = [_decoded(each.decode(), flat) for each, flat in zip(ids, stored, strict=True)]
        open_ones = [session for session in found if session is not None]
        return sorted(open_ones, key=lambda session: session.seen_at, reverse=True)

    async def end(self, admin_id: str, session_id: str) -> bool:
        """End a session of an admin. Return whether there was one."""
        ended = await self._client.command("ZREM", keys.admin_sessions(admin_id), session_id)
        if ended:
            await self._client.command("UNLINK", keys.admin_session(session_id))
        return bool(ended)

    async def end_all(self, admin_id: str, but: str = "") -> int:
        """End all sessions of an admin, except the one with the id `but`. Return how many there were."""
        ids = await self._client.command("ZRANGE", keys.admin_sessions(admin_id), 0, -1)
        return sum([await self.end(admin_id, each.decode()) for each in ids if each.decode() != but])

    async def _read(self, session_id: str) -> AdminSession | None:
        return _decoded(session_id, await self._client.command("HGETALL", keys.admin_session(session_id)))


def _lifetime(session: AdminSession, now: int) -> int:
    """Return for how many seconds a session is kept that is used now."""
    left = session.ends_at - now
    return max(1, min(IDLE_SECONDS, left) if session.kind is SessionKind.BROWSER else left)


def _fields(session: AdminSession) -> list[str]:
    stored = msgspec.to_builtins(session)
    return [str(text) for name, value in stored.items() if name != "id" for text in (name, value)]


def _decoded(session_id: str, flat: list[bytes]) -> AdminSession | None:
    """Return the session of a record, None if it has ended."""
    texts = [each.decode(errors="replace") for each in flat]
    stored = {"id": session_id, **dict(zip(texts[::2], texts[1::2], strict=True))}
    try:
        return msgspec.convert(stored, AdminSession, strict=False)
    except msgspec.ValidationError:
        return None
