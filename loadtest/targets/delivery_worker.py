"""A delivery worker beside a gateway that has none, on the same Redis."""

import sys

from loadtest.clients import Make
from loadtest.machine import REDIS
from loadtest.targets.base import StartedTarget
from loadtest.targets.own_redis import GatewayOnRedis


class DeliveryWorkerTarget(StartedTarget):
    """A process of `deliver`. `provider_urls` are addresses by the names of providers."""

    name = "delivery worker"
    transports = ()
    keeps_inbox = True
    stop_seconds = 10.0

    def __init__(self, gateway: GatewayOnRedis, provider_urls: dict[str, str], **settings: str):
        super().__init__(gateway.cores)
        self._gateway = gateway
        urls = ",".join(f"{name}={url}" for name, url in provider_urls.items())
        self.settings = {"INBOX_PROVIDER_URLS": urls, **settings}

    def command(self) -> list[str]:
        """Return the command of the worker."""
        return [sys.executable, "-m", "gateway", "deliver"]

    def environment(self) -> dict[str, str]:
        """Return the settings, with those of the gateway."""
        return {**self._gateway.settings, "INBOX_DATA_DIR": str(self.directory / "data"), **self.settings}

    async def is_ready(self) -> bool:
        """Return whether the process claims what is due."""
        return "delivery_ready" in self.log()

    def pids(self) -> dict[int, str]:
        """Return the processes with their roles: its own, and the Redis of the gateway."""
        return super().pids() | {pid: role for pid, role in self._gateway.pids().items() if role == REDIS}

    def process_pids(self) -> list[int]:
        """Return the worker's own processes."""
        return list(super().pids())

    def make(self, transport: str) -> Make:
        """Raise NotImplementedError, because it has no live connections."""
        raise NotImplementedError

    def request(self, user: str, number: int, size: int = 200) -> bytes:
        """Return the request that sends a notification to one user through the gateway."""
        return self._gateway.request(user, number, size)
