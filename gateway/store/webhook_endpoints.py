"""The endpoints of outgoing webhooks, and each worker's cache of them, by which it knows whether a project has any."""

import secrets
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from gateway.domain.ids import ProjectId
from gateway.domain.webhook import MAX_ENDPOINTS, is_selected
from gateway.store import keys
from gateway.store.errors import TooManyError
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import Arguments, writing_function
from gateway.store.redis.problems import decoding
from gateway.store.sealing import Sealer
from gateway.telemetry.logs import log

CONTROL_WEBHOOKS = "webhook_endpoints"
"""The first word of the control message that names a project whose endpoints have changed."""

CACHE_SECONDS = 5.0
"""How long endpoints are cached. When a change is received, they are removed at once."""

CACHED_PROJECTS = 10_000

SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix of every secret
_SECRET_BYTES = 24
"""The specification asks for 24 to 64 bytes."""

DISABLED_BY_REQUEST = "request"
DISABLED_BY_FAILURES = "failures"
DISABLED_BY_ENDPOINT = "gone"
"""Why an endpoint is disabled: somebody asked for it, it only failed, or it answered 410."""


class SigningSecret(NamedTuple):
    """A secret, and the unix ms until which messages are signed with it, None for the newest."""

    secret: str
    until_ms: int | None = None


