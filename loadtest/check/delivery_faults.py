"""Faults of deliveries: of providers, and of what delivers while providers are slow."""

import asyncio
import os
import random
import signal

from loadtest.check.deliveries import providers
from loadtest.check.deliveries.projects import save_integrations
from loadtest.check.deliveries.providers import Misbehave
from loadtest.check.fault import pause, restart
from loadtest.check.redis_faults import primary_kill
from loadtest.check.topologies import ClusteredDeliveryTopology, DeliveryTopology

WORKER = "deliver"
"""The command of a delivery worker."""

MOST_SLOWED_SECONDS = 5.0
"""The time within which a delivery is to be made while another lane is parked."""


async def _misbehaving(topology: DeliveryTopology, seconds: float, *ways: Misbehave) -> None:
    topology.deliveries.providers.misbehaviours = ways
    try:
        await asyncio.sleep(seconds)
    finally:
        topology.deliveries.providers.misbehaviours = ()


async def providers_fail(topology: DeliveryTopology, choice: random.Random, seconds: float) -> None:
    """Providers throttle, fail, cut connections, and die in the middle of a response. Each delivery fails once."""
    ways = (providers.throttle, providers.fail, providers.cut, providers.die_in_the_middle, providers.slow)
    await _misbehaving(topology, seconds, *ways)


async def providers_hang(topology: DeliveryTopology, choice: random.Random, seconds: float) -> None:
    """Providers do not reply."""
    await _misbehaving(topology, seconds, providers.hang)


async def providers_cut(topology: DeliveryTopology, choice: random.Random, seconds: float) -> None:
    """All connections to providers are reset repeatedly, in the middle of requests or idle."""
    topology.deliveries.providers.misbehaviours = (providers.slow,)
    try:
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            await asyncio.sleep(choice.uniform(0.1, 0.6))
            topology.deliveries.providers.server.cut()
    finally:
        topology.deliveries.providers.misbehaviours = ()


async def lane_parked(topology: DeliveryTopology, choice: random.Random, seconds: float) -> None:
    """A provider refuses the credentials of a project. Its lane is parked, and no other lane waits for it.

    At the end the project saves its configuration again, which opens the lane.
    """
    project, provider = topology.deliveries.traffic.projects[1], choice.choice(("sendgrid", "twilio"))
    parked = (project.name, provider)
    topology.deliveries.providers.misconfigured.add(parked)
    try:
        await asyncio.sleep(seconds + MOST_SLOWED_SECONDS)
        late = topology.deliveries.traffic.late(MOST_SLOWED_SECONDS, parked)
        assert not late, f"delivered after more than {MOST_SLOWED_SECONDS:.0f} s while {parked} was parked: {late}"
    finally:
        topology.deliveries.providers.misconfigured.discard(parked)
        await save_integrations(project, topology.gateways[0], topology.deliveries.providers.server.url)


async def delivery_worker_kill(topology: DeliveryTopology, choice: random.Random, seconds: float) -> None:
    """All delivery workers are killed (SIGKILL) twice, in the middle of requests, because providers are slow."""
    topology.deliveries.providers.misbehaviours = (providers.slow, providers.fail)
    try:
        for _ in range(2):
            await asyncio.sleep(max(1.0, seconds / 3))
            for worker in [pid for gateway in topology.gateways for pid in gateway.children(WORKER)]:
                os.kill(worker, signal.SIGKILL)
        await asyncio.sleep(seconds / 3)
    finally:
        topology.deliveries.providers.misbehaviours = ()


async def delivery_redis_kill(topology: DeliveryTopology, choice: random.Random, seconds: float) -> None:
    """Redis is killed (SIGKILL) and started again while providers are slow."""
    topology.deliveries.providers.misbehaviours = (providers.slow,)
    try:
        await restart(topology.redis, signal.SIGKILL, seconds)
    finally:
        topology.deliveries.providers.misbehaviours = ()


async def delivery_redis_pause(topology: DeliveryTopology, choice: random.Random, seconds: float) -> None:
    """Redis does not reply while providers are slow."""
    topology.deliveries.providers.misbehaviours = (providers.slow,)
    try:
        await pause(topology.redis, seconds)
    finally:
        topology.deliveries.providers.misbehaviours = ()


async def delivery_primary_kill(topology: ClusteredDeliveryTopology, choice: random.Random, seconds: float) -> None:
    """A primary is killed while providers are slow, and its replica is promoted."""
    topology.deliveries.providers.misbehaviours = (providers.slow,)
    try:
        await primary_kill(topology, choice, seconds)
    finally:
        topology.deliveries.providers.misbehaviours = ()
