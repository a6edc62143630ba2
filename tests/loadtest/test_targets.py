"""Servers that are started: they do not outlive whoever started them, and say what they hold."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from loadtest.machine import ROOT, Cores
from loadtest.targets.peers import StarletteTarget
from tests.servers import wait_for

START_AND_CONNECT = """
import asyncio
from loadtest.clients import Crowd
from loadtest.machine import Cores
from loadtest.targets.peers import StarletteTarget

async def main():
    target = StarletteTarget(Cores.divide())
    await target.start()
    await Crowd().add(target.make("websocket"), ["ada"], None)
    print(target.process.pid, target.directory, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_peer_that_waits_for_its_connections_dies_with_the_harness() -> None:
    with subprocess.Popen([sys.executable, "-c", START_AND_CONNECT], cwd=ROOT, stdout=subprocess.PIPE) as harness:
        assert harness.stdout is not None
        pid, directory = harness.stdout.readline().split()
        os.kill(harness.pid, signal.SIGKILL)

    def is_gone() -> bool:
        state = Path(f"/proc/{int(pid)}/stat")
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"

    wait_for(is_gone, "the peer to die", 20)
    shutil.rmtree(directory.decode())


async def test_a_process_that_ends_when_it_is_asked_holds_nothing() -> None:
    target = StarletteTarget(Cores.divide())
    with subprocess.Popen(["sleep", "60"]) as child:
        asking = asyncio.create_task(target._ask(child.pid, signal.SIGUSR1))
        await asyncio.to_thread(child.wait)  # it knows no such signal
        assert await asking == {}
    shutil.rmtree(target.directory, ignore_errors=True)
