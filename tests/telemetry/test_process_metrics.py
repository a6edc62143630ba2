"""The metrics of processes."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.telemetry import process_metrics as tested
from gateway.telemetry.process_metrics import FAMILIES, process_metrics
from gateway.telemetry.process_table import ProcessTable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")


def values(table: ProcessTable) -> dict[tuple[str, ...], float]:
    """Return the samples by name and values of labels."""
    found = process_metrics(table, "1.2.3", "abc")
    return {(each.name, *each.labels.values()): each.value for metric in found for each in metric.samples}


def test_each_process_has_the_usual_metrics_and_kinds_are_counted() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        table = ProcessTable(
            {"gateway-1": os.getpid(), "gateway-2": child.pid, "valkey": 1}, {"gateway": 3}, {"gateway": 4}
        )
        found = values(table)
        child.communicate(b"\n")
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert found["process_max_fds", "gateway-1"] == soft
    assert found["process_open_fds", "gateway-1"] == pytest.approx(len(os.listdir("/proc/self/fd")), abs=5)
    assert found["process_cpu_seconds_total", "gateway-1"] == pytest.approx(sum(os.times()[:2]), abs=1)
    assert (
        1e6 < found["process_resident_memory_bytes", "gateway-1"] < found["process_virtual_memory_bytes", "gateway-1"]
    )
    assert found["process_start_time_seconds", "gateway-2"] == pytest.approx(time.time(), abs=60)
    assert found["inbox_workers", "gateway"] == 2
    assert found["inbox_workers_configured", "gateway"] == 3
    assert found["inbox_worker_restarts_total", "gateway"] == 4
    assert found["inbox_build_info", "1.2.3", sys.version.split()[0], "abc"] == 1
    assert {metric.name for metric in process_metrics(table, "", "")} == {each.name for each in FAMILIES}


def test_a_process_that_has_ended_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    found = values(ProcessTable({"gateway-1": ended.pid}, {"gateway": 1}))
    assert found["inbox_workers", "gateway"] == 0
    assert ("process_open_fds", "gateway-1") not in found
    monkeypatch.setattr(tested, "_PROC", tmp_path)  # as on systems without /proc
    assert ("process_open_fds", "gateway-1") not in values(ProcessTable({"gateway-1": os.getpid()}))


def test_a_limit_may_be_missing_or_unlimited() -> None:
    line = "Max open files            unlimited            unlimited            files"
    assert tested._max_fds(line) == float("inf")
    with pytest.raises(ValueError, match="no limit"):
        tested._max_fds("")
