"""Faults of Redis and of the connections to it, and of a cluster's primaries and slots."""

import asyncio
import random
import signal
import time

import redis

from loadtest.check.fault import pause, restart, silence, slow
from loadtest.check.gateway_faults import client_cut
from loadtest.check.topologies import ClusterTopology, SingleTopology

MOVE_PAUSE_SECONDS = 0.01
"""The pause between the keys of a moving slot, so that writes are processed in between."""

SLOTS_MOVED = 4


async def redis_restart(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """Redis is restarted in an orderly way."""
    await restart(topology.redis, signal.SIGTERM, seconds)


async def redis_kill(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """Redis is killed (SIGKILL). Everything that it acknowledged is on disk."""
    await restart(topology.redis, signal.SIGKILL, seconds)


async def redis_pause(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """The process of Redis is stopped (SIGSTOP)."""
    await pause(topology.redis, seconds)


async def redis_cut(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """The connections to Redis are reset, and new ones are refused for a while."""
    topology.back.refusing = True
    topology.back.cut()
    await asyncio.sleep(seconds)
    topology.back.refusing = False


async def redis_slow(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """The connections to Redis have a delay while clients reconnect, so that log reads and pub/sub messages diverge."""
    async with slow(topology.back, choice.uniform(0.02, 0.1)):
        await client_cut(topology, choice, seconds)


async def redis_half_open(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """The connections to Redis are half open: they forward nothing and do not end."""
    await silence(topology.back, seconds)


async def pubsub_cut(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """Redis closes the connections of its subscribers, and no others."""
    with redis.Redis(port=topology.redis.port) as admin:
        for _ in range(3):
            await asyncio.to_thread(admin.execute_command, "CLIENT", "KILL", "TYPE", "pubsub")
            await asyncio.sleep(seconds / 3)


async def slot_move(topology: ClusterTopology, choice: random.Random, seconds: float) -> None:
    """Slots of users move to other primaries, one after the other, in one step each."""
    for key in choice.choices(topology.user_keys, k=SLOTS_MOVED):
        await asyncio.to_thread(topology.cluster.move_slot_at_once, key)
        await asyncio.sleep(seconds / SLOTS_MOVED)


async def slot_move_by_key(topology: ClusterTopology, choice: random.Random, seconds: float) -> None:
    """Slots of users move to other primaries, one after the other, key by key as clusters did before Valkey 9."""
    for key in choice.choices(topology.user_keys, k=SLOTS_MOVED):
        await asyncio.to_thread(topology.cluster.move_slot, key, lambda: time.sleep(MOVE_PAUSE_SECONDS))
        await asyncio.sleep(seconds / SLOTS_MOVED)


async def primary_kill(topology: ClusterTopology, choice: random.Random, seconds: float) -> None:
    """A primary is killed (SIGKILL). Its replica is promoted, and the primary returns as a replica of that."""
    dead = await asyncio.to_thread(topology.cluster.kill_primary_of, choice.choice(topology.user_keys))
    await asyncio.sleep(max(4.0, seconds))
    await asyncio.to_thread(dead.start)


async def primary_pause(topology: ClusterTopology, choice: random.Random, seconds: float) -> None:
    """A primary is stopped (SIGSTOP) until its replica is promoted. It continues as if it were still the primary."""
    server = await asyncio.to_thread(topology.cluster.primary_of, choice.choice(topology.user_keys))
    await pause(server, max(5.0, seconds))
