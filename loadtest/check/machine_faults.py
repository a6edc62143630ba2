"""Faults of the machine: a log that cannot be written, and a power loss."""

import asyncio
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

from loadtest.check.topologies import BundledTopology, SingleTopology
from loadtest.servers.gateway import Gateway


def _stalled() -> list[int]:
    """Open a pipe that no process reads. Return its descriptors, the writing one first."""
    reading, writing = os.pipe()
    return [writing, reading]


def _without_reader() -> list[int]:
    """Open a pipe whose reading end is closed. Return its descriptor."""
    reading, writing = os.pipe()
    os.close(reading)
    return [writing]


def _full() -> list[int]:
    """Open a file on a full disk. Return its descriptor."""
    return [os.open("/dev/full", os.O_WRONLY)]


async def log_stalled(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """A gateway logs to a pipe that no process reads."""
    await _log_to(topology, choice, seconds, _stalled)


async def log_reader_gone(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """A gateway logs to a pipe whose reading end is closed."""
    await _log_to(topology, choice, seconds, _without_reader)


async def log_disk_full(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """A gateway logs to a full disk."""
    await _log_to(topology, choice, seconds, _full)


async def _log_to(
    topology: SingleTopology, choice: random.Random, seconds: float, open_log: Callable[[], list[int]]
) -> None:
    """Restart a gateway with this log and with the access log, and kill one of its workers."""
    gateway = choice.choice(topology.gateways)
    settings = gateway.environment
    descriptors = open_log()
    try:
        await asyncio.to_thread(gateway.stop)
        gateway.environment = {**settings, "INBOX_ACCESS_LOG": "true"}
        gateway.log_descriptor = descriptors[0]
        await asyncio.to_thread(gateway.start)
        topology.front.cut()  # otherwise all clients stay connected to the other gateway
        await asyncio.sleep(seconds / 2)
        os.kill(choice.choice(gateway.children("worker")), signal.SIGKILL)
        await asyncio.sleep(seconds / 2)
        assert await asyncio.to_thread(gateway.stop) == 0, "the gateway did not stop in an orderly way"
    finally:
        gateway.environment = settings
        gateway.log_descriptor = None
        for descriptor in descriptors:
            os.close(descriptor)
    await asyncio.to_thread(gateway.start)


# ---- a bundled Valkey

_SET = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n"
_ENDS = (
    bytes(4096),
    _SET[:-5],
    _SET[:-5] + bytes(8192),
    b"*1\r\n$5\r\nMULTI\r\n" + _SET,
    b"*1\r\n$5\r\nMULTI\r\n" + _SET + bytes(512),
)
"""The bytes that may follow the synced part of the file after a power loss."""


async def power_loss(topology: BundledTopology, choice: random.Random, seconds: float) -> None:
    """Valkey and the gateway are killed at once (SIGKILL), and the file ends with an incomplete write."""
    (gateway,) = topology.gateways
    await asyncio.sleep(seconds / 2)
    (valkey,) = gateway.children("valkey")
    os.kill(valkey, signal.SIGKILL)
    await asyncio.to_thread(gateway.stop, signal.SIGKILL)
    with _last_increment(gateway).open("ab") as file:
        file.write(choice.choice(_ENDS))
    await asyncio.to_thread(gateway.start)
    await asyncio.sleep(seconds / 2)


async def bundled_kill(topology: BundledTopology, choice: random.Random, seconds: float) -> None:
    """The bundled Valkey is killed (SIGKILL), twice."""
    (gateway,) = topology.gateways
    for _ in range(2):
        for valkey in gateway.children("valkey"):
            os.kill(valkey, signal.SIGKILL)
        await asyncio.sleep(seconds / 2)


def _last_increment(gateway: Gateway) -> Path:
    files = (gateway.data_dir / "valkey" / "appendonlydir").glob("*.incr.aof")
    return max(files, key=lambda path: int(path.name.split(".")[2]))
