"""A worker in the test's own process: a test can call its parts, and still use real clients and a real Redis."""

import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from gateway.app import Worker
from gateway.live.connection import Connection
from gateway.live.hub import Hub
from gateway.live.user_subscription import UserSubscription
from gateway.settings import load_settings
from tests.servers import API_KEY, API_SECRET, Gateway, RedisServer

ENVIRONMENT = {
    "INBOX_SECRET_KEY": "a key that no other test uses, long enough",
    "INBOX_RATE_LIMIT_READS": "0",
    "INBOX_RATE_LIMIT_WRITES": "0",
    "INBOX_DRAIN_SECONDS": "0.1",
    "INBOX_ACCESS_LOG": "false",
}


@dataclass
class Node:
    """A worker that serves on a port, the Redis that it uses, and a client of its REST API."""

    worker: Worker
    gateway: Gateway
    store: RedisServer
    http: httpx.AsyncClient

    @property
    def hub(self) -> Hub:
        """The worker's hub."""
        return self.worker.hub

    @property
    def connections(self) -> list[Connection]:
        """The worker's live connections."""
        return list(self.hub.deadlines)

    def subscription(self) -> UserSubscription[Connection]:
        """Return the subscription of the only user that is connected."""
        (subscription,) = self.hub.subscriptions
        return subscription

    async def until_empty(self) -> None:
        """Wait until no connection is left."""
        async with asyncio.timeout(10):
            while len(self.hub.deadlines) or len(self.hub.subscriptions):
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running_node(store: RedisServer, data_dir: Path, **environment: str) -> AsyncIterator[Node]:
    """Run a worker for a block."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        gateway = Gateway(data_dir, port=listening.getsockname()[1])
        settings = load_settings(
            {**ENVIRONMENT, "INBOX_REDIS_URL": store.url, "INBOX_DATA_DIR": str(data_dir), **environment}
        )
        worker = Worker(settings)
        server = worker.server()
        await worker.projects.ensure("Node", API_KEY, API_SECRET, True)
        serving = asyncio.create_task(server.serve([listening]), name="serve")
        try:
            async with asyncio.timeout(10):
                while not server.started:
                    await asyncio.sleep(0.01)
            async with httpx.AsyncClient(base_url=gateway.url, timeout=10) as http:
                yield Node(worker, gateway, store, http)
        finally:
            server.should_exit = True
            await serving
            gc.unfreeze()
