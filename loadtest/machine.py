"""CPU and memory of processes.

CPU is read from the clock of each process (`clock_getcpuclockid(3)`): nanoseconds of all threads, including those that
have ended. Memory is the resident set. Both are separated by role: the server, and the Redis that it may start. Redis
forks to rewrite its append-only file. The memory of such a child is that of the parent. Its CPU is known only when it
has ended, and is then added all at once, so it is shown separately.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from loadtest.cores import Cores

ROOT = Path(__file__).parent.parent

SERVER, REDIS = "server", "redis"

_CUTIME = 13
"""The index of the CPU time of waited-for children in the fields of proc(5)'s stat after the name of the command."""
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class ProcessGoneError(Exception):
    """A process of a server ended while it was measured."""


def tree(pid: int) -> list[int]:
    """Return a process and all its descendants, except the forks of a Redis."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{parent}/task") if role(parent) == SERVER else ():
                found += map(int, Path(f"/proc/{parent}/task/{task}/children").read_text().split())
    return found


def command_line(pid: int) -> list[str]:
    """Return the command with which a process was started, [] for a process that has ended."""
    with contextlib.suppress(OSError):
        return [word for word in Path(f"/proc/{pid}/cmdline").read_text().split("\0") if word]
    return []


def role(pid: int) -> str:
    """Return whether a process is a Redis (REDIS) or the server itself (SERVER)."""
    name = Path(f"/proc/{pid}/comm").read_text()
    return REDIS if name.startswith(("redis", "valkey")) else SERVER


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process. Raise ProcessGoneError."""
    try:
        return time.clock_gettime(~pid << 3 | 2)  # the clock id that clock_getcpuclockid(3) returns
    except OSError:
        raise ProcessGoneError(f"process {pid} of the server ended") from None


def children_seconds(pid: int) -> float:
    """Return the CPU time of the children of a process that have ended. Raise ProcessGoneError."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        raise ProcessGoneError(f"process {pid} of the server ended") from None
    return (int(fields[_CUTIME]) + int(fields[_CUTIME + 1])) / TICKS_PER_SECOND


@dataclass(frozen=True)
class Usage:
    """CPU seconds by role, up to a moment or between two moments."""

    server: float = 0.0
    redis: float = 0.0
    forks: float = 0.0
    client: float = 0.0
    wall: float = 0.0

    def __sub__(self, earlier: "Usage") -> "Usage":
        return Usage(
            self.server - earlier.server,
            self.redis - earlier.redis,
            self.forks - earlier.forks,
            self.client - earlier.client,
            self.wall - earlier.wall,
        )

    def per(self, count: float) -> dict[str, float]:
        """Return the CPU in microseconds for each of `count`, by role."""
        scale = 1e6 / max(1, count)
        figures = {"cpu_us_server": self.server * scale, "cpu_us_redis": self.redis * scale}
        if self.forks:
            figures["cpu_us_forks"] = self.forks * scale
        total = self.server + self.redis + self.forks
        return {**figures, "cpu_us": total * scale, "cpu_us_client": self.client * scale}

    def server_busy(self, cores: Cores) -> float:
        """Return the share of the wall-clock time in which the busiest core of the server was busy with its work."""
        redis = self.redis + self.forks
        spent = self.server + redis if cores.server & cores.redis else max(self.server, redis)
        return spent / self.wall if self.wall else 0.0

    @property
    def client_busy(self) -> float:
        """The share of the wall-clock time in which the load generator was busy. Near 1 it is the bottleneck."""
        return self.client / self.wall if self.wall else 0.0


def usage(pids: Mapping[int, str]) -> Usage:
    """Read the CPU of processes, by their roles, and of this one. Raise ProcessGoneError."""
    spent = {SERVER: 0.0, REDIS: 0.0}
    for pid, kind in pids.items():
        spent[kind] += cpu_seconds(pid)
    forks = sum(map(children_seconds, pids))
    return Usage(spent[SERVER], spent[REDIS], forks, time.process_time(), time.perf_counter())


def is_running(pid: int) -> bool:
    """Return whether there is such a process."""
    return Path(f"/proc/{pid}").exists()


def resident_kb(pid: int) -> int:
    """Return the resident set of a process in KB. Raise ProcessGoneError."""
    return _status(pid, "VmRSS")


def threads(pid: int) -> int:
    """Return the number of threads of a process. Raise ProcessGoneError."""
    return _status(pid, "Threads")


def open_files(pid: int) -> int:
    """Return the number of open file descriptors of a process. Raise ProcessGoneError."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        raise ProcessGoneError(f"process {pid} of the server ended") from None


def collects_garbage(pid: int) -> bool:
    """Return whether a process collects garbage at SIGUSR2, which would end any other process."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        caught = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "SigCgt" in line)
    except (OSError, StopIteration):
        return False
    return b"LOADTEST_COLLECTS=" in environment and bool(int(caught.split()[1], 16) >> (signal.SIGUSR2 - 1) & 1)


def _status(pid: int, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        raise ProcessGoneError(f"process {pid} of the server ended") from None
    return next((int(line.split()[1]) for line in lines if line.startswith(name + ":")), 0)


def pin_to_all(pids: Iterable[int]) -> None:
    """Let each thread of the processes run on every core that this machine has."""
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(task), range(os.cpu_count() or 1))


def pin(pids: Iterable[int], cores: Cores) -> None:
    """Restrict each thread of the processes to the cores of its role."""
    for pid in pids:
        allowed = cores.redis if role(pid) == REDIS else cores.server
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(task), allowed)
