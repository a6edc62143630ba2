"""The origin of a result: the machine, the commit, and the load by other programs."""

import os
import platform
import resource
import subprocess
import time
from pathlib import Path
from typing import Any

from loadtest.cores import Cores
from loadtest.machine import ROOT, TICKS_PER_SECOND


class OtherPrograms:
    """The share of the machine that other programs have used since the creation. They make a run noisy."""

    def __init__(self) -> None:
        self._busy, self._ours, self._started = _busy_seconds(), _our_seconds(), time.monotonic()

    def share(self) -> float:
        """Return their share of all cores. A child process counts as another program until it has ended."""
        seconds = (time.monotonic() - self._started) * (os.cpu_count() or 1)
        others = _busy_seconds() - self._busy - (_our_seconds() - self._ours)
        return round(max(0.0, others) / seconds, 3) if seconds else 0.0


def _busy_seconds() -> float:
    """Return the busy seconds of all cores, and those that a hypervisor took: proc(5)'s stat without idle and guest."""
    user, nice, system, _, _, interrupts, soft_interrupts, stolen = map(
        int, Path("/proc/stat").read_text().split(maxsplit=9)[1:9]
    )
    return (user + nice + system + interrupts + soft_interrupts + stolen) / TICKS_PER_SECOND


def _our_seconds() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def description(cores: Cores) -> dict[str, Any]:
    """Return the machine, the cores, the limits and the commit, for the result."""
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
