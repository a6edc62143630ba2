"""The faults: each strikes, lasts, and is healed when its function returns."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import redis

from loadtest.check import extremes, hostile, machine_faults, refusals
from loadtest.check.access import discard, resting_on_a_token
from loadtest.check.proxy import Proxy
from loadtest.check.rest import Rest
from loadtest.check.sites import ClusterSite, ShortLogSite, SingleSite, Site, set_clock
from loadtest.servers.redis_server import RedisServer

READY_SECONDS = 60.0
"""For a thousand connections to come back, which this process has to serve as well."""

HUGE_CONNECTIONS = 10

MOVE_PAUSE_SECONDS = 0.01
"""Between the keys of a slot that moves, so that writes come in between."""


DAY_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Fault:
    """A row of the table. `strike` gets the site, the seeded choice and how long the fault is to last, in seconds."""

    name: str
    topology: str
    strike: Callable[[Any, random.Random, float], Awaitable[str | None]]
    """Strikes, and may return what it measured."""

    may_lose: bool = False
    """Whether a write that was acknowledged may be gone: a replica that takes over lacks what had not reached it."""

    may_reset: bool = False
    """Whether a device may be told to reset though nothing is lost: it was away for longer than the log goes back."""

    quick: bool = True
    """Whether it is part of a quick run."""


# ---- for either topology


async def calm(site: Site, choice: random.Random, seconds: float) -> None:
    """Nothing breaks."""
    await asyncio.sleep(seconds)


async def worker_kill(site: Site, choice: random.Random, seconds: float) -> None:
    """Kill -9 of workers, one after the other, wherever."""
    for _ in range(2):
        gateway = choice.choice(site.gateways)
        workers = gateway.children("worker")
        if workers:
            os.kill(choice.choice(workers), signal.SIGKILL)
        await asyncio.sleep(seconds / 2)


async def client_cut(site: Site, choice: random.Random, seconds: float) -> None:
    """All links of clients are reset, again and again: everybody comes back at once while events flow."""
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        site.front.cut()
        await asyncio.sleep(choice.uniform(0.1, 0.6))


async def client_slow(site: Site, choice: random.Random, seconds: float) -> None:
    """Links of clients have a delay."""
    async with _slow(site.front, choice.uniform(0.05, 0.25)):
        await asyncio.sleep(seconds)


async def client_half_open(site: Site, choice: random.Random, seconds: float) -> None:
    """Links of clients let nothing through and do not end."""
    await _half_open(site.front, seconds)


# ---- one Redis


async def gateway_kill(site: SingleSite, choice: random.Random, seconds: float) -> None:
    """Kill -9 of a whole gateway."""
    site.front.cut()  # a restart before this one may have left everybody at the other
    await asyncio.sleep(0.5)
    gateway = choice.choice(site.gateways)
    await asyncio.to_thread(gateway.stop, signal.SIGKILL)
    await asyncio.sleep(seconds / 2)
    await asyncio.to_thread(gateway.start)


async def rolling_restart(site: SingleSite, choice: random.Random, seconds: float) -> None:
    """SIGTERM and start of one gateway after the other."""
    for gateway in choice.sample(site.gateways, len(site.gateways)):
        await asyncio.to_thread(gateway.stop)
        await asyncio.to_thread(gateway.start)


async def redis_restart(site: SingleSite, choice: random.Random, seconds: float) -> None:
    """An orderly restart of Redis."""
    await _restart(site.redis, signal.SIGTERM, seconds)


async def redis_kill(site: SingleSite, choice: random.Random, seconds: float) -> None:
    """Kill -9 of Redis, which has all it acknowledged on disk."""
    await _restart(site.redis, signal.SIGKILL, seconds)


async def redis_pause(site: SingleSite, choice: random.Random, seconds: float) -> None:
    """SIGSTOP of Redis."""
    await _pause(site.redis, seconds)


async def redis_cut(site: SingleSite, choice: random.Random, seconds: float) -> None:
    """The links to Redis are reset, and refused for a while."""
    site.back.refusing = True
    site.back.cut()
    await asyncio.sleep(seconds)
    site.back.refusing = False


async def redis_slow(site: SingleSite, choice: random.Random, seconds: float) -> None:
    """The links to Redis have a delay, and clients come back meanwhile: what is read and what is heard drift apart."""
    async with _slow(site.back, choice.uniform(0.02, 0.1)):
        await client_cut(site, choice, seconds)


async def redis_half_open(site: SingleSite, choice: random.Random, seconds: float) -> None:
    """The links to Redis let nothing through and do not end."""
    await _half_open(site.back, seconds)


async def pubsub_cut(site: SingleSite, choice: random.Random, seconds: float) -> None:
    """Redis cuts its subscribers, and no one else."""
    with redis.Redis(port=site.redis.port) as admin:
        for _ in range(3):
            await asyncio.to_thread(admin.execute_command, "CLIENT", "KILL", "TYPE", "pubsub")
            await asyncio.sleep(seconds / 3)


async def clock_jump(site: SingleSite, choice: random.Random, seconds: float) -> None:
    """The clocks of gateways jump, each by itself, by up to two days forward or back; in the end they are right."""
    for _ in range(3):
        for gateway in site.gateways:
            set_clock(gateway, choice.choice((-2 * DAY_SECONDS, -60, 0, 60, 3600, 2 * DAY_SECONDS)))
        await asyncio.sleep(seconds / 3)
    for gateway in site.gateways:
        set_clock(gateway, 0)


async def token_revoked(site: SingleSite, choice: random.Random, seconds: float) -> None:
    """A token is discarded while everybody writes: its connections end on all nodes, also on those that miss it."""
    user = f"token-{choice.random()}"
    async with resting_on_a_token(site.gateways, user) as resting:
        await asyncio.sleep(seconds / 2)
        await resting.all_end(await discard(choice.choice(site.gateways), resting.token_id))
    async with resting_on_a_token(site.gateways, user) as resting:
        await asyncio.sleep(seconds / 2)
        with redis.Redis(port=site.redis.port) as admin:
            # In one step with its loss, so that nobody hears it.
            discarding = asyncio.create_task(discard(choice.choice(site.gateways), resting.token_id))
            while not discarding.done():
                await asyncio.to_thread(admin.execute_command, "CLIENT", "KILL", "TYPE", "pubsub")
            await resting.all_end(await discarding)


async def hot_user(site: SingleSite, choice: random.Random, seconds: float) -> None:
    """One user has a thousand connections, and hears the same on each, also after all were cut and came back."""
    user = f"hot-{choice.random()}"
    async with contextlib.aclosing(Rest(site.front.port)) as rest:
        await rest.send([user], f"{user}.hello", None, None)
        async with extremes.following(rest, site.front.port, user, extremes.CONNECTIONS) as followers:
            for cut in (True, False):
                await extremes.send_for(rest, user, seconds / 2)
                if cut:
                    site.front.cut()
                await followers.until_up_to_date(READY_SECONDS)


async def huge_inbox(site: SingleSite, choice: random.Random, seconds: float) -> None:
    """An inbox of 100,000 items is marked, and in the end deleted, while everybody else goes on."""
    user = f"huge-{choice.random()}"
    async with contextlib.aclosing(Rest(site.front.port)) as rest:
        await rest.send([user], f"{user}.hello", None, None)
        await extremes.fill(site.redis.url, await rest.principal(user))
        async with extremes.following(rest, site.front.port, user, HUGE_CONNECTIONS) as followers:
            unread = extremes.ITEMS + 1 - -(-extremes.ITEMS // len(extremes.CATEGORIES))
            await extremes.mark_all(rest, user, "read", categories=extremes.CATEGORIES[0])
            await followers.until_up_to_date(READY_SECONDS, unread_count=unread, unseen_count=unread)
            unread += await extremes.send_for(rest, user, seconds / 2)
            await extremes.mark_all(rest, user, "seen")
            await followers.until_up_to_date(READY_SECONDS, unread_count=unread, unseen_count=0)
            await extremes.send_for(rest, user, seconds / 2)
            await extremes.mark_all(rest, user, "read")
            await followers.until_up_to_date(READY_SECONDS, unread_count=0, unseen_count=0)
        await extremes.delete_user(rest, user)


# ---- one Redis, and short logs


async def log_trimmed(site: ShortLogSite, choice: random.Random, seconds: float) -> None:
    """Clients are away for some moments, some of them for longer than the log goes back."""
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        site.front.refusing = True
        site.front.cut()
        await asyncio.sleep(choice.uniform(0.1, 1.5))
        site.front.refusing = False
        await asyncio.sleep(choice.uniform(0.3, 0.8))


# ---- a cluster


async def slot_move(site: ClusterSite, choice: random.Random, seconds: float) -> None:
    """Users' slots move to other primaries, one after the other, in one step each."""
    for key in choice.choices(site.user_keys, k=4):
        await asyncio.to_thread(site.cluster.move_slot_at_once, key)
        await asyncio.sleep(seconds / 4)


