"""Faults of gateways, of their clients' connections, of clocks, and of tokens."""

import asyncio
import os
import random
import signal

import redis

from loadtest.check.access import connected_with_a_token, discard
from loadtest.check.fault import silence, slow
from loadtest.check.topologies import RunningTopology, ShortLogTopology, SingleTopology, set_clock

DAY_SECONDS = 24 * 3600.0


async def calm(topology: RunningTopology, choice: random.Random, seconds: float) -> None:
    """Nothing fails."""
    await asyncio.sleep(seconds)


async def worker_kill(topology: RunningTopology, choice: random.Random, seconds: float) -> None:
    """Two worker processes are killed (SIGKILL), one after the other, of any gateway."""
    for _ in range(2):
        workers = choice.choice(topology.gateways).children("worker")
        if workers:
            os.kill(choice.choice(workers), signal.SIGKILL)
        await asyncio.sleep(seconds / 2)


async def gateway_kill(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """A gateway is killed (SIGKILL) and started again."""
    topology.front.cut()  # after an earlier restart all clients may be connected to the other gateway
    await asyncio.sleep(0.5)
    gateway = choice.choice(topology.gateways)
    await asyncio.to_thread(gateway.stop, signal.SIGKILL)
    await asyncio.sleep(seconds / 2)
    await asyncio.to_thread(gateway.start)


async def rolling_restart(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """Each gateway is stopped (SIGTERM) and started, one after the other."""
    for gateway in choice.sample(topology.gateways, len(topology.gateways)):
        await asyncio.to_thread(gateway.stop)
        await asyncio.to_thread(gateway.start)


async def client_cut(topology: RunningTopology, choice: random.Random, seconds: float) -> None:
    """All connections of clients are reset repeatedly. All reconnect at once while events are sent."""
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        topology.front.cut()
        await asyncio.sleep(choice.uniform(0.1, 0.6))


async def client_slow(topology: RunningTopology, choice: random.Random, seconds: float) -> None:
    """The connections of clients have a delay."""
    async with slow(topology.front, choice.uniform(0.05, 0.25)):
        await asyncio.sleep(seconds)


async def client_half_open(topology: RunningTopology, choice: random.Random, seconds: float) -> None:
    """The connections of clients are half open: they forward nothing and do not end."""
    await silence(topology.front, seconds)


async def log_trimmed(topology: ShortLogTopology, choice: random.Random, seconds: float) -> None:
    """Clients are disconnected for some moments, in some cases for longer than the log reaches back."""
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        topology.front.refusing = True
        topology.front.cut()
        await asyncio.sleep(choice.uniform(0.1, 1.5))
        topology.front.refusing = False
        await asyncio.sleep(choice.uniform(0.3, 0.8))


async def clock_jump(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """The clock of each gateway jumps by up to two days forward or back. At the end the clocks are correct."""
    for _ in range(3):
        for gateway in topology.gateways:
            set_clock(gateway, choice.choice((-2 * DAY_SECONDS, -60, 0, 60, 3600, 2 * DAY_SECONDS)))
        await asyncio.sleep(seconds / 3)
    for gateway in topology.gateways:
        set_clock(gateway, 0)


async def token_revoked(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """A token is discarded under load. Its connections must end on all nodes, even on those that miss the message."""
    user = f"token-{choice.random()}"
    async with connected_with_a_token(topology.gateways, user) as connections:
        await asyncio.sleep(seconds / 2)
        await connections.all_end(await discard(choice.choice(topology.gateways), connections.token_id))
    async with connected_with_a_token(topology.gateways, user) as connections:
        await asyncio.sleep(seconds / 2)
        with redis.Redis(port=topology.redis.port) as admin:
            # Subscribers are cut while the token is discarded, so that no node receives the message.
            discarding = asyncio.create_task(discard(choice.choice(topology.gateways), connections.token_id))
            while not discarding.done():
                await asyncio.to_thread(admin.execute_command, "CLIENT", "KILL", "TYPE", "pubsub")
            await connections.all_end(await discarding)
