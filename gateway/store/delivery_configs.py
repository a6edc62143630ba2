"""The delivery configs of projects, and each worker's cache of them, which decides what enters inboxes."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from gateway.domain.delivery_condition import parse_delivery_condition
from gateway.domain.delivery_config import ChannelConfig, DeliveryConfig, DeliveryConfigs
from gateway.domain.ids import ProjectId
from gateway.domain.preferences import Channel
from gateway.store import keys
from gateway.store.active_channels import ActiveRoutes
from gateway.store.categories import MAX_CATEGORIES
from gateway.store.errors import TooManyError
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import Arguments, no_arguments, reading_function, untouched, writing_function
from gateway.telemetry.logs import log

MAX_CONFIGS = MAX_CATEGORIES + 1
"""The maximum number of configs of a project: one for each category that may be recorded, and the default."""

CACHE_SECONDS = 5.0
"""How long configs are cached. When a change is received, they are removed at once."""

CACHED_PROJECTS = 10_000
"""The configs of how many projects are cached."""

CONTROL_DELIVERY = "delivery_config"
"""The first word of the control message that names a project whose configs have changed."""


class SavedChannel(msgspec.Struct, frozen=True, omit_defaults=True):
    """A channel of a config as it was saved. `delay` is in seconds; None is what the request left out."""

    channel: str
    delay: int | None = None
    priority: int | None = None
    disabled: bool = False
    condition: str | None = msgspec.field(default=None, name="if")

    @property
    def config(self) -> ChannelConfig:
        """Return the channel with its condition parsed. Raises ValueError, such as ConditionError."""
        condition = parse_delivery_condition(self.condition) if self.condition is not None else None
        return ChannelConfig(Channel(self.channel), self.delay or 0, self.priority, self.disabled, condition)


class SavedConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    """A config as it was saved, in JSON."""

    channels: list[SavedChannel] = []
    disabled: bool = False
    required: bool = False

    def config(self, key: str) -> DeliveryConfig:
        """Return the config with its conditions parsed. Raises ValueError, such as ConditionError."""
        return DeliveryConfig(key, tuple(channel.config for channel in self.channels), self.disabled, self.required)


class _Cached(NamedTuple):
    """The configs of a project, valid until `until`, in monotonic seconds."""

    until: float
    configs: DeliveryConfigs


def _put(key: str, config: bytes) -> Arguments:
    return (key, config, MAX_CONFIGS)


PUT_DELIVERY_CONFIG = writing_function("put_delivery_config", "delivery configs", _put, bool)
READ_DELIVERY_CONFIGS = reading_function("read_delivery_configs", "delivery configs", no_arguments, untouched)

_decode = msgspec.json.Decoder(SavedConfig).decode


class DeliveryConfigStore:
    """All delivery configs, and the routes that projects use, with a short-lived cache in front.

    Methods raise StoreUnavailableError.
    """

    def __init__(self, client: FunctionClient, monotonic: Callable[[], float] = time.monotonic):
        self._client = client
        self._routes = ActiveRoutes(client)
        self._monotonic = monotonic
        self._cache: dict[ProjectId, _Cached] = {}
        self._changes = 0
        self.receives_changes: Callable[[], bool] = lambda: True
        """Returns whether changes by other nodes are received now. While they are not, the cache is not used."""

    def cached(self, project_id: ProjectId) -> DeliveryConfigs | None:
        """Return the configs of a project, None if they must be read."""
        entry = self._cache.get(project_id)
        if entry is None or entry.until < self._monotonic() or not self.receives_changes():
            return None
        return entry.configs

    async def of_project(self, project_id: ProjectId) -> DeliveryConfigs:
        """Return the configs and the routes of a project. A config that cannot be read is logged and left out."""
        if (known := self.cached(project_id)) is not None:
            return known
        before = self._changes
        saved, routes = await asyncio.gather(self.read(project_id), self._routes.of_project(project_id))
        configs = DeliveryConfigs(_parsed(project_id, saved), routes)
        # The message about a change may arrive after a reply that was sent before the change.
        if self._changes == before:
            if len(self._cache) >= CACHED_PROJECTS:
                self._cache.clear()
            self._cache[project_id] = _Cached(self._monotonic() + CACHE_SECONDS, configs)
        return configs

    async def read(self, project_id: ProjectId) -> dict[str, SavedConfig]:
        """Return the saved configs of a project by key. One that cannot be read is logged and left out."""
        flat = await self._client.call(READ_DELIVERY_CONFIGS(keys.delivery_configs(project_id)))
        found: dict[str, SavedConfig] = {}
        for raw_key, raw in zip(flat[::2], flat[1::2], strict=True):
            key = raw_key.decode(errors="replace")
            try:
                found[key] = _decode(raw)
            except msgspec.MsgspecError as problem:
                log.error("delivery_config_broken", project=project_id, key=key, problem=str(problem))
        return found

    async def put(self, project_id: ProjectId, key: str, config: SavedConfig) -> None:
        """Store a config in place of the one with this key. It applies on every node at once. Raises TooManyError."""
        encoded = msgspec.json.encode(config)
        if not await self._client.call(PUT_DELIVERY_CONFIG(keys.delivery_configs(project_id), key, encoded)):
            raise TooManyError("delivery configs", MAX_CONFIGS)
        self.forget(project_id)
        await self._client.publish(keys.CONTROL, f"{CONTROL_DELIVERY} {project_id}".encode())

    def forget(self, project_id: ProjectId) -> None:
        """Remove the configs of a project from the cache."""
        self._changes += 1
        self._cache.pop(project_id, None)

    def forget_all(self) -> None:
        """Clear the cache, because any entry may be wrong."""
        self._changes += 1
        self._cache.clear()


def _parsed(project_id: ProjectId, saved: Mapping[str, SavedConfig]) -> Iterator[DeliveryConfig]:
    for key, one in saved.items():
        try:
            yield one.config(key)
        except ValueError as problem:
            log.error("delivery_config_broken", project=project_id, key=key, problem=str(problem))
