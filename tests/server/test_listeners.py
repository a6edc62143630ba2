"""Extra listeners while clients queue, on uvloop, which accepts one connection in each iteration of its loop."""

import asyncio
import os
import resource
import socket
from collections.abc import Awaitable, Callable

import uvloop

from gateway.server.listeners import EXTRA_LISTENERS, IDLE_CHECKS, ExtraListeners

CLIENTS = 40


class Site:
    """A listening socket with its listeners, the connections that were accepted, and their clients."""

    def __init__(self) -> None:
        self.accepted: list[asyncio.BaseTransport] = []
        self.servers: list[asyncio.AbstractServer] = []
        self.clients: list[socket.socket] = []
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=CLIENTS)
        self.extra = ExtraListeners(self.sock, self.listen)

    async def listen(self, sock: socket.socket) -> asyncio.AbstractServer:
        """Accept connections from a socket."""
        accepted = self.accepted

        class Accepting(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                accepted.append(transport)

        self.servers.append(await asyncio.get_running_loop().create_server(Accepting, sock=sock))
        return self.servers[-1]

    def queue(self, count: int) -> None:
        """Connect clients: the kernel queues them until the event loop accepts them."""
        self.clients += [socket.create_connection(self.sock.getsockname()) for _ in range(count)]

    def close(self) -> None:
        """Close everything."""
        self.extra.close()
        for server in self.servers:
            server.close()
        for transport in self.accepted:
            transport.close()
        for client in self.clients:
            client.close()

    async def iterations_until_accepted(self, count: int) -> int:
        """Return how many iterations of the event loop it takes until so many connections are accepted."""
        iterations = 0
        while len(self.accepted) < count:
            await asyncio.sleep(0)
            iterations += 1
            assert iterations < 10_000
        return iterations


def on_uvloop(story: Callable[[Site], Awaitable[None]]) -> Callable[[], None]:
    """Run a test on uvloop, with a site that has its first listener."""

    async def run() -> None:
        site = Site()
        await site.listen(site.sock)
        try:
            await story(site)
        finally:
            site.close()

    def test() -> None:
        uvloop.run(run())

    return test


@on_uvloop
async def test_one_listener_accepts_one_client_in_an_iteration(site: Site) -> None:
    site.queue(CLIENTS)
    assert await site.iterations_until_accepted(CLIENTS) >= CLIENTS


@on_uvloop
async def test_clients_that_queue_are_accepted_by_extra_listeners(site: Site) -> None:
    site.queue(CLIENTS)
    await site.extra.check()
    assert len(site.extra) == EXTRA_LISTENERS
    assert await site.iterations_until_accepted(CLIENTS) < CLIENTS / 2


@on_uvloop
async def test_extra_listeners_close_when_no_client_has_queued_for_a_while(site: Site) -> None:
    site.queue(CLIENTS)
    await site.extra.check()
    await site.iterations_until_accepted(CLIENTS)
    for _ in range(IDLE_CHECKS - 1):
        await site.extra.check()
        assert len(site.extra) == EXTRA_LISTENERS
    await site.extra.check()
    assert len(site.extra) == 0
    site.queue(CLIENTS)
    assert await site.iterations_until_accepted(2 * CLIENTS) >= CLIENTS


@on_uvloop
async def test_extra_listeners_stay_open_while_clients_keep_queueing(site: Site) -> None:
    site.queue(1)
    await site.extra.check()
    for number in range(1, 3 * IDLE_CHECKS):
        await site.iterations_until_accepted(number)
        site.queue(1)
        await site.extra.check()
    assert len(site.extra) == EXTRA_LISTENERS


@on_uvloop
async def test_the_limit_of_open_files_means_fewer_extra_listeners(site: Site) -> None:
    site.queue(1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = set(map(int, os.listdir("/proc/self/fd")))
    free = [number for number in range(len(taken) + 4) if number not in taken]
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[3], hard))
    try:
        await site.extra.check()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(site.extra) < EXTRA_LISTENERS
    await site.extra.check()
    assert len(site.extra) == EXTRA_LISTENERS


@on_uvloop
async def test_closing_leaves_the_first_listener(site: Site) -> None:
    site.queue(1)
    await site.extra.check()
    site.extra.close()
    assert len(site.extra) == 0
    site.queue(CLIENTS)
    assert await site.iterations_until_accepted(1 + CLIENTS) >= CLIENTS
