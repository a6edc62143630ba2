"""What the operating system says: cores, file limits, CPU and memory of processes, and which machine this is.

CPU is read from each process's own clock (`clock_getcpuclockid(3)`): nanoseconds, all threads, those that ended
included. Memory is the resident set. Both are kept apart by role: the server, and the Redis it may bring along. Redis
forks to rewrite its append-only file: such a child's memory is the parent's, and its CPU, known when it has ended, is
shown apart, because it comes in lumps.
"""

import contextlib
import ctypes
import os
import platform
import resource
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

SERVER, REDIS = "server", "redis"

SPARE_FILES = 1500
"""Descriptors that are no measured connection: servers' own, publishers, warm-up."""

_CUTIME = 13
"""Where proc(5)'s stat has the CPU time of waited-for children, counted from behind the command's name."""
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

_TFD_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_TFD_TIMER_ABSTIME = 1


class ProcessGoneError(Exception):
    """A process of a server ended while it was measured."""


# ---- cores and limits


@dataclass(frozen=True)
class Cores:
    """Which cores are for what. On two, Redis shares the server's: one core is what a figure is about."""

    server: frozenset[int]
    redis: frozenset[int]
    clients: frozenset[int]

    @classmethod
    def divide(cls) -> "Cores":
        """Divide what this process may use."""
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) == 1:
            return cls(frozenset(cores), frozenset(cores), frozenset(cores))
        if len(cores) == 2:
            return cls(frozenset(cores[:1]), frozenset(cores[:1]), frozenset(cores[1:]))
        return cls(frozenset(cores[:1]), frozenset(cores[1:2]), frozenset(cores[2:]))

    def redis_apart(self) -> "Cores":
        """Give Redis a core that the server does not have: where there are two it is the clients'."""
        return self if not self.server & self.redis else replace(self, redis=self.clients)


def raise_file_limit() -> int:
    """Raise the limit of open files to the hard one, for this process and what it starts; give it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def most_connections() -> int:
    """Give how many connections the file limit allows."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES


def run_with(cores: Iterable[int]) -> None:
    """Let this process run on these cores only."""
    os.sched_setaffinity(0, cores)


# ---- processes


def tree(pid: int) -> list[int]:
    """Give a process and all that descend from it, but for the forks of a Redis."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{parent}/task") if role(parent) == SERVER else ():
                found += map(int, Path(f"/proc/{parent}/task/{task}/children").read_text().split())
    return found


def command_line(pid: int) -> list[str]:
    """Return the command that a process was started with, empty for one that has ended and waits to be noticed."""
    with contextlib.suppress(OSError):
        return [word for word in Path(f"/proc/{pid}/cmdline").read_text().split("\0") if word]
    return []


def role(pid: int) -> str:
    """Say whether a process is a Redis or the server itself."""
    name = Path(f"/proc/{pid}/comm").read_text()
    return REDIS if name.startswith(("redis", "valkey")) else SERVER


def pin(pids: Iterable[int], cores: Cores) -> None:
    """Let each thread of the processes run on the cores of its role."""
    for pid in pids:
        allowed = cores.redis if role(pid) == REDIS else cores.server
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(task), allowed)


def cpu_seconds(pid: int) -> float:
    """Give the CPU time of a process. Raises ProcessGoneError."""
    try:
        return time.clock_gettime(~pid << 3 | 2)  # what clock_getcpuclockid(3) gives
    except OSError:
        raise ProcessGoneError(f"process {pid} of the server ended") from None


def children_seconds(pid: int) -> float:
    """Give the CPU time of a process's children that ended. Raises ProcessGoneError."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        raise ProcessGoneError(f"process {pid} of the server ended") from None
    return (int(fields[_CUTIME]) + int(fields[_CUTIME + 1])) / _TICKS_PER_SECOND