async def slot_move_by_key(site: ClusterSite, choice: random.Random, seconds: float) -> None:
    """Users' slots move to other primaries, one after the other, key by key as clusters did before Valkey 9."""
    for key in choice.choices(site.user_keys, k=4):
        await asyncio.to_thread(site.cluster.move_slot, key, lambda: time.sleep(MOVE_PAUSE_SECONDS))
        await asyncio.sleep(seconds / 4)


async def primary_kill(site: ClusterSite, choice: random.Random, seconds: float) -> None:
    """Kill -9 of a primary; its replica takes over, and it comes back as a replica of that."""
    dead = await asyncio.to_thread(site.cluster.kill_primary_of, choice.choice(site.user_keys))
    await asyncio.sleep(max(4.0, seconds))
    await asyncio.to_thread(dead.start)


async def primary_pause(site: ClusterSite, choice: random.Random, seconds: float) -> None:
    """SIGSTOP of a primary until its replica has taken over; it goes on not knowing that."""
    server = await asyncio.to_thread(site.cluster.primary_of, choice.choice(site.user_keys))
    await _pause(server, max(5.0, seconds))


FAULTS = [
    Fault("calm", "single", calm, quick=False),
    Fault("worker_kill", "single", worker_kill),
    Fault("gateway_kill", "single", gateway_kill),
    Fault("rolling_restart", "single", rolling_restart),
    Fault("redis_restart", "single", redis_restart, quick=False),
    Fault("redis_kill", "single", redis_kill),
    Fault("redis_pause", "single", redis_pause),
    Fault("redis_cut", "single", redis_cut),
    Fault("redis_slow", "single", redis_slow),
    Fault("redis_half_open", "single", redis_half_open, quick=False),
    Fault("pubsub_cut", "single", pubsub_cut),
    Fault("redis_errors", "single", refusals.redis_errors),
    Fault("permission_lost", "single", refusals.permission_lost),
    Fault("password_changed", "single", refusals.password_changed, quick=False),
    Fault("redis_full", "single", refusals.redis_full),
    Fault("replicas_lost", "single", refusals.replicas_lost, quick=False),
    Fault("redis_busy", "single", refusals.redis_busy, quick=False),
    Fault("record_broken", "single", refusals.record_broken),
    Fault("store_emptied", "single", refusals.store_emptied),
    Fault("clock_jump", "single", clock_jump),
    Fault("token_revoked", "single", token_revoked, quick=False),
    Fault("hot_user", "single", hot_user),
    Fault("huge_inbox", "single", huge_inbox, quick=False),
    Fault("hostile_peers", "single", hostile.hostile_peers),
    Fault("client_cut", "single", client_cut),
    Fault("client_slow", "single", client_slow, quick=False),
    Fault("client_half_open", "single", client_half_open),
    Fault("log_stalled", "single", machine_faults.log_stalled),
    Fault("log_reader_gone", "single", machine_faults.log_reader_gone, quick=False),
    Fault("log_disk_full", "single", machine_faults.log_disk_full, quick=False),
    Fault("power_loss", "bundled", machine_faults.power_loss, may_reset=True),
    Fault("bundled_kill", "bundled", machine_faults.bundled_kill, may_reset=True, quick=False),
    Fault("log_trimmed", "short_log", log_trimmed, may_reset=True, quick=False),
    Fault("cluster_calm", "cluster", calm, quick=False),
    Fault("cluster_worker_kill", "cluster", worker_kill, quick=False),
    Fault("slot_move", "cluster", slot_move, quick=False),
    Fault("slot_move_by_key", "cluster", slot_move_by_key),
    Fault("primary_kill", "cluster", primary_kill, may_lose=True),
    Fault("primary_pause", "cluster", primary_pause, may_lose=True),
]


async def _restart(server: RedisServer, number: int, seconds: float) -> None:
    await asyncio.to_thread(server.stop, number)
    await asyncio.sleep(seconds / 2)
    await asyncio.to_thread(server.start)


async def _pause(server: RedisServer, seconds: float) -> None:
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        server.process.send_signal(signal.SIGCONT)


async def _half_open(proxy: Proxy, seconds: float) -> None:
    proxy.fall_silent()
    try:
        await asyncio.sleep(max(4.0, seconds))  # under a heartbeat or two nobody would notice
    finally:
        proxy.speak()


@contextlib.asynccontextmanager
async def _slow(proxy: Proxy, seconds: float) -> AsyncIterator[None]:
    proxy.delay_seconds = seconds
    try:
        yield
    finally:
        proxy.delay_seconds = 0.0
