"""Servers end with the process that started them, and report their objects."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from loadtest.cores import Cores
from loadtest.machine import REDIS, ROOT, SERVER
from loadtest.targets.gateway import GatewayTarget
from tests.servers import wait_for

START_AND_CONNECT = """
import asyncio
from loadtest.crowd import Crowd
from loadtest.cores import Cores
from loadtest.targets.peers import StarletteTarget

async def main():
    target = StarletteTarget(Cores.divide())
    await target.start()
    await Crowd().add(target.make("websocket"), ["ada"], None)
    print(target.process.pid, target.directory, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_peer_that_waits_for_its_connections_ends_with_the_load_test() -> None:
    with subprocess.Popen([sys.executable, "-c", START_AND_CONNECT], cwd=ROOT, stdout=subprocess.PIPE) as harness:
        assert harness.stdout is not None
        pid, directory = harness.stdout.readline().split()
        os.kill(harness.pid, signal.SIGKILL)

    def is_gone() -> bool:
        state = Path(f"/proc/{int(pid)}/stat")
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"

    wait_for(is_gone, "the peer to end", 20)
    shutil.rmtree(directory.decode())


async def test_a_gateway_reports_its_objects_and_its_redis_gets_no_signal() -> None:
    target = GatewayTarget(Cores.divide())
    await target.start()
    before = target.pids()
    try:
        assert (await target.count())["objects"] > 0
        assert (await target.memory()).keys() == {SERVER, REDIS}
        assert target.pids().items() <= before.items()
    finally:
        await target.stop()
