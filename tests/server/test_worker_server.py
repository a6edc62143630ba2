"""The server of one worker: it reports that it listens, and drains before it shuts down."""

import asyncio
import contextlib
import gc
import os
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from gateway.app import Worker
from gateway.server.worker_server import WorkerServer
from gateway.settings import load_settings
from tests.live.clients import open_inbox
from tests.live.node import ENVIRONMENT, Node
from tests.server.http_requests import PING
from tests.servers import RedisServer


@contextlib.asynccontextmanager
async def serving(
    store: RedisServer, data_dir: Path, ready_fd: int | None = None, **environment: str
) -> AsyncIterator[tuple[WorkerServer, "asyncio.Task[None]", int]]:
    """Run a server until the block ends. Yields it, its task and its port."""
    settings = load_settings(
        {**ENVIRONMENT, "INBOX_REDIS_URL": store.url, "INBOX_DATA_DIR": str(data_dir), **environment}
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Worker(settings).server(ready_fd)
        task = asyncio.create_task(server.serve([listening]), name="serve")
        try:
            async with asyncio.timeout(10):
                while not server.started:
                    await asyncio.sleep(0.01)
            yield server, task, listening.getsockname()[1]
        finally:
            server.should_exit = True
            await task
            gc.unfreeze()


async def test_it_reports_on_a_pipe_that_it_listens(node_store: RedisServer, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    async with serving(node_store, tmp_path, writing):
        assert await asyncio.to_thread(os.read, reading, 2) == b"1"
        assert await asyncio.to_thread(os.read, reading, 1) == b"", "the pipe is closed"
    os.close(reading)


async def test_it_serves_although_the_supervisor_has_died(node_store: RedisServer, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    async with serving(node_store, tmp_path, writing) as (_, _, port), httpx.AsyncClient() as http:
        assert (await http.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200


async def test_objects_that_live_as_long_as_the_process_are_not_collected(
    node_store: RedisServer, tmp_path: Path
) -> None:
    async with serving(node_store, tmp_path):
        assert gc.get_freeze_count() > 10_000


async def test_responses_have_the_headers_of_every_response(node: Node) -> None:
    response = await node.http.get("/healthz")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "server" not in response.headers


async def test_open_inboxes_receive_a_time_to_reconnect_before_it_shuts_down(
    node_store: RedisServer, tmp_path: Path, node: Node, user: str
) -> None:
    async with serving(node_store, tmp_path) as (server, task, port):
        node.gateway.port = port
        async with open_inbox("websocket", node.gateway, user) as inbox:
            server.should_exit = True
            goodbye = await inbox.next()
            assert (goodbye["type"], goodbye["reason"]) == ("goodbye", "draining")
        await task


@pytest.mark.parametrize("drain_seconds", [0.2, 1])
async def test_a_keep_alive_connection_may_send_one_more_request_while_it_drains(
    node_store: RedisServer, tmp_path: Path, drain_seconds: float
) -> None:
    async with serving(node_store, tmp_path, INBOX_DRAIN_SECONDS=str(drain_seconds)) as (server, task, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(PING)
        assert b"connection: close" not in (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readuntil(b"}")
        server.should_exit = True
        started = time.monotonic()
        while not server._ingress.draining:
            await asyncio.sleep(0.01)
        writer.write(PING)
        assert b"connection: close" in (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.read()
        writer.close()
        await task
        assert time.monotonic() - started < drain_seconds + 5
