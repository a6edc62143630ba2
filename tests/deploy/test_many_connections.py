"""10,000 open inboxes through each proxy, over TLS: what they cost, and whether one is cut or misses an event.

`make proxies` runs this. It takes about three minutes a proxy, and writes build/proxies/table.md.
"""

import asyncio
import os
import resource
import ssl
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from loadtest import machine
from tests.deploy.fronts import DEPLOY, HOST, PROXIES, Certificate, Nginx, Proxy, client_context, running_proxy
from tests.deploy.nodes import running_nodes
from tests.servers import ADMIN, Gateway, user_headers

pytestmark = pytest.mark.skipif(os.environ.get("PROXIES") != "1", reason="it takes minutes: `make proxies`")

CONNECTIONS = 10_000
CONNECTIONS_PER_USER = 20
SOURCES = [f"127.0.0.{number}" for number in range(10, 18)]
"""The addresses of clients. A proxy allows 2,000 connections of each."""

AT_ONCE = 100
IDLE_SECONDS = 80.0
"""Longer than the idle times of all proxies: only heartbeats keep connections open."""

TABLE = DEPLOY.parent / "build" / "proxies" / "table.md"
HEAD = (
    "| proxy | open inboxes | KB of the proxy | KB of the gateway | µs CPU of the proxy to open | "
    "idle for a minute | for an event |\n| --- | --- | --- | --- | --- | --- | --- |\n"
)

_PING, _PONG = b"\x89\x00", b"\x8a\x80\x00\x00\x00\x00"


class HeldInbox(asyncio.Protocol):
    """A WebSocket or an event stream that answers heartbeats and counts its events."""

    def __init__(self, user: str, is_websocket: bool):
        self._user = user
        self._is_websocket = is_websocket
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.events = 0
        self.is_closed = False
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        path = "/realtime/ws" if self._is_websocket else "/realtime/sse"
        lines = [f"GET {path} HTTP/1.1", f"Host: {HOST}"]
        lines += [f"{name}: {value}" for name, value in user_headers(self._user).items()]
        if self._is_websocket:
            lines += ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
            lines += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
        transport.write("\r\n".join([*lines, "", ""]).encode())

    def data_received(self, data: bytes) -> None:
        """Answer pings, and count events."""
        if self._is_websocket and _PING in data:
            self.transport.write(_PONG)
        if not self.ready.done():
            self._seen += data
            if b'"connection_id"' in self._seen:
                self.ready.set_result(None)
            return
        self.events += (
            data.count(b"notifications/new") if self._is_websocket else data.count(b"event: notifications/new")
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        self.is_closed = True
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(f"{exc}: {self._seen[:300]!r}"))


async def opened(proxy: Proxy, context: ssl.SSLContext, count: int) -> list[HeldInbox]:
    """Open inboxes of `count` users, half of them over each transport."""
    loop, slots = asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> HeldInbox:
        async with slots:
            source = (SOURCES[number % len(SOURCES)], 0)
            user = f"{proxy.name}-{number // CONNECTIONS_PER_USER}"
            _, inbox = await loop.create_connection(
                lambda: HeldInbox(user, number % 2 == 0),
                "127.0.0.1",
                proxy.port,
                ssl=context,
                server_hostname=HOST,
                local_addr=source,
                ssl_handshake_timeout=120,
            )
            await asyncio.wait_for(asyncio.shield(inbox.ready), 120)
            return inbox

    return list(await asyncio.gather(*map(one, range(count))))


def memory_kb(pids: Sequence[int]) -> float:
    """Return the memory of processes, that which they share divided among them."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


def cpu(pids: Sequence[int]) -> float:
    return sum(map(machine.cpu_seconds, pids))


def pids_of(proxy: Proxy) -> list[int]:
    assert proxy.process is not None
    return machine.tree(proxy.process.pid)


@pytest.fixture
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Gateway]]:
    with running_nodes(tmp_path_factory.mktemp) as found:
        yield found


@pytest.mark.parametrize("kind", PROXIES, ids=lambda kind: kind.name)
def test_many_inboxes_stay_open_and_get_each_event_once(
    kind: type[Proxy], nodes: list[Gateway], tmp_path_factory: pytest.TempPathFactory
) -> None:
    if kind.binary() is None:
        pytest.skip(f"{kind.program} is not installed")
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    # A connection takes two files of the proxy. nginx has several processes.
    count = CONNECTIONS if kind is Nginx else min(CONNECTIONS, (limit - 300) // 2)
    count -= count % CONNECTIONS_PER_USER
    certificate = Certificate.created(tmp_path_factory.mktemp("tls"))
    directory = tmp_path_factory.mktemp(kind.name)
    directory.chmod(0o755)
    with running_proxy(kind(directory, nodes, certificate)) as proxy:
        asyncio.run(measured(proxy, nodes, client_context(certificate), count))


async def measured(proxy: Proxy, nodes: list[Gateway], context: ssl.SSLContext, count: int) -> None:
    own = pids_of(proxy)
    gateways = [pid for node in nodes for pid in node.children("worker")]
    before, gateway_before, cpu_before = memory_kb(own), memory_kb(gateways), cpu(own)
    inboxes = await opened(proxy, context, count)
    to_open = cpu(own) - cpu_before

    idle_from, began = cpu(own), time.monotonic()
    await asyncio.sleep(IDLE_SECONDS)  # the time is what is tested
    idle = (cpu(own) - idle_from) / (time.monotonic() - began) * 60
    assert not [inbox for inbox in inboxes if inbox.is_closed], "a connection was cut"
    held, gateway_held = memory_kb(own), memory_kb(gateways)

    event_from = cpu(own)
    async with httpx.AsyncClient(base_url=nodes[0].url, timeout=60) as http:
        for number in range(count // CONNECTIONS_PER_USER):
            recipient = {"external_id": f"{proxy.name}-{number}"}
            body = {"notification": {"title": "To many", "recipients": [recipient]}}
            (await http.post("/notifications", headers=ADMIN, json=body)).raise_for_status()
    async with asyncio.timeout(60):
        while any(not inbox.events for inbox in inboxes):
            await asyncio.sleep(0.05)
    for_events = cpu(own) - event_from
    assert all(inbox.events == 1 and not inbox.is_closed for inbox in inboxes)
    for inbox in inboxes:
        inbox.transport.abort()
    row = [
        proxy.name,
        f"{count:,}",
        f"{(held - before) / count:.1f}",
        f"{(gateway_held - gateway_before) / count:.1f}",
        *(f"{1e6 * spent / count:.0f}" for spent in (to_open, idle, for_events)),
    ]
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    text = TABLE.read_text() if TABLE.exists() else HEAD
    kept = [line for line in text.splitlines() if not line.startswith(f"| {proxy.name} ")]
    TABLE.write_text("\n".join([*kept, f"| {' | '.join(row)} |", ""]))