class _Record(msgspec.Struct, omit_defaults=True):
    """An endpoint in Redis. `sealed` are its secrets, newest first, encrypted."""

    url: str
    sealed: str
    created_ms: int
    updated_ms: int
    event_types: list[str] = []
    description: str = ""
    disabled: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint. `disabled` is the reason why nothing is sent to it, "" if it is enabled.

    `secrets` are newest first; there are none if another secret key encrypted them.
    """

    id: str
    url: str = field(repr=False)
    event_types: tuple[str, ...]
    description: str = field(repr=False)
    disabled: str
    created_ms: int
    updated_ms: int
    secrets: tuple[SigningSecret, ...] = field(repr=False)
    raw: bytes = field(default=b"", repr=False)
    """As stored."""

    def gets(self, label: str, happened_ms: int) -> bool:
        """Return whether the endpoint gets an event of a type that happened at this time."""
        return not self.disabled and happened_ms >= self.created_ms and is_selected(self.event_types, label)

    def signing(self, now_ms: int) -> list[str]:
        """Return the secrets with which a message is signed now, newest first."""
        return [each.secret for each in self.secrets if each.until_ms is None or each.until_ms > now_ms]


class _Cached(NamedTuple):
    until: float
    endpoints: tuple[Endpoint, ...]


def _replace(endpoint_id: str, before: bytes, record: bytes) -> Arguments:
    return (endpoint_id, before, record, MAX_ENDPOINTS)


def _delete(endpoint_id: str) -> Arguments:
    return (endpoint_id,)


REPLACE_ENDPOINT = writing_function("replace_webhook_endpoint", "webhook endpoints", _replace, int)
DELETE_ENDPOINT = writing_function(
    "delete_webhook_endpoint", "webhook endpoints", _delete, bool, frees_memory=True, repeatable=False
)

_TOO_MANY = -1

_decode = msgspec.json.Decoder(_Record).decode


def new_secret() -> str:
    """Return a new signing secret."""
    return SECRET_PREFIX + b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


class WebhookEndpointStore:
    """The endpoints of all projects, with a short-lived cache in front. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient, secret_key: str, monotonic: Callable[[], float] = time.monotonic):
        self._client = client
        self.sealer = Sealer(secret_key)
        self._monotonic = monotonic
        self._cache: dict[ProjectId, _Cached] = {}
        self._changes = 0
        self.receives_changes: Callable[[], bool] = lambda: True
        """Returns whether changes by other nodes are received now. While they are not, the cache is not used."""

    def cached(self, project_id: ProjectId) -> tuple[Endpoint, ...] | None:
        """Return the endpoints of a project, None if they must be read."""
        entry = self._cache.get(project_id)
        if entry is None or entry.until < self._monotonic() or not self.receives_changes():
            return None
        return entry.endpoints

    async def of_project(self, project_id: ProjectId) -> tuple[Endpoint, ...]:
        """Return the endpoints of a project, oldest first, from the cache if they are there."""
        if (known := self.cached(project_id)) is not None:
            return known
        before = self._changes
        endpoints = tuple(await self.all(project_id))
        # The message about a change may arrive after a reply that was sent before the change.
        if self._changes == before:
            if len(self._cache) >= CACHED_PROJECTS:
                self._cache.clear()
            self._cache[project_id] = _Cached(self._monotonic() + CACHE_SECONDS, endpoints)
        return endpoints

    async def has_enabled(self, project_id: ProjectId) -> bool:
        """Return whether any endpoint of a project is enabled."""
        known = self.cached(project_id)
        endpoints = known if known is not None else await self.of_project(project_id)
        return any(not each.disabled for each in endpoints)

    async def all(self, project_id: ProjectId) -> list[Endpoint]:
        """Return the endpoints of a project, oldest first. One that cannot be read is logged and left out."""
        flat = await self._client.command("HGETALL", keys.webhook_endpoints(project_id))
        found: list[Endpoint] = []
        for name, raw in zip(flat[::2], flat[1::2], strict=True):
            try:
                found.append(self._opened(project_id, name.decode(errors="replace"), raw))
            except msgspec.MsgspecError as problem:
                log.error("webhook_endpoint_broken", project=project_id, endpoint=repr(name), problem=str(problem))
        return sorted(found, key=lambda each: each.id)

    async def read(self, project_id: ProjectId, endpoint_id: str) -> Endpoint | None:
        """Return an endpoint as it is now, None if there is none."""
        raw = await self._client.command("HGET", keys.webhook_endpoints(project_id), endpoint_id)
        if raw is None:
            return None
        with decoding(f"the webhook endpoint {endpoint_id}"):
            return self._opened(project_id, endpoint_id, raw)

    async def save(self, project_id: ProjectId, endpoint: Endpoint, before: Endpoint | None) -> bool:
        """Save an endpoint in place of the one that was read before. Return False if that has changed since.

        Raises TooManyError.
        """
        record = _Record(
            endpoint.url,
            self.seal(project_id, endpoint.id, endpoint.secrets),
            endpoint.created_ms,
            endpoint.updated_ms,
            list(endpoint.event_types),
            endpoint.description,
            endpoint.disabled,
        )
        call = REPLACE_ENDPOINT(
            keys.webhook_endpoints(project_id),
            endpoint.id,
            before=before.raw if before is not None else b"",
            record=msgspec.json.encode(record),
        )
        outcome = await self._client.call(call)
        if outcome == _TOO_MANY:
            raise TooManyError("webhook endpoints", MAX_ENDPOINTS)
        if outcome:
            await self._publish(project_id)
        return outcome == 1

    async def delete(self, project_id: ProjectId, endpoint_id: str) -> bool:
        """Delete an endpoint. Return whether there was one. Its messages stay for a while."""
        deleted = await self._client.call(DELETE_ENDPOINT(keys.webhook_endpoints(project_id), endpoint_id))
        await self._publish(project_id)
        return deleted

    def forget(self, project_id: ProjectId) -> None:
        """Remove the endpoints of a project from the cache."""
        self._changes += 1
        self._cache.pop(project_id, None)

    def forget_all(self) -> None:
        """Clear the cache, because any entry may be wrong."""
        self._changes += 1
        self._cache.clear()

    def seal(self, project_id: ProjectId, endpoint_id: str, signing: Sequence[SigningSecret]) -> str:
        """Return secrets of an endpoint, encrypted."""
        return self.sealer.seal(msgspec.json.encode(signing), _place(project_id, endpoint_id))

    def unseal(self, project_id: ProjectId, endpoint_id: str, sealed: str) -> tuple[SigningSecret, ...]:
        """Return secrets that `seal` encrypted, none if that was with another secret key. That is logged."""
        opened = self.sealer.open(sealed, _place(project_id, endpoint_id))
        if opened is None:
            log.error(
                "webhook_secret_cannot_be_decrypted",
                project=project_id,
                endpoint=endpoint_id,
                suggestion="start every node with the INBOX_SECRET_KEY with which it was saved, or rotate the secret",
            )
            return ()
        return tuple(msgspec.json.decode(opened, type=list[SigningSecret]))

    def _opened(self, project_id: ProjectId, endpoint_id: str, raw: bytes) -> Endpoint:
        record = _decode(raw)
        return Endpoint(
            endpoint_id,
            record.url,
            tuple(record.event_types),
            record.description,
            record.disabled,
            record.created_ms,
            record.updated_ms,
            self.unseal(project_id, endpoint_id, record.sealed),
            raw,
        )

    async def _publish(self, project_id: ProjectId) -> None:
        self.forget(project_id)
        await self._client.publish(keys.CONTROL, f"{CONTROL_WEBHOOKS} {project_id}".encode())


def _place(project_id: ProjectId, endpoint_id: str) -> str:
    return f"{project_id} webhook endpoint {endpoint_id}"
