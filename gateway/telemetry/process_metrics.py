"""The metrics of the processes of a gateway, read from /proc: on Linux only.

prometheus_client has them of the own process alone, and of none if several processes share their metrics.
"""

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from prometheus_client.metrics_core import Metric

from gateway.telemetry.families import counter, gauge
from gateway.telemetry.process_table import ProcessTable

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

# The usual names of Prometheus' client libraries.
CPU = counter("process_cpu_seconds", "User and system CPU time of each process of this node.", "process")
RESIDENT = gauge("process_resident_memory_bytes", "Resident memory of each process of this node.", "process")
VIRTUAL = gauge("process_virtual_memory_bytes", "Virtual memory of each process of this node.", "process")
OPEN_FDS = gauge("process_open_fds", "Open file descriptors of each process of this node.", "process")
MAX_FDS = gauge("process_max_fds", "Most file descriptors that each process of this node may open.", "process")
STARTED = gauge("process_start_time_seconds", "When each process of this node started, in unix seconds.", "process")

BUILD = gauge("inbox_build_info", "Always 1; the labels name what runs.", "version", "python", "revision")
WORKERS = gauge(
    "inbox_workers",
    "Processes of this node that run: `gateway` serves requests and connections, `delivery` delivers.",
    "kind",
)
CONFIGURED = gauge("inbox_workers_configured", "Processes of this node that are to run.", "kind")
RESTARTS = counter(
    "inbox_worker_restarts",
    "Times that a process was started again after it had died, `valkey` for the bundled server.",
    "kind",
)

FAMILIES = (CPU, RESIDENT, VIRTUAL, OPEN_FDS, MAX_FDS, STARTED, BUILD, WORKERS, CONFIGURED, RESTARTS)


class _Process(NamedTuple):
    """What /proc has of a process."""

    cpu_seconds: float
    started: float
    virtual_bytes: int
    resident_bytes: int
    open_fds: int
    max_fds: float


def process_metrics(table: ProcessTable, version: str, revision: str) -> Iterator[Metric]:
    """Yield the metrics of the processes in a table. Those that have ended meanwhile are left out."""
    boot = _boot_time()
    found: dict[str, _Process] = {}
    for name, pid in table.processes.items():
        with suppress(OSError, ValueError, IndexError):
            found[name] = _read(_PROC / str(pid), boot)
    yield CPU.metric(*(((name,), each.cpu_seconds) for name, each in found.items()))
    yield RESIDENT.metric(*(((name,), each.resident_bytes) for name, each in found.items()))
    yield VIRTUAL.metric(*(((name,), each.virtual_bytes) for name, each in found.items()))
    yield OPEN_FDS.metric(*(((name,), each.open_fds) for name, each in found.items()))
    yield MAX_FDS.metric(*(((name,), each.max_fds) for name, each in found.items()))
    yield STARTED.metric(*(((name,), each.started) for name, each in found.items()))
    yield BUILD.metric(((version, platform.python_version(), revision), 1))
    yield WORKERS.metric(*(((kind,), number) for kind, number in _running(table).items()))
    yield CONFIGURED.metric(*(((kind,), number) for kind, number in table.configured.items()))
    yield RESTARTS.metric(*(((kind,), number) for kind, number in table.restarts.items()))


def _running(table: ProcessTable) -> Mapping[str, int]:
    running = dict.fromkeys(table.configured, 0)
    for name, pid in table.processes.items():
        kind = name.partition("-")[0]
        if kind in running:
            with suppress(ProcessLookupError):
                os.kill(pid, 0)
                running[kind] += 1
    return running


def _boot_time() -> float:
    with suppress(OSError):
        for line in (_PROC / "stat").read_text().splitlines():
            if line.startswith("btime "):
                return float(line.split()[1])
    return 0.0


def _read(directory: Path, boot: float) -> _Process:
    # The second field, the name of the program, may contain anything. proc(5) numbers from 1, and these start at 3.
    fields = (directory / "stat").read_text().rpartition(")")[2].split()
    return _Process(
        cpu_seconds=(int(fields[11]) + int(fields[12])) / _TICKS,
        started=boot + int(fields[19]) / _TICKS,
        virtual_bytes=int(fields[20]),
        resident_bytes=int(fields[21]) * _PAGE_BYTES,
        open_fds=_open_fds(directory / "fd"),
        max_fds=_max_fds((directory / "limits").read_text()),
    )


def _open_fds(directory: Path) -> int:
    # Since Linux 6.2 this is the number. Listing 10,000 descriptors takes some milliseconds.
    return os.stat(directory).st_size or len(os.listdir(directory))


def _max_fds(limits: str) -> float:
    for line in limits.splitlines():
        if line.startswith("Max open file"):
            soft = line.split()[3]
            return float("inf") if soft == "unlimited" else float(soft)
    raise ValueError("no limit of open files")
