"""Faults of the machine: a log that cannot be written, and a power loss."""

import asyncio
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

from loadtest.check.sites import BundledSite, SingleSite
from loadtest.servers.gateway import Gateway


def _stalled() -> list[int]:
    """A pipe that nobody reads."""
    reading, writing = os.pipe()
    return [writing, reading]


def _without_reader() -> list[int]:
    """A pipe whose reader is gone."""
    reading, writing = os.pipe()
    os.close(reading)
    return [writing]


def _full() -> list[int]:
    """A file on a disk without room."""
    return [os.open("/dev/full", os.O_WRONLY)]


async def log_stalled(site: SingleSite, choice: random.Random, seconds: float) -> None:
    """A gateway logs to a pipe that nobody reads."""
    await _log_to(site, choice, seconds, _stalled)


async def log_reader_gone(site: SingleSite, choice: random.Random, seconds: float) -> None:
    """A gateway logs to a pipe whose reader is gone."""
    await _log_to(site, choice, seconds, _without_reader)


async def log_disk_full(site: SingleSite, choice: random.Random, seconds: float) -> None:
    """A gateway logs to a disk without room."""
    await _log_to(site, choice, seconds, _full)


async def _log_to(site: SingleSite, choice: random.Random, seconds: float, open_log: Callable[[], list[int]]) -> None:
    """Restart a gateway with this log, which gets a line for each request, and kill one of its workers."""
    gateway = choice.choice(site.gateways)
    settings = gateway.environment
    descriptors = open_log()
    try:
        await asyncio.to_thread(gateway.stop)
        gateway.environment = {**settings, "INBOX_ACCESS_LOG": "true"}
        gateway.log_descriptor = descriptors[0]
        await asyncio.to_thread(gateway.start)
        site.front.cut()  # or all that go on are with the other one
        await asyncio.sleep(seconds / 2)
        os.kill(choice.choice(gateway.children("worker")), signal.SIGKILL)
        await asyncio.sleep(seconds / 2)
        assert await asyncio.to_thread(gateway.stop) == 0, "it did not end in order"
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
"""What a power loss may leave behind what was synced."""


async def power_loss(site: BundledSite, choice: random.Random, seconds: float) -> None:
    """Kill -9 of Valkey and all of the gateway at once; what was being written to the file is there in part."""
    (gateway,) = site.gateways
    await asyncio.sleep(seconds / 2)
    (valkey,) = gateway.children("valkey")
    os.kill(valkey, signal.SIGKILL)
    await asyncio.to_thread(gateway.stop, signal.SIGKILL)
    with _last_increment(gateway).open("ab") as file:
        file.write(choice.choice(_ENDS))
    await asyncio.to_thread(gateway.start)
    await asyncio.sleep(seconds / 2)


async def bundled_kill(site: BundledSite, choice: random.Random, seconds: float) -> None:
    """Kill -9 of a bundled Valkey, again and again."""
    (gateway,) = site.gateways
    for _ in range(2):
        for valkey in gateway.children("valkey"):
            os.kill(valkey, signal.SIGKILL)
        await asyncio.sleep(seconds / 2)


def _last_increment(gateway: Gateway) -> Path:
    files = (gateway.data_dir / "valkey" / "appendonlydir").glob("*.incr.aof")
    return max(files, key=lambda path: int(path.name.split(".")[2]))
