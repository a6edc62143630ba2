"""The gateway with a separate Redis, which can be killed, restarted and paused, and can have replicas."""

import asyncio
import contextlib
import signal
from pathlib import Path

import redis

from loadtest import machine
from loadtest.cores import Cores
from loadtest.machine import REDIS
from loadtest.servers.redis_server import RedisServer
from loadtest.servers.starting import wait_for
from loadtest.targets.gateway import GatewayTarget

OPTIONS = ("--appendonly", "yes", "--stream-node-max-bytes", "512", "--repl-diskless-sync-delay", "0")
"""The options of the bundled server, and replication without delay."""


class GatewayOnRedis(GatewayTarget):
    """The gateway with a separate Redis and a number of replicas.

    By default every acknowledged write is on disk, so that a loss is a fault of the gateway.
    """

    def __init__(self, cores: Cores, workers: int = 1, *, replicas: int = 0, fsync: str = "always", **settings: str):
        super().__init__(cores, workers, **settings)
        self._options = (*OPTIONS, "--appendfsync", fsync)
        self.redis = RedisServer("valkey", self._new_directory("redis"))
        self._replicas = [RedisServer("valkey", self._new_directory(f"replica{number}")) for number in range(replicas)]
        self.settings |= {"INBOX_REDIS_URL": self.redis.url, "INBOX_SECRET_KEY": "loadtest"}

    @property
    def redis_url(self) -> str:
        """The address of its Redis."""
        return self.redis.url

    async def redis_information(self, section: str = "default") -> dict[str, str]:
        """Return the names and values of a section of INFO of its Redis."""

        def read() -> dict[str, str]:
            with redis.Redis(port=self.redis.port) as client:
                return {name: str(value) for name, value in client.info(section).items()}

        return await asyncio.to_thread(read)

    async def start(self) -> None:
        """Start Redis, its replicas, and the gateway."""
        await asyncio.to_thread(self._start_servers)
        await super().start()

    async def stop(self) -> None:
        """Stop the gateway, Redis, and its replicas."""
        for server in (self.redis, *self._replicas):
            if server.process is not None:
                server.process.send_signal(signal.SIGCONT)
                server.stop(signal.SIGKILL)
        await super().stop()

    def pids(self) -> dict[int, str]:
        """Return the processes with their roles, without replicas."""
        found = super().pids()
        if self.redis.process is not None:
            found[self.redis.process.pid] = REDIS
        return found

    async def start_redis(self) -> None:
        """Start a Redis that was stopped, and wait until it replies."""
        await asyncio.to_thread(self.redis.start)
        machine.pin(self.pids(), self.cores)

    def _new_directory(self, name: str) -> Path:
        directory = self.directory / name
        directory.mkdir()
        return directory

    def _start_servers(self) -> None:
        self.redis.start(*self._options)
        for replica in self._replicas:
            replica.start(*self._options, "--replicaof", "127.0.0.1", str(self.redis.port))
            with redis.Redis(port=replica.port) as client:
                wait_for(lambda: self._is_synchronised(client), "the replica to be synchronised", 30)

    @staticmethod
    def _is_synchronised(client: redis.Redis) -> bool:
        with contextlib.suppress(redis.RedisError):
            return bool(client.info("replication")["master_link_status"] == "up")
        return False
