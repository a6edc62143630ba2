"""What is measured: a server that is started, pinned and stopped, and how to speak to it."""

import asyncio
import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from loadtest import machine
from loadtest.clients import Client, Make
from loadtest.journal import Journal
from loadtest.machine import Cores
from loadtest.publisher import Pool
from loadtest.servers.starting import environment_without_settings, free_port_pair

START_SECONDS = 60.0
SERVERS = Path(__file__).parent / "servers"
WEBSOCKET, SSE = "websocket", "sse"

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class MissingError(Exception):
    """A peer is not installed. The message says how it would be."""


class Target(ABC):
    """One server. `start` raises MissingError when it is not installed."""

    name: ClassVar[str]
    transports: ClassVar[tuple[str, ...]]
    keeps_inbox: ClassVar[bool] = False
    """Whether it has what only the gateway has: stored items, states, positions, credentials."""

    def __init__(self, cores: Cores):
        self.cores = cores
        self.host = "127.0.0.1"
        self.port = free_port_pair()
        self.settings: dict[str, Any] = {}

    @abstractmethod
    async def start(self) -> None:
        """Start it and wait until it serves."""

    @abstractmethod
    async def stop(self) -> None:
        """End it."""

    @abstractmethod
    def make(self, transport: str) -> Make:
        """Give what makes the client of a user."""

    @abstractmethod
    def request(self, user: str, number: int, size: int = 200) -> bytes:
        """Write the request that publishes the marked event to a user, with a payload of `size` bytes."""

    def pids(self) -> dict[int, str]:
        """Give its processes with their roles; none when it runs elsewhere."""
        return {}

    def pool(self) -> Pool:
        """Give connections to publish over."""
        return Pool(self.host, self.port)

    async def memory(self) -> dict[str, int]:
        """Give the resident KB by role, after a collection of garbage where the server can be told to."""
        return {}


class StartedTarget(Target):
    """A server that is started here."""

    stop_seconds: ClassVar[float] = 1.0
    """How long it may take to end by itself; most peers wait for connections that stay."""
    ends_its_children: ClassVar[bool] = False
    """Whether it has processes of its own and ends them when it is told to end."""

    def __init__(self, cores: Cores):
        super().__init__(cores)
        self.directory = Path(tempfile.mkdtemp(prefix=f"loadtest-{self.name.split()[0]}-"))
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """Give the command that serves. Raises MissingError."""

    def environment(self) -> dict[str, str]:
        """Give the variables that it is started with."""
        return {}

    async def start(self) -> None:
        """Start it, pinned, and wait until it serves. Raises MissingError."""
        collects = self.directory / "collected"
        collects.mkdir(exist_ok=True)
        paths = [str(SERVERS / "collect"), str(machine.ROOT)]
        environment = {
            **environment_without_settings(),
            "PYTHONPATH": os.pathsep.join(paths),
            "LOADTEST_COLLECTS": str(collects),
            **self.environment(),
        }
        command = self.command()
        with (self.directory / "log").open("wb") as log:
            self.process = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs yet
                command,
                env=environment,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=self._before_start(),
            )
        deadline = time.monotonic() + START_SECONDS
        while not await self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not start:\n{self.log()}")
            await asyncio.sleep(0.05)
        machine.pin(self.pids(), self.cores)

    def _before_start(self) -> Callable[[], None]:
        cores = self.cores.server | self.cores.redis
        # When we die, so does it: one that waits for connections or tasks that stay would outlive us for ever.
        when_we_die = signal.SIGTERM if self.ends_its_children else signal.SIGKILL

        def prepare() -> None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, when_we_die, 0, 0, 0)
            os.sched_setaffinity(0, cores)

        return prepare

    def log(self) -> str:
        """Give the end of what it printed."""
        return (self.directory / "log").read_text(errors="replace")[-3000:]

    async def is_ready(self) -> bool:
        """Whether it accepts connections."""
        return await can_connect(self.host, self.port)

    async def stop(self) -> None:
        """End it and drop what it wrote."""
        if self.process is not None:
            pids = machine.tree(self.process.pid)
            self.process.terminate()
            try:
                await asyncio.to_thread(self.process.wait, self.stop_seconds)
            except subprocess.TimeoutExpired:
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                self.process.wait()
            self.process = None
        shutil.rmtree(self.directory, ignore_errors=True)

    def pids(self) -> dict[int, str]:
        """Give its processes with their roles."""
        assert self.process is not None
        found = {}
        for pid in machine.tree(self.process.pid):
            with contextlib.suppress(OSError):  # it ended meanwhile, such as the one that prints the addresses
                found[pid] = machine.role(pid)
        return found

    async def memory(self) -> dict[str, int]:
        """Give the resident KB by role, of all processes, after a collection of garbage. Raises OSError."""
        await self.collect()
        found: dict[str, int] = {}
        for pid, role in self.pids().items():
            found[role] = found.get(role, 0) + machine.resident_kb(pid)
        return found

    async def collect(self) -> dict[str, int]:
        """Have every process that can collect its garbage; give the tasks and objects that are left in all.

        Raises TimeoutError: memory with garbage in it is not the figure that was asked for.
        """
        return await self._ask_all(signal.SIGUSR2)

    async def count(self) -> dict[str, int]:
        """Give the tasks and objects in all, garbage included. Raises TimeoutError."""
        return await self._ask_all(signal.SIGUSR1)

    async def _ask_all(self, number: signal.Signals) -> dict[str, int]:
        left = {"tasks": 0, "objects": 0}
        for pid, role in self.pids().items():
            # A Redis inherits the environment, and dies of the signal.
            if role == machine.SERVER and machine.collects_garbage(pid):
                told = await self._ask(pid, number)
                left = {name: left[name] + told.get(name, 0) for name in left}
        return left

    async def _ask(self, pid: int, number: signal.Signals) -> dict[str, int]:
        path = self.directory / "collected" / str(pid)
        path.unlink(missing_ok=True)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + 20
        while not path.exists():
            if not machine.is_running(pid):
                return {}  # it ended meanwhile
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name}: process {pid} did not say what it holds")
            await asyncio.sleep(0.02)
        found: dict[str, int] = json.loads(path.read_text())
        return found


async def can_connect(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


def made_of(kind: type[Client], request: Callable[[str], bytes], host: str, port: int) -> Make:
    """Make clients of one kind that differ by what they ask for."""
    from loadtest.clients import Address

    def make(user: str, journal: Journal | None) -> Client:
        return kind(user, Address(host, port, request(user)), journal)

    return make
