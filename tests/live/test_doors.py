"""More doors while clients queue: on uvloop, which is what takes one connection a turn of its loop."""

import asyncio
import os
import resource
import socket
from collections.abc import Awaitable, Callable

import uvloop

from gateway.server.listeners import CALM_CHECKS, MORE, Doors

CLIENTS = 40


class House:
    """A listening socket with doors, the connections that came in, and their clients."""

    def __init__(self) -> None:
        self.entered: list[asyncio.BaseTransport] = []
        self.servers: list[asyncio.AbstractServer] = []
        self.clients: list[socket.socket] = []
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=CLIENTS)
        self.doors = Doors(self.sock, self.open)

    async def open(self, sock: socket.socket) -> asyncio.AbstractServer:
        """Open a door."""
        house = self

        class Guest(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                house.entered.append(transport)

        self.servers.append(await asyncio.get_running_loop().create_server(Guest, sock=sock))
        return self.servers[-1]

    def queue(self, number: int) -> None:
        """Let clients come: the kernel takes them in while the loop has no turn."""
        self.clients += [socket.create_connection(self.sock.getsockname()) for _ in range(number)]

    def close(self) -> None:
        """Close everything."""
        self.doors.close()
        for server in self.servers:
            server.close()
        for transport in self.entered:
            transport.close()
        for client in self.clients:
            client.close()

    async def turns_until_entered(self, number: int) -> int:
        """Give how many turns of the loop it takes until so many are in."""
        turns = 0
        while len(self.entered) < number:
            await asyncio.sleep(0)
            turns += 1
            assert turns < 10_000
        return turns


def on_uvloop(story: Callable[[House], Awaitable[None]]) -> Callable[[], None]:
    """Run a test with a house whose first door is open."""

    async def whole() -> None:
        house = House()
        await house.open(house.sock)
        try:
            await story(house)
        finally:
            house.close()

    def test() -> None:
        uvloop.run(whole())

    return test


@on_uvloop
async def test_one_door_takes_a_client_a_turn(house: House) -> None:
    house.queue(CLIENTS)
    assert await house.turns_until_entered(CLIENTS) >= CLIENTS


@on_uvloop
async def test_who_queues_comes_in_by_more_doors(house: House) -> None:
    house.queue(CLIENTS)
    await house.doors.check()
    assert house.doors.count == 1 + MORE
    assert await house.turns_until_entered(CLIENTS) < CLIENTS / 2


@on_uvloop
async def test_they_are_closed_when_nobody_has_queued_for_a_while(house: House) -> None:
    house.queue(CLIENTS)
    await house.doors.check()
    await house.turns_until_entered(CLIENTS)
    for _ in range(CALM_CHECKS - 1):
        await house.doors.check()
        assert house.doors.count == 1 + MORE
    await house.doors.check()
    assert house.doors.count == 1
    house.queue(CLIENTS)
    assert await house.turns_until_entered(2 * CLIENTS) >= CLIENTS


@on_uvloop
async def test_who_queues_again_keeps_them_open(house: House) -> None:
    house.queue(1)
    await house.doors.check()
    for number in range(1, 3 * CALM_CHECKS):
        await house.turns_until_entered(number)
        house.queue(1)
        await house.doors.check()
    assert house.doors.count == 1 + MORE


@on_uvloop
async def test_there_are_as_many_as_files_may_be_open(house: House) -> None:
    house.queue(1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = set(map(int, os.listdir("/proc/self/fd")))
    free = [number for number in range(len(taken) + 4) if number not in taken]
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[3], hard))
    try:
        await house.doors.check()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert house.doors.count < 1 + MORE
    await house.doors.check()
    assert house.doors.count == 1 + MORE


@on_uvloop
async def test_all_but_the_first_are_closed_in_the_end(house: House) -> None:
    house.queue(1)
    await house.doors.check()
    house.doors.close()
    assert house.doors.count == 1
    house.queue(CLIENTS)
    assert await house.turns_until_entered(1 + CLIENTS) >= CLIENTS
