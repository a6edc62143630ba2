"""How much memory this process may have: the machine's, or less where a container is given less."""

import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")

MEGABYTE = 1024 * 1024


def available_bytes() -> int:
    """Return the memory of the machine, or of the smallest control group that this process is in (Linux)."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *_limits(CGROUPS, OWN_CGROUP)])


def valkey_memory_mb(asked_mb: int) -> int:
    """Return how many MB of data the bundled Valkey may hold: what is asked for, or half of what there is.

    The other half is for the gateway, and for the pages that Valkey copies while it rewrites its file.
    """
    return asked_mb or max(1, available_bytes() // 2 // MEGABYTE)


def _limits(root: Path, own: Path) -> Iterator[int]:
    """Return the limits of the groups that a process is in and of those above; version 2 and version 1 of cgroups."""
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
        # In a container the group's own path may not be visible: then the mounted root is the group.
        for directory in (group, *group.parents):
            if directory.is_relative_to(base):
                try:
                    yield int((directory / name).read_text())
                except (OSError, ValueError):  # no such file, or `max`
                    continue
