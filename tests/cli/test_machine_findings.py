"""What `doctor` finds about the machine."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.cli import machine_findings
from gateway.cli.machine_findings import examine_machine, is_installed
from gateway.domain.finding import Finding, Severity
from gateway.runtime.memory import MEGABYTE
from gateway.settings import Settings


def of(topic: str, settings: Settings) -> list[Finding]:
    return [each for each in examine_machine(settings) if each.topic == topic]


@pytest.mark.parametrize(
    ("free_mb", "severity"), [(9000, Severity.FINE), (500, Severity.WARNING), (10, Severity.PROBLEM)]
)
def test_a_disk_that_fills_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_mb: int, severity: Severity
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=free_mb * MEGABYTE))
    (found,) = of("disk", Settings(data_dir=tmp_path / "data"))
    assert (found.severity, f"{free_mb:,} MB free" in found.text) == (severity, True)


def test_memory_that_the_system_takes_away_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    valkey = tmp_path / "data" / "valkey"
    valkey.mkdir(parents=True)
    (valkey / "memory.pid").write_text("4711\n")
    for name, text in {"sys/vm/overcommit_memory": "0\n", "4711/status": "Name:\tx\nVmSwap:\t  20480 kB\n"}.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(machine_findings, "PROC", tmp_path)
    overcommit, swapped = of("system", Settings(data_dir=tmp_path / "data"))
    assert (overcommit.severity, swapped.severity) == (Severity.ADVICE, Severity.WARNING)
    assert "20 MB of the bundled Valkey are swapped out" in swapped.text
    assert of("memory", Settings(data_dir=tmp_path, valkey_memory_mb=10**9))
    assert not of("disk", Settings(redis_url="redis://localhost"))


def test_packages_of_extras_are_looked_for() -> None:
    assert is_installed("redis")
    assert not is_installed("no_such_package.part")
