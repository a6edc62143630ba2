"""What is broken: gateways with the store they share, and the proxies between."""

import asyncio
import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import httpx

from gateway.store import keys
from loadtest.check.devices import HEARTBEAT_SECONDS
from loadtest.check.proxy import Proxy
from loadtest.check.redis_proxy import RedisProxy
from loadtest.check.rest import Rest
from loadtest.servers.cluster import Cluster, running_cluster
from loadtest.servers.gateway import GATEWAY, Gateway
from loadtest.servers.redis_server import RedisServer, running_redis

HEALED_SECONDS = 40.0
SETTINGS = {
    "INBOX_SECRET_KEY": "check",
    "INBOX_REDIS_TIMEOUT_SECONDS": "1",
    "INBOX_HEARTBEAT_SECONDS": str(HEARTBEAT_SECONDS),
    "INBOX_MAX_MESSAGES_PER_MINUTE": "100000",
    "INBOX_MAX_CONNECTIONS_PER_USER": "3000",
    # Whoever is told to reset was not just too long away.
    "INBOX_LOG_RETENTION_EVENTS": "1000000",
    "INBOX_ACCESS_LOG": "false",
}


CLOCK = Path(__file__).parent / "clock"


def with_clock(directory: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Give the settings of a gateway on this data directory whose clock `set_clock` sets."""
    path = os.pathsep.join(filter(None, (str(CLOCK), os.environ.get("PYTHONPATH"))))
    return {**settings, "PYTHONPATH": path, "CHECK_CLOCK": str(_clock_file(directory))}


def set_clock(gateway: Gateway, seconds: float) -> None:
    """Set a gateway's wall clock forward or back, from the true time."""
    file = _clock_file(gateway.data_dir)
    new = file.with_suffix(".new")
    new.write_text(str(seconds))
    new.rename(file)


def _clock_file(directory: Path) -> Path:
    return directory.parent / f"{directory.name}.clock"


@dataclass
class Site(ABC):
    """Gateways behind one proxy, which is what clients know."""

    topology: ClassVar[str]

    gateways: list[Gateway]
    front: Proxy

    async def until_healed(self) -> None:
        """Wait until every gateway is ready. Raises TimeoutError."""
        async with asyncio.timeout(HEALED_SECONDS):
            while not all(await asyncio.gather(*(self._is_ready(gateway) for gateway in self.gateways))):
                await asyncio.sleep(0.05)

    async def _is_ready(self, gateway: Gateway) -> bool:
        with contextlib.suppress(httpx.HTTPError, AssertionError):
            return await asyncio.to_thread(gateway.ready)
        return False

    @abstractmethod
    async def learn_users(self, rest: Rest, users: list[str]) -> None:
        """Take note of who the users are."""


@dataclass
class SingleSite(Site):
    """Two gateways on one Valkey, whose acknowledged writes are on disk; a proxy in front of either."""

    topology: ClassVar[str] = "single"

    redis: RedisServer
    back: RedisProxy

    async def learn_users(self, rest: Rest, users: list[str]) -> None:
        """Nothing depends on who they are."""


@dataclass
class ShortLogSite(SingleSite):
    """The same, with logs of three events: who is away for a moment may have to be reset."""

    topology: ClassVar[str] = "short_log"


@dataclass
class BundledSite(Site):
    """One gateway with two workers and a Valkey of its own, whose acknowledged writes are on disk."""

    topology: ClassVar[str] = "bundled"

    async def learn_users(self, rest: Rest, users: list[str]) -> None:
        """Nothing depends on who they are."""


@dataclass
class ClusterSite(Site):
    """One gateway with two workers on a cluster of three primaries with a replica each."""

    topology: ClassVar[str] = "cluster"

    cluster: Cluster
    user_keys: list[str]

    async def until_healed(self) -> None:
        """Wait until every slot is served and has a replica, too. Raises TimeoutError."""
        async with asyncio.timeout(HEALED_SECONDS):
            while not await asyncio.to_thread(self.cluster.healthy):
                await asyncio.sleep(0.05)
        await super().until_healed()

    async def learn_users(self, rest: Rest, users: list[str]) -> None:
        """Find out which slots are theirs."""
        for user in users:
            found = await rest.principal(user)
            self.user_keys.append(keys.user(found.project_id, found.id))


@contextlib.asynccontextmanager
async def running_single(
    directory: Path,
    command: tuple[str, ...] = GATEWAY,
    kind: type[SingleSite] = SingleSite,
    **more_settings: str,
) -> AsyncIterator[SingleSite]:
    """Run a SingleSite for a block."""
    data = directory / "redis"
    data.mkdir()
    with running_redis("valkey", data, "--appendonly", "yes", "--appendfsync", "always") as redis:
        back = RedisProxy([redis.port])
        await back.start()
        settings = {**SETTINGS, "INBOX_REDIS_URL": f"redis://127.0.0.1:{back.port}/0", **more_settings}
        gateways = [
            Gateway(path, with_clock(path, {**settings, "INBOX_WORKERS": workers}), command=command)
            for path, workers in ((directory / "a", "2"), (directory / "b", "1"))
        ]
        async with _running(gateways) as front:
            yield kind(gateways, front, redis, back)
        await back.stop()


def running_short_log(
    directory: Path, command: tuple[str, ...] = GATEWAY
) -> contextlib.AbstractAsyncContextManager[SingleSite]:
    """Run a ShortLogSite for a block."""
    return running_single(directory, command, ShortLogSite, INBOX_LOG_RETENTION_EVENTS="3")


@contextlib.asynccontextmanager
async def running_bundled(directory: Path, command: tuple[str, ...] = GATEWAY) -> AsyncIterator[BundledSite]:
    """Run a BundledSite for a block."""
    settings = {**SETTINGS, "INBOX_DURABILITY": "disk", "INBOX_WORKERS": "2"}
    gateways = [Gateway(directory / "a", settings, command=command)]
    async with _running(gateways) as front:
        yield BundledSite(gateways, front)


@contextlib.asynccontextmanager
async def running_clustered(directory: Path, command: tuple[str, ...] = GATEWAY) -> AsyncIterator[ClusterSite]:
    """Run a ClusterSite for a block."""
    starting = running_cluster(directory)
    cluster = await asyncio.to_thread(starting.__enter__)
    try:
        settings = {**SETTINGS, "INBOX_REDIS_URL": cluster.url, "INBOX_WORKERS": "2"}
        gateways = [Gateway(directory / "a", settings, command=command)]
        async with _running(gateways) as front:
            yield ClusterSite(gateways, front, cluster, [])
    finally:
        starting.__exit__(None, None, None)


@contextlib.asynccontextmanager
async def _running(gateways: list[Gateway]) -> AsyncIterator[Proxy]:
    front = Proxy([gateway.port for gateway in gateways])
    try:
        await front.start()
        for gateway in gateways:
            await asyncio.to_thread(gateway.start)
        yield front
    finally:
        for gateway in gateways:
            if gateway.process is not None:
                gateway.process.kill()
                gateway.process.wait()
        await front.stop()


SITES = {
    "single": running_single,
    "short_log": running_short_log,
    "bundled": running_bundled,
    "cluster": running_clustered,
}
