"""The integrations of projects: at most one configuration of each kind.

The id of a configuration is a UUID of version 8 (RFC 9562, 5.8). It contains the number of the project and the time of
creation, so that an incoming webhook, whose path has only this id, needs no index, and ids sort by age:

    project 48 bits | version 4 | seconds, high 12 | variant 2 | seconds, low 20 | random 42
"""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.registry import INTEGRATION_KINDS
from gateway.domain.ids import ProjectId
from gateway.store import keys
from gateway.store.configurations import Configuration, ConfigurationCodec
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import Arguments, writing_function

CONTROL_INTEGRATION = "integration"
"""The first word of the control message that names the project and the kind of a changed integration."""

CACHE_SECONDS = 5.0
"""How long a configuration is cached. When a change is received, it is removed at once."""

MAX_CACHED = 10_000
"""How many configurations are cached, including that there is none."""

_RANDOM_BITS = 42
_LOW_BITS = 20


def new_id(project_id: ProjectId, now: int) -> str:
    """Return a new id of a configuration. `now` is the unix second."""
    high, low = now >> _LOW_BITS & 0xFFF, now & (1 << _LOW_BITS) - 1
    number = int(project_id) << 80 | 0x8 << 76 | high << 64 | 0b10 << 62 | low << _RANDOM_BITS
    return str(UUID(int=number | secrets.randbits(_RANDOM_BITS)))


def project_of(config_id: UUID) -> ProjectId:
    """Return the project that an id contains. It need not exist."""
    return ProjectId(str(config_id.int >> 80))


def _place(project_id: ProjectId, name: str) -> str:
    return f"{project_id} {name}"


def _replace(name: str, before: bytes, record: bytes) -> Arguments:
    return (name, before, record)


def _delete(name: str, before: bytes) -> Arguments:
    return (name, before)


REPLACE_INTEGRATION = writing_function("replace_integration", "integrations", _replace, bool)
DELETE_INTEGRATION = writing_function(
    "delete_integration", "integrations", _delete, bool, frees_memory=True, repeatable=False
)


class IntegrationStore:
    """The integrations of all projects, with a short-lived cache for those that are read often.

    Methods raise StoreUnavailableError, StoreDataError among them.
    """

    def __init__(
        self,
        client: FunctionClient,
        secret_key: str,
        unix: Callable[[], float] = time.time,
        kinds: Sequence[IntegrationKind] = INTEGRATION_KINDS,
        monotonic: Callable[[], float] = time.monotonic,
    ):
        self._client = client
        self._kinds = {kind.name: kind for kind in kinds}
        self._codec = ConfigurationCodec(secret_key)
        self._unix = unix
        self._monotonic = monotonic
        self._cache: dict[tuple[ProjectId, str], tuple[float, Configuration | None]] = {}
        self._changes = 0
        self.receives_changes: Callable[[], bool] = lambda: True
        """Returns whether changes by other nodes are received now. While they are not, the cache is not used."""
        self.on_changed: Callable[[ProjectId], None] = lambda project_id: None
        """Called when this process has changed an integration of a project."""

    async def all(self, project_id: ProjectId) -> list[tuple[IntegrationKind, Configuration]]:
        """Return the configurations of a project, newest first. Kinds that this version does not have are left out."""
        flat = await self._client.command("HGETALL", keys.integrations(project_id))
        found = []
        for name, raw in zip(flat[::2], flat[1::2], strict=True):
            kind = self._kinds.get(name.decode(errors="replace"))
            if kind is not None:
                found.append((kind, self._codec.decode(raw, _place(project_id, kind.name))))
        return sorted(found, key=lambda each: each[1].id, reverse=True)

    async def read(self, project_id: ProjectId, kind: IntegrationKind) -> Configuration | None:
        """Return the configuration of a kind, None if there is none."""
        raw = await self._client.command("HGET", keys.integrations(project_id), kind.name)
        return None if raw is None else self._codec.decode(raw, _place(project_id, kind.name))

    async def cached(self, project_id: ProjectId, kind: IntegrationKind) -> Configuration | None:
        """Return the same as `read`, from the cache if it is there."""
        key = (project_id, kind.name)
        until, configuration = self._cache.get(key, (0.0, None))
        if until > self._monotonic() and self.receives_changes():
            return configuration
        before = self._changes
        found = await self.read(project_id, kind)
        # The message about a change may arrive after a reply that was sent before the change.
        if self._changes == before:
            if len(self._cache) >= MAX_CACHED:
                self._cache.clear()
            self._cache[key] = (self._monotonic() + CACHE_SECONDS, found)
        return found

    def forget(self, project_id: ProjectId, name: str) -> None:
        """Remove a changed configuration from the cache."""
        self._changes += 1
        self._cache.pop((project_id, name), None)

    def forget_all(self) -> None:
        """Clear the cache, because any entry may be wrong."""
        self._changes += 1
        self._cache.clear()

    async def find(self, kind: IntegrationKind, config_id: UUID) -> tuple[ProjectId, Configuration] | None:
        """Return the configuration of a kind with this id, and its project; None if there is none."""
        project_id = project_of(config_id)
        found = await self.read(project_id, kind)
        return (project_id, found) if found is not None and found.id == str(config_id) else None

    async def replace(
        self, project_id: ProjectId, kind: IntegrationKind, values: Mapping[str, Any], before: Configuration | None
    ) -> Configuration | None:
        """Save a configuration in place of the one that was read before, and return it. Its id stays the same.

        Return None if the saved one has changed since.
        """
        config_id = before.id if before is not None else new_id(project_id, int(self._unix()))
        place = _place(project_id, kind.name)
        record = self._codec.encode(config_id, values, kind.secrets, place)
        raw = before.raw if before is not None else b""
        call = REPLACE_INTEGRATION(keys.integrations(project_id), kind.name, before=raw, record=record)
        if not await self._client.call(call):
            return None
        await self._publish(project_id, kind)
        return self._codec.decode(record, place)

    async def delete(self, project_id: ProjectId, kind: IntegrationKind, config_id: str = "") -> Configuration | None:
        """Delete the configuration of a kind, if it has this id or none is given. Return it, None if there was none."""
        while True:
            found = await self.read(project_id, kind)
            if found is None or config_id not in ("", found.id):
                return None
            call = DELETE_INTEGRATION(keys.integrations(project_id), kind.name, before=found.raw)
            if await self._client.call(call):
                await self._publish(project_id, kind)
                return found

    async def _publish(self, project_id: ProjectId, kind: IntegrationKind) -> None:
        self.forget(project_id, kind.name)
        self.on_changed(project_id)
        await self._client.publish(keys.CONTROL, f"{CONTROL_INTEGRATION} {project_id} {kind.name}".encode())
