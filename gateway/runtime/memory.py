"""The memory that this process may use: the machine's, or the limit of its container."""

import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")

MEGABYTE = 1024 * 1024


def available_bytes() -> int:
    """Return the memory of the machine, or the lowest limit of the control groups of this process (Linux), in bytes."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *_limits(CGROUPS, OWN_CGROUP)])


def valkey_memory_mb(configured_mb: int) -> int:
    """Return the MB of data that the bundled Valkey may hold: as configured, or half of the available memory for 0.

    The other half is for the gateway, and for the pages that Valkey copies while it rewrites its append-only file.
    """
    return configured_mb or max(1, available_bytes() // 2 // MEGABYTE)


def _limits(root: Path, own: Path) -> Iterator[int]:
    """Yield the limits of a process's control groups and of their parents (cgroups, versions 1 and 2)."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, name = root, "memory.max"
        elif "memory" in controllers.split(","):
            base, name = root / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = base / path.lstrip("/")
        # In a container the path of the group may not be visible. The mounted root then is the group.
        for directory in (group, *group.parents):
            if directory.is_relative_to(base):
                try:
                    yield int((directory / name).read_text())
                except (OSError, ValueError):  # no such file, or "max" for no limit
                    continue
