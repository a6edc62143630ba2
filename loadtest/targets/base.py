"""The servers that are measured: how to start, pin and stop one, and its protocol."""

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
from loadtest.cores import Cores
from loadtest.journal import EventJournal
from loadtest.publisher import Pool
from loadtest.servers.starting import environment_without_settings, free_port_pair

START_SECONDS = 60.0
SERVERS = Path(__file__).parent / "servers"
WEBSOCKET, SSE = "websocket", "sse"
REST = "rest"
"""The value in place of a transport for requests without a live connection."""

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class MissingError(Exception):
    """A peer is not installed. The message is how to install it."""


class Target(ABC):
    """A server. `start` raises MissingError if it is not installed."""

    name: ClassVar[str]
    transports: ClassVar[tuple[str, ...]]
    keeps_inbox: ClassVar[bool] = False
    """Whether it stores items, states and positions, and checks credentials. Only the gateway does."""

    def __init__(self, cores: Cores):
        self.cores = cores
        self.host = "127.0.0.1"
        self.port = free_port_pair()
        self.settings: dict[str, Any] = {}

    @abstractmethod
    async def start(self) -> None:
        """Start the server and wait until it serves."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop the server."""

    @abstractmethod
    def make(self, transport: str) -> Make:
        """Return a function that creates the client of a user."""

    @abstractmethod
    def request(self, user: str, number: int, size: int = 200) -> bytes:
        """Return the request that publishes a marked event to a user, with a payload of `size` bytes."""

    def pids(self) -> dict[int, str]:
        """Return the roles of the processes by pid, {} if the server runs elsewhere."""
        return {}

    def pool(self) -> Pool:
        """Return a pool of connections for publishing."""
        return Pool(self.host, self.port)

    async def memory(self) -> dict[str, int]:
        """Return the resident memory in KB by role, after a garbage collection if the server supports that."""
        return {}


class StartedTarget(Target):
    """A server that the load test starts."""

    stop_seconds: ClassVar[float] = 1.0
    """The time limit of a stop. Most peers wait for their connections to end."""
    ends_its_children: ClassVar[bool] = False
    """Whether it has child processes and stops them when it is stopped."""

    def __init__(self, cores: Cores):
        super().__init__(cores)
        self.directory = Path(tempfile.mkdtemp(prefix=f"loadtest-{self.name.split()[0]}-"))
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command that serves. Raise MissingError."""

    def environment(self) -> dict[str, str]:
        """Return the environment variables of the server."""
        return {}

    async def start(self) -> None:
        """Start the server on its cores and wait until it serves. Raise MissingError."""
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
        # The server must end with this process. One that waits for open connections or tasks would never end by itself.
        death_signal = signal.SIGTERM if self.ends_its_children else signal.SIGKILL

        def prepare() -> None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
            os.sched_setaffinity(0, cores)

        return prepare

    def log(self) -> str:
        """Return the end of the output."""
        return (self.directory / "log").read_text(errors="replace")[-3000:]

    async def is_ready(self) -> bool:
        """Return whether the server accepts connections."""
        return await can_connect(self.host, self.port)

    async def stop(self) -> None:
        """Stop the server and delete its directory."""
        if self.process is not None:
            pids = machine.tree(self.process.pid)
            self.process.terminate()
            try:
                await asyncio.to_thread(self.process.wait, self.stop_seconds)
            except subprocess.TimeoutExpired:
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                self.process.wait(10)
            self.process = None
        shutil.rmtree(self.directory, ignore_errors=True)

    def pids(self) -> dict[int, str]:
        """Return the processes with their roles."""
        assert self.process is not None
        found = {}
        for pid in machine.tree(self.process.pid):
            with contextlib.suppress(OSError):  # a process may end meanwhile, as the one that prints the addresses does
                found[pid] = machine.role(pid)
        return found

    async def memory(self) -> dict[str, int]:
        """Return the resident memory of all processes in KB by role, after a garbage collection. Raise OSError."""
        await self.collect()
        found: dict[str, int] = {}
        for pid, role in self.pids().items():
            found[role] = found.get(role, 0) + machine.resident_kb(pid)
        return found

    async def collect(self) -> dict[str, int]:
        """Collect garbage in every process that supports it. Return the remaining tasks and objects of all.

        Raise TimeoutError if a process does not report, as its memory would include garbage.
        """
        return await self._signal_all(signal.SIGUSR2)

    async def count(self) -> dict[str, int]:
        """Return the tasks and objects of all processes, including garbage. Raise TimeoutError."""
        return await self._signal_all(signal.SIGUSR1)

    async def _signal_all(self, number: signal.Signals) -> dict[str, int]:
        left = {"tasks": 0, "objects": 0}
        for pid, role in self.pids().items():
            # A Redis also inherits the environment, but the signal would end it.
            if role == machine.SERVER and machine.collects_garbage(pid):
                counts = await self._signal(pid, number)
                left = {name: left[name] + counts.get(name, 0) for name in left}
        return left

    async def _signal(self, pid: int, number: signal.Signals) -> dict[str, int]:
        path = self.directory / "collected" / str(pid)
        path.unlink(missing_ok=True)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + 20
        while not path.exists():
            if not machine.is_running(pid):
                return {}  # the process ended meanwhile
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name}: process {pid} did not report its objects")
            await asyncio.sleep(0.02)
        found: dict[str, int] = json.loads(path.read_text())
        return found


async def can_connect(host: str, port: int) -> bool:
    """Return whether a connection to an address succeeds."""
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


def made_of(kind: type[Client], request: Callable[[str], bytes], host: str, port: int) -> Make:
    """Return a function that creates clients of one class with a request for their user."""
    from loadtest.clients import Address

    def make(user: str, journal: EventJournal | None) -> Client:
        return kind(user, Address(host, port, request(user)), journal)

    return make
