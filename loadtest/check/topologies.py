"""The topologies into which faults are injected: gateways, their store, and the proxies before both."""

import asyncio
import contextlib
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from gateway.store import keys
from loadtest.check.deliveries.running import Deliveries, running_providers
from loadtest.check.devices import HEARTBEAT_SECONDS
from loadtest.check.fault import Fault
from loadtest.check.observer import ReportViolation
from loadtest.check.proxy import Proxy
from loadtest.check.redis_proxy import RedisProxy
from loadtest.check.rest import Rest
from loadtest.check.writers import Gate
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
    # So that no device is reset because it was disconnected for too long.
    "INBOX_LOG_RETENTION_EVENTS": "1000000",
    "INBOX_ACCESS_LOG": "false",
}


CLOCK = Path(__file__).parent / "clock"


def with_clock(directory: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of a gateway with this data directory whose clock `set_clock` can set."""
    path = os.pathsep.join(filter(None, (str(CLOCK), os.environ.get("PYTHONPATH"))))
    return {**settings, "PYTHONPATH": path, "CHECK_CLOCK": str(_clock_file(directory))}


def set_clock(gateway: Gateway, seconds: float) -> None:
    """Set the wall clock of a gateway to an offset from the true time, in seconds."""
    file = _clock_file(gateway.data_dir)
    new = file.with_suffix(".new")
    new.write_text(str(seconds))
    new.rename(file)


def _clock_file(directory: Path) -> Path:
    return directory.parent / f"{directory.name}.clock"


@dataclass
class RunningTopology(ABC):
    """Gateways behind a proxy, to which clients connect."""

    name: ClassVar[str]

    gateways: list[Gateway]
    front: Proxy

    async def until_healed(self) -> None:
        """Wait until every gateway is ready. Raise TimeoutError."""
        async with asyncio.timeout(HEALED_SECONDS):
            while not all(await asyncio.gather(*(self._is_ready(gateway) for gateway in self.gateways))):
                await asyncio.sleep(0.05)

    async def _is_ready(self, gateway: Gateway) -> bool:
        with contextlib.suppress(AssertionError):
            return await asyncio.to_thread(gateway.ready)
        return False

    @abstractmethod
    async def prepare_users(self, rest: Rest, users: list[str]) -> None:
        """Store the data about users that the faults of the topology need."""

    async def accompany(self, rest: Rest, gate: Gate, report: ReportViolation) -> None:  # noqa: B027 - the default
        """Make the requests that only this topology has, until cancelled. By default there are none."""

    async def verify(self, report: ReportViolation, fault: Fault) -> None:  # noqa: B027 - the default
        """Report what is wrong after a fault with what only this topology has."""


@dataclass
class SingleTopology(RunningTopology):
    """Two gateways on one Valkey, whose acknowledged writes are on disk.

    One proxy is before them, one before Valkey.
    """

    name: ClassVar[str] = "single"

    redis: RedisServer
    back: RedisProxy

    async def prepare_users(self, rest: Rest, users: list[str]) -> None:
        """Do nothing, because no fault of this topology depends on the users."""


@dataclass
class ShortLogTopology(SingleTopology):
    """A SingleTopology with logs of three events. A device that is disconnected for a moment may receive a reset."""

    name: ClassVar[str] = "short_log"


@dataclass
class DeliveryTopology(SingleTopology):
    """A SingleTopology with two delivery workers, and providers of push services, mail, SMS and chat."""

    name: ClassVar[str] = "deliveries"

    deliveries: Deliveries

    async def prepare_users(self, rest: Rest, users: list[str]) -> None:
        """Save the integrations of two projects, and their users with destinations."""
        await self.deliveries.prepare(self.gateways[0])

    async def accompany(self, rest: Rest, gate: Gate, report: ReportViolation) -> None:
        """Send notifications that are delivered by providers, until cancelled."""
        await self.deliveries.traffic.run(rest, gate, report)

    async def verify(self, report: ReportViolation, fault: Fault) -> None:
        """Wait until every delivery has ended, and judge it."""
        await self.deliveries.verify(self.gateways[0], self.redis.url, report, fault)


@dataclass
class BundledTopology(RunningTopology):
    """One gateway with two workers and a Valkey of its own, whose acknowledged writes are on disk."""

    name: ClassVar[str] = "bundled"

    async def prepare_users(self, rest: Rest, users: list[str]) -> None:
        """Do nothing, because no fault of this topology depends on the users."""


@dataclass
class ClusterTopology(RunningTopology):
    """One gateway with two workers on a cluster of three primaries with a replica each."""

    name: ClassVar[str] = "cluster"

    cluster: Cluster
    user_keys: list[str]

    async def until_healed(self) -> None:
        """Wait until the cluster is healthy, and then until every gateway is ready. Raise TimeoutError."""
        async with asyncio.timeout(HEALED_SECONDS):
            while not await asyncio.to_thread(self.cluster.healthy):
                await asyncio.sleep(0.05)
        await super().until_healed()

    async def prepare_users(self, rest: Rest, users: list[str]) -> None:
        """Store a key of each user, which determines its slot."""
        for user in users:
            found = await rest.principal(user)
            self.user_keys.append(keys.user(found.project_id, found.id))


@dataclass
class ClusteredDeliveryTopology(ClusterTopology):
    """A ClusterTopology with a delivery worker, and the same providers as a DeliveryTopology."""

    name: ClassVar[str] = "delivery_cluster"

    deliveries: Deliveries

    async def prepare_users(self, rest: Rest, users: list[str]) -> None:
        """Store keys of users, and save the integrations of two projects, and their users with destinations."""
        await super().prepare_users(rest, users)
        await self.deliveries.prepare(self.gateways[0])

    async def accompany(self, rest: Rest, gate: Gate, report: ReportViolation) -> None:
        """Send notifications that are delivered by providers, until cancelled."""
        await self.deliveries.traffic.run(rest, gate, report)

    async def verify(self, report: ReportViolation, fault: Fault) -> None:
        """Wait until every delivery has ended, and judge it."""
        await self.deliveries.verify(self.gateways[0], self.cluster.url, report, fault)


@contextlib.asynccontextmanager
async def running_single(
    directory: Path,
    command: tuple[str, ...] = GATEWAY,
    kind: type[SingleTopology] = SingleTopology,
    **more_settings: str,
) -> AsyncIterator[SingleTopology]:
    """Run a SingleTopology for a block."""
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
) -> contextlib.AbstractAsyncContextManager[SingleTopology]:
    """Run a ShortLogTopology for a block."""
    return running_single(directory, command, ShortLogTopology, INBOX_LOG_RETENTION_EVENTS="3")


@contextlib.asynccontextmanager
async def running_deliveries(directory: Path, command: tuple[str, ...] = GATEWAY) -> AsyncIterator[DeliveryTopology]:
    """Run a DeliveryTopology for a block."""
    async with (
        running_providers() as deliveries,
        running_single(directory, command, SingleTopology, **deliveries.settings) as single,
    ):
        yield DeliveryTopology(single.gateways, single.front, single.redis, single.back, deliveries)


@contextlib.asynccontextmanager
async def running_clustered_deliveries(
    directory: Path, command: tuple[str, ...] = GATEWAY
) -> AsyncIterator[ClusteredDeliveryTopology]:
    """Run a ClusteredDeliveryTopology for a block."""
    async with (
        running_providers() as deliveries,
        running_clustered(directory, command, **deliveries.settings) as clustered,
    ):
        yield ClusteredDeliveryTopology(clustered.gateways, clustered.front, clustered.cluster, [], deliveries)


@contextlib.asynccontextmanager
async def running_bundled(directory: Path, command: tuple[str, ...] = GATEWAY) -> AsyncIterator[BundledTopology]:
    """Run a BundledTopology for a block."""
    settings = {**SETTINGS, "INBOX_DURABILITY": "disk", "INBOX_WORKERS": "2"}
    gateways = [Gateway(directory / "a", settings, command=command)]
    async with _running(gateways) as front:
        yield BundledTopology(gateways, front)


@contextlib.asynccontextmanager
async def running_clustered(
    directory: Path, command: tuple[str, ...] = GATEWAY, **more_settings: str
) -> AsyncIterator[ClusterTopology]:
    """Run a ClusterTopology for a block."""
    starting = running_cluster(directory)
    cluster = await asyncio.to_thread(starting.__enter__)
    try:
        settings = {**SETTINGS, "INBOX_REDIS_URL": cluster.url, "INBOX_WORKERS": "2", **more_settings}
        gateways = [Gateway(directory / "a", settings, command=command)]
        async with _running(gateways) as front:
            yield ClusterTopology(gateways, front, cluster, [])
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
                gateway.stop(signal.SIGKILL)
        await front.stop()


TOPOLOGIES = {
    "single": running_single,
    "short_log": running_short_log,
    "deliveries": running_deliveries,
    "bundled": running_bundled,
    "cluster": running_clustered,
    "delivery_cluster": running_clustered_deliveries,
}
