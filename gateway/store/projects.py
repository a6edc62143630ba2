"""Projects and their API secrets, which are encrypted at rest."""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from gateway.domain.principal import Project, ProjectId
from gateway.store import keys
from gateway.store.client import FunctionClient
from gateway.telemetry import log

CACHE_SECONDS = 5.0
"""How long another node's change may go unnoticed here while the pub/sub link is down; else it is told at once."""

CONTROL_PROJECT = "project"
"""First word of the control message that names the API key of a project to forget."""


class _Secret(msgspec.Struct, frozen=True):
    """One slot: the encrypted secret and the unix second after which it no longer counts, None for never."""

    encrypted: str
    until: int | None = None


class _Record(msgspec.Struct, frozen=True):
    """A project as stored. `secrets`: the current one, then the one it replaced while the overlap lasts."""

    id: str
    name: str
    api_key: str
    hmac_enabled: bool
    secrets: list[_Secret]


@dataclass(frozen=True, slots=True)
class _Cached:
    until: float
    project: Project | None


class ProjectStore:
    """All projects, with a short-lived cache in front. Methods raise StoreUnavailableError.

    `secret_key` is the setting: any string; the encryption key is derived from it.
    """

    def __init__(
        self,
        client: FunctionClient,
        secret_key: str,
        monotonic: Callable[[], float] = time.monotonic,
        unix: Callable[[], float] = time.time,
    ):
        digest = hashlib.sha256(b"inbox-gateway api secrets\0" + secret_key.encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(digest))
        self._client = client
        self._monotonic = monotonic
        self._unix = unix
        self._cache: dict[str, _Cached] = {}

    async def by_api_key(self, api_key: str) -> Project | None:
        """Give the project with this key."""
        now = self._monotonic()
        cached = self._cache.get(api_key)
        if cached is not None and cached.until > now:
            return cached.project
        raw = await self._get(api_key)
        project = self._decrypt(msgspec.json.decode(raw, type=_Record)) if raw else None
        if len(self._cache) >= 10_000:
            self._cache.clear()  # wrong keys are cached too, so the bound is needed
        self._cache[api_key] = _Cached(now + CACHE_SECONDS, project)
        return project

    async def create(
        self, name: str, hmac_enabled: bool, api_key: str | None = None, api_secret: str | None = None
    ) -> Project:
        """Create a project, with random keys unless they are given."""
        secret = api_secret or secrets.token_urlsafe(30)
        record = _Record(
            id=str(uuid4()),
            name=name,
            # A key that began with a dash would be taken for an option on the command line.
            api_key=api_key or "key_" + secrets.token_urlsafe(18),
            hmac_enabled=hmac_enabled,
            secrets=[self._encrypt(secret)],
        )
        await self._put(record)
        return self._decrypt(record)

    async def keep(self, name: str, api_key: str, api_secret: str, hmac_enabled: bool) -> Project:
        """Make sure that a project with this key and secret exists; its data stays if it did."""
        raw = await self._get(api_key)
        if raw is None:
            return await self.create(name, hmac_enabled, api_key, api_secret)
        record = msgspec.json.decode(raw, type=_Record)
        project = self._decrypt(record)
        if api_secret not in project.secrets or project.hmac_enabled != hmac_enabled:
            record = msgspec.structs.replace(record, hmac_enabled=hmac_enabled, secrets=[self._encrypt(api_secret)])
            await self._put(record)
        return self._decrypt(record)

    async def rotate_secret(self, api_key: str, overlap_seconds: int) -> Project | None:
        """Give a project a new secret; the old one counts for `overlap_seconds` more. None: no such project."""
        raw = await self._get(api_key)
        if raw is None:
            return None
        record = msgspec.json.decode(raw, type=_Record)
        old = msgspec.structs.replace(record.secrets[0], until=int(self._unix()) + overlap_seconds)
        record = msgspec.structs.replace(
            record, secrets=[self._encrypt(secrets.token_urlsafe(30)), *([old] if overlap_seconds else [])]
        )
        await self._put(record)
        return self._decrypt(record)

    async def all(self) -> list[Project]:
        """Give every project."""
        values = await self._client.command("HVALS", keys.PROJECTS)
        return [self._decrypt(msgspec.json.decode(value, type=_Record)) for value in values]

    def forget_all(self) -> None:
        """Drop the cache: any of it may be wrong."""
        self._cache.clear()

    def forget_cached(self, api_key: str) -> None:
        """Drop what the cache knows of one project."""
        self._cache.pop(api_key, None)

    async def _get(self, api_key: str) -> bytes | None:
        raw: bytes | None = await self._client.command("HGET", keys.PROJECTS, api_key)
        return raw

    async def _put(self, record: _Record) -> None:
        await self._client.command("HSET", keys.PROJECTS, record.api_key, msgspec.json.encode(record))
        self.forget_cached(record.api_key)
        await self._client.publish(keys.CONTROL, f"{CONTROL_PROJECT} {record.api_key}".encode())

    def _encrypt(self, secret: str) -> _Secret:
        return _Secret(self._fernet.encrypt(secret.encode()).decode())

    def _decrypt(self, record: _Record) -> Project:
        now = self._unix()
        valid = [slot for slot in record.secrets if slot.until is None or slot.until > now]
        plain = []
        for slot in valid:
            try:
                plain.append(self._fernet.decrypt(slot.encrypted.encode()).decode())
            except InvalidToken:
                log.error(
                    "secret_cannot_be_decrypted",
                    project=record.id,
                    suggestion="start every node with the INBOX_SECRET_KEY that the project was created with",
                )
        return Project(ProjectId(record.id), record.name, record.api_key, record.hmac_enabled, tuple(plain))
