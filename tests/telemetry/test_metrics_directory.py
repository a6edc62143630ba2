"""The directory of the metrics files of one gateway."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.telemetry import metrics_directory
from gateway.telemetry.metrics_directory import MetricsDirectory

CREATE_AND_WAIT = """
import sys
from pathlib import Path
from gateway.telemetry import metrics_directory
metrics_directory._IN_MEMORY = Path(sys.argv[1])
directory = metrics_directory.MetricsDirectory(Path(sys.argv[1]))
print(directory.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory in place of the file system in memory."""
    path = tmp_path / "memory"
    path.mkdir()
    monkeypatch.setattr(metrics_directory, "_IN_MEMORY", path)
    return path


def test_it_is_in_memory_and_private(memory: Path, tmp_path: Path) -> None:
    directory = MetricsDirectory(tmp_path / "data")
    assert directory.path.parent == memory
    assert directory.path.stat().st_mode & 0o777 == 0o700
    directory.remove()
    assert list(memory.iterdir()) == []
    assert not (tmp_path / "data").exists()


def test_it_is_in_the_data_directory_when_there_is_no_room_in_memory(
    memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_directory, "_ENOUGH_BYTES", 1 << 62)
    directory = MetricsDirectory(tmp_path / "data")
    assert directory.path.parent == tmp_path / "data"
    directory.remove()


def test_the_directory_of_a_killed_gateway_is_removed_and_that_of_a_running_one_is_kept(
    memory: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", CREATE_AND_WAIT, str(memory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        first = MetricsDirectory(tmp_path)
        assert theirs.is_dir()
        other.kill()
    second = MetricsDirectory(tmp_path)
    assert not theirs.exists()
    assert first.path.is_dir()
    for directory in (first, second):
        directory.remove()


def test_only_the_live_gauges_of_a_worker_that_ended_are_deleted(memory: Path, tmp_path: Path) -> None:
    directory = MetricsDirectory(tmp_path)
    names = ["counter_7.db", "gauge_livesum_7.db", "gauge_livemax_7.db", "gauge_livesum_8.db", "gauge_max_7.db"]
    for name in names:
        (directory.path / name).touch()
    directory.forget(7)
    left = {path.name for path in directory.path.iterdir()}
    assert left == {"counter_7.db", "gauge_livesum_8.db", "gauge_max_7.db"}
    directory.remove()