@dataclass(frozen=True)
class Usage:
    """CPU seconds by role, at one moment or between two."""

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
        """Give microseconds of CPU for each of `count`."""
        scale = 1e6 / max(1, count)
        figures = {"cpu_us_server": self.server * scale, "cpu_us_redis": self.redis * scale}
        if self.forks:
            figures["cpu_us_forks"] = self.forks * scale
        total = self.server + self.redis + self.forks
        return {**figures, "cpu_us": total * scale, "cpu_us_client": self.client * scale}

    def server_busy(self, cores: Cores) -> float:
        """The share of the wall-clock time that the busiest core of the server's side was computing for it."""
        redis = self.redis + self.forks
        spent = self.server + redis if cores.server & cores.redis else max(self.server, redis)
        return spent / self.wall if self.wall else 0.0

    @property
    def client_busy(self) -> float:
        """The share of the wall-clock time that the load generator was computing: near 1 it is what limits."""
        return self.client / self.wall if self.wall else 0.0


def usage(pids: Mapping[int, str]) -> Usage:
    """Read the CPU of processes, given with their roles, and of this one. Raises ProcessGoneError."""
    spent = {SERVER: 0.0, REDIS: 0.0}
    for pid, kind in pids.items():
        spent[kind] += cpu_seconds(pid)
    forks = sum(map(children_seconds, pids))
    return Usage(spent[SERVER], spent[REDIS], forks, time.process_time(), time.perf_counter())


def is_running(pid: int) -> bool:
    """Say whether there is such a process."""
    return Path(f"/proc/{pid}").exists()


def resident_kb(pid: int) -> int:
    """Give a process's resident set in KB. Raises ProcessGoneError."""
    return _status(pid, "VmRSS")


def threads(pid: int) -> int:
    """Give how many threads a process has. Raises ProcessGoneError."""
    return _status(pid, "Threads")


def open_files(pid: int) -> int:
    """Give how many file descriptors a process has open. Raises ProcessGoneError."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        raise ProcessGoneError(f"process {pid} of the server ended") from None


def collects_garbage(pid: int) -> bool:
    """Say whether a process was started with a SIGUSR2 that collects garbage: it would kill any other."""
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


# ---- a clock that ticks at a constant rate


class Ticker:
    """A kernel timer that is due at start + k / rate, whatever happens between: event loops sleep in whole ms only."""

    def __init__(self, rate: float, start: float):
        libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = libc.timerfd_create(time.CLOCK_MONOTONIC, _TFD_NONBLOCK_CLOEXEC)
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        interval, first = int(1e9 / rate), int(start * 1e9)
        setting = struct.pack("=qqqq", *divmod(interval, 10**9), *divmod(first, 10**9))
        if libc.timerfd_settime(self.descriptor, _TFD_TIMER_ABSTIME, setting, None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def due(self) -> int:
        """Take how many ticks have come due since the last call."""
        try:
            return int.from_bytes(os.read(self.descriptor, 8), sys.byteorder)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.descriptor)


# ---- where a result comes from


class Neighbours:
    """How much of the machine others took since this was made: what makes a run noisy."""

    def __init__(self) -> None:
        self._busy, self._ours, self._started = _busy_seconds(), _our_seconds(), time.monotonic()

    def share(self) -> float:
        """Give their share of all cores. What was started must have ended: only then is it ours."""
        seconds = (time.monotonic() - self._started) * (os.cpu_count() or 1)
        others = _busy_seconds() - self._busy - (_our_seconds() - self._ours)
        return round(max(0.0, others) / seconds, 3) if seconds else 0.0


def _busy_seconds() -> float:
    """Give what all cores computed, and what a hypervisor took of them: proc(5)'s stat, without idle and guests'."""
    user, nice, system, _, _, interrupts, soft_interrupts, stolen = map(
        int, Path("/proc/stat").read_text().split(maxsplit=9)[1:9]
    )
    return (user + nice + system + interrupts + soft_interrupts + stolen) / _TICKS_PER_SECOND


def _our_seconds() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def description(cores: Cores) -> dict[str, Any]:
    """Name the machine, the cores, the limits and the commit."""
    return {
        "commit": _git("rev-parse", "--short", "HEAD") + ("+changes" if _git("status", "--porcelain") else ""),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpu": _cpu_model(),
        "cores": len(cores.server | cores.redis | cores.clients),
        "server_cores": sorted(cores.server),
        "redis_cores": sorted(cores.redis),
        "client_cores": sorted(cores.clients),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "load_average": round(os.getloadavg()[0], 2),
    }


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=10)
    except OSError:
        return "unknown"
    return done.stdout.strip() or ("" if done.returncode == 0 else "unknown")
