"""The memory that is available, on a machine and in a container."""

from pathlib import Path

import pytest

from gateway.runtime import memory

MEGABYTE = 1024 * 1024


def groups(tmp_path: Path, own: str, limits: dict[str, str]) -> tuple[Path, Path]:
    """Write a tree of control groups."""
    for path, limit in limits.items():
        (tmp_path / "fs" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / path).write_text(f"{limit}\n")
    (tmp_path / "own").write_text(own)
    return tmp_path / "fs", tmp_path / "own"


@pytest.mark.parametrize(
    ("own", "limits"),
    [
        ("0::/pod/box\n", {"pod/box/memory.max": "max", "pod/memory.max": str(64 * MEGABYTE)}),
        ("0::/\n", {"memory.max": str(64 * MEGABYTE)}),
        ("0::/../elsewhere\n", {"memory.max": str(64 * MEGABYTE)}),
        (
            "5:cpu:/box\n4:memory,hugetlb:/box\n",
            {"memory/box/memory.limit_in_bytes": str(64 * MEGABYTE), "memory/memory.limit_in_bytes": str(2**63)},
        ),
    ],
)
def test_the_lowest_limit_of_the_control_groups_applies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, limits: dict[str, str]
) -> None:
    root, own_file = groups(tmp_path, own, limits)
    monkeypatch.setattr(memory, "CGROUPS", root)
    monkeypatch.setattr(memory, "OWN_CGROUP", own_file)
    assert memory.available_bytes() == 64 * MEGABYTE
    assert memory.valkey_memory_mb(0) == 32
    assert memory.valkey_memory_mb(100) == 100


def test_without_control_groups_the_memory_of_the_machine_applies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "OWN_CGROUP", tmp_path / "none")
    assert memory.available_bytes() > 64 * MEGABYTE
