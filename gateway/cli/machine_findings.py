"""What `doctor` finds about this machine and the settings that concern it. Nothing is changed."""

import os
import re
import resource
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from gateway.cli.configuration import secret_key_path
from gateway.domain.credential_rules import is_weak
from gateway.domain.finding import Finding, advice, problem, warning
from gateway.domain.service_links import service_links
from gateway.runtime.memory import MEGABYTE, available_bytes, valkey_memory_mb
from gateway.settings import PREFIX, Settings

FEW_FILES = 10_000
"""Fewer open files than this are a warning: each connection needs one."""

LITTLE_DISK_BYTES = 1024 * MEGABYTE
NO_DISK_BYTES = 64 * MEGABYTE

PROC = Path("/proc")


def examine_machine(settings: Settings) -> Iterator[Finding]:
    """Yield the findings about the settings, the limit of open files, the secret key, the disk and the memory."""
    links = service_links(os.environ, PREFIX)
    yield Finding("settings", f"ok; {len(links)} service links of Kubernetes are ignored" if links else "ok")
    yield _open_files()
    if settings.embedded:
        memory_mb = valkey_memory_mb(settings.valkey_memory_mb)
        yield Finding("store", f"bundled Valkey in {settings.data_dir}, with {memory_mb:,} MB for data")
        yield from _disk(settings.data_dir)
        yield from _memory(settings, memory_mb)
    else:
        yield Finding("store", "INBOX_REDIS_URL")
        if not settings.secret_key:
            text = "INBOX_SECRET_KEY is not set, and nodes that share a Redis need the same one"
            yield warning("secret key", text, f"set it to the key in {secret_key_path(settings)}, on every node")
    if settings.secret_key and is_weak(settings.secret_key):
        yield warning("secret key", "easy to guess", "use 32 random characters: `openssl rand -base64 32`")


def file_limit() -> int:
    """Return how many files a process that `serve` starts can have open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(soft, hard if hard != resource.RLIM_INFINITY else sys.maxsize)


def _open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if file_limit() < FEW_FILES:
        text = f"{soft}, with a hard limit of {hard}: each connection needs one"
        return warning("open files", text, "raise `ulimit -Hn` (LimitNOFILE= of systemd, --ulimit of docker)")
    return Finding("open files", f"{soft} ok" if soft >= FEW_FILES else f"{soft}, which `serve` raises")


def _disk(data_dir: Path) -> Iterator[Finding]:
    """Yield the free space of the disk with the data. A rewrite of the append-only file needs its size once more."""
    place = next((each for each in (data_dir.absolute(), *data_dir.absolute().parents) if each.exists()), None)
    if place is None:
        return
    free = shutil.disk_usage(place).free
    written = sum(each.stat().st_size for each in data_dir.glob("valkey/**/*") if each.is_file())
    text = f"{free / MEGABYTE:,.0f} MB free for {data_dir}, which has {written / MEGABYTE:,.0f} MB"
    do = "make room, or move INBOX_DATA_DIR: a full disk makes the store read-only"
    if free < NO_DISK_BYTES:
        yield problem("disk", text, do)
    elif free < LITTLE_DISK_BYTES or free < written:
        yield warning("disk", text, do)
    else:
        yield Finding("disk", text)


def _memory(settings: Settings, memory_mb: int) -> Iterator[Finding]:
    """Yield what the system does with the memory of the bundled Valkey (Linux)."""
    available_mb = available_bytes() // MEGABYTE
    if memory_mb > 0.75 * available_mb:
        text = (
            f"INBOX_VALKEY_MEMORY_MB is {memory_mb:,} of {available_mb:,} MB: a rewrite of its file may need twice that"
        )
        yield warning("memory", text, "leave it unset, which is half of the memory")
    if _first_line(PROC / "sys/vm/overcommit_memory") == "0":
        text = "vm.overcommit_memory is 0: with much data, rewriting the append-only file may fail"
        yield advice("system", text, "`sysctl vm.overcommit_memory=1`, and the same in /etc/sysctl.d")
    pid = _first_line(settings.data_dir / "valkey" / f"{settings.durability}.pid")
    swapped = re.search(r"^VmSwap:\s*(\d+) kB", _text(PROC / pid / "status"), re.MULTILINE) if pid.isdigit() else None
    if swapped is not None and int(swapped[1]) >= 1024:
        text = f"{int(swapped[1]) // 1024:,} MB of the bundled Valkey are swapped out: calls wait for the disk"
        yield warning("system", text, "add memory, or lower INBOX_VALKEY_MEMORY_MB")


def is_installed(package: str) -> bool:
    """Return whether a package can be imported."""
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # the package that contains it
        return False


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _first_line(path: Path) -> str:
    return _text(path).partition("\n")[0].strip()
