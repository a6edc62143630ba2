"""Projects and their API secrets, which are encrypted at rest."""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import uuid4

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from gateway.domain.principal import Project, ProjectId
from gateway.domain.signing import NO_PROOF, PublicKey, secret_id
from gateway.store import keys
from gateway.store.client import FunctionClient
from gateway.telemetry import log

CACHE_SECONDS = 5.0
"""How long a project is remembered, while this node hears of changes; it hears of them at once."""

KEYS_PER_READ = 500

CONTROL_PROJECT = "project"
"""First word of the control message that names the API key of a project to forget."""


class _Secret(msgspec.Struct, frozen=True):
    """One slot: the encrypted secret and the unix second after which it no longer counts, None for never."""

    encrypted: str
    until: int | None = None


class _Record(msgspec.Struct, frozen=True):
    """A project as stored. `secrets`: the current one, then the one it replaced while the overlap lasts.

    `keys` are its public keys as JWKs.
    """

    id: str
    name: str
    api_key: str
    hmac_enabled: bool
    secrets: list[_Secret]
    keys: list[dict[str, str]] = []


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
        self._changes = 0
        self.hears_changes: Callable[[], bool] = lambda: True
        """Say whether other nodes' changes are heard here now; while they are not, nothing is remembered."""

    async def by_api_key(self, api_key: str) -> Project | None:
        """Give the project with this key."""
        cached = self._cache.get(api_key)
        if cached is not None and cached.until > self._monotonic() and self.hears_changes():
            return cached.project
        return (await self.by_api_keys([api_key]))[api_key]

    async def by_api_keys(self, api_keys: Iterable[str]) -> dict[str, Project | None]:
        """Give the projects with these keys as they are stored now."""
        wanted = list(api_keys)
        found: dict[str, Project | None] = {}
        for first in range(0, len(wanted), KEYS_PER_READ):
            some = wanted[first : first + KEYS_PER_READ]
            before = self._changes
            for api_key, raw in zip(some, await self._get_many(some), strict=True):
                found[api_key] = self._decrypt(msgspec.json.decode(raw, type=_Record)) if raw else None
                # What was read before a change may be heard of after it.
                if self._changes == before:
                    self._remember(api_key, found[api_key])
        return found

    def _remember(self, api_key: str, project: Project | None) -> None:
        if len(self._cache) >= 10_000:
            self._cache.clear()  # wrong keys are cached too, so the bound is needed
        seconds = CACHE_SECONDS
        for until in project.grounds.values() if project else ():
            if until is not None:
                seconds = min(seconds, until - self._unix())
        self._cache[api_key] = _Cached(self._monotonic() + seconds, project)

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

        def rotated(record: _Record) -> _Record:
            old = msgspec.structs.replace(record.secrets[0], until=int(self._unix()) + overlap_seconds)
            current = self._encrypt(secrets.token_urlsafe(30))
            return msgspec.structs.replace(record, secrets=[current, *([old] if overlap_seconds else [])])

        return await self._change(api_key, rotated)

    async def set_keys(self, api_key: str, public_keys: Sequence[PublicKey]) -> Project | None:
        """Replace a project's public keys. None: no such project."""
        stored = [{"kid": key.id, **key.members} for key in public_keys]
        return await self._change(api_key, lambda record: msgspec.structs.replace(record, keys=stored))

    async def all(self) -> list[Project]:
        """Give every project."""
        values = await self._client.command("HVALS", keys.PROJECTS)
        return [self._decrypt(msgspec.json.decode(value, type=_Record)) for value in values]

    def forget_all(self) -> None:
        """Drop the cache: any of it may be wrong."""
        self._changes += 1
        self._cache.clear()

    def forget_cached(self, api_key: str) -> None:
        """Drop what the cache knows of one project."""
        self._changes += 1
        self._cache.pop(api_key, None)

    async def _get(self, api_key: str) -> bytes | None:
        return (await self._get_many([api_key]))[0]

    async def _get_many(self, api_keys: Sequence[str]) -> list[bytes | None]:
        found: list[bytes | None] = await self._client.command("HMGET", keys.PROJECTS, *api_keys)
        return found

    async def _change(self, api_key: str, edit: Callable[[_Record], _Record]) -> Project | None:
        """Edit a record as nobody else has changed it meanwhile, so that no change undoes another."""
        while (raw := await self._get(api_key)) is not None:
            record = edit(msgspec.json.decode(raw, type=_Record))
            encoded = msgspec.json.encode(record)
            if await self._client.call("replace_project", keys.PROJECTS, api_key, raw, encoded):
                await self._tell(api_key)
                return self._decrypt(record)
        return None

    async def _put(self, record: _Record) -> None:
        await self._client.command("HSET", keys.PROJECTS, record.api_key, msgspec.json.encode(record))
        await self._tell(record.api_key)

    async def _tell(self, api_key: str) -> None:
        """Have every node forget a project that has changed, this one at once."""
        self.forget_cached(api_key)
        await self._client.publish(keys.CONTROL, f"{CONTROL_PROJECT} {api_key}".encode())

    def _encrypt(self, secret: str) -> _Secret:
        return _Secret(self._fernet.encrypt(secret.encode()).decode())

    def _decrypt(self, record: _Record) -> Project:
        now = self._unix()
        valid = [slot for slot in record.secrets if slot.until is None or slot.until > now]
        plain: list[str] = []
        grounds: dict[str, int | None] = {} if record.hmac_enabled else {NO_PROOF: None}
        for slot in valid:
            try:
                plain.append(self._fernet.decrypt(slot.encrypted.encode()).decode())
                grounds.setdefault(secret_id(plain[-1]), slot.until)
            except InvalidToken:
                log.error(
                    "secret_cannot_be_decrypted",
                    project=record.id,
                    suggestion="start every node with the INBOX_SECRET_KEY that the project was created with",
                )
        public_keys = tuple(
            PublicKey(jwk["kid"], {name: value for name, value in jwk.items() if name != "kid"}) for jwk in record.keys
        )
        grounds.update((key.ground, None) for key in public_keys)
        return Project(
            ProjectId(record.id),
            record.name,
            record.api_key,
            record.hmac_enabled,
            tuple(plain),
            public_keys,
            grounds,
        )
