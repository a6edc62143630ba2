"""The configuration of the bundled Valkey."""

from pathlib import Path

from gateway.runtime.memory import valkey_memory_mb
from gateway.settings import Settings

ALLOCATOR_TUNABLES = "glibc.malloc.tcache_max=2048:glibc.malloc.tcache_count=256:glibc.malloc.mxfast=0"
"""For GLIBC_TUNABLES. The bundled server uses the allocator of the C library, which by default caches 7 free blocks of
each size up to 1 KB; an event in its log is larger. Measured: a broadcast costs 46 µs of the server's CPU a user
instead of 52, and a request for one user 53 instead of 58. The cache holds some 30 MB at most."""


def valkey_options(settings: Settings, directory: Path, unix_socket: Path, pid_file: Path) -> dict[str, str]:
    """Return the options of a server whose data is in `directory` and which listens on `unix_socket` only."""
    return {
        "port": "0",
        "unixsocket": str(unix_socket),
        "unixsocketperm": "700",
        "pidfile": str(pid_file),
        "dir": str(directory),
        "appendonly": "yes",
        "appendfsync": "always" if settings.durability == "disk" else "everysec",
        # The server would cut off a damaged end without keeping a copy, and without a new data generation.
        "aof-load-truncated": "no",
        # The append-only file holds all data. Snapshots beside it would only cost time and space.
        "save": "",
        # While the file is rewritten, each page that changes is copied first, and the rewrite competes for the cores.
        # So the rewrite starts later than at the default of 64 MB, and does not compress.
        "auto-aof-rewrite-min-size": "256mb",
        "rdbcompression": "no",
        "maxclients": "10000",
        # At the bound, writes are refused. Without a bound, the kernel would kill some process instead.
        "maxmemory": f"{valkey_memory_mb(settings.valkey_memory_mb)}mb",
        "maxmemory-policy": "noeviction",
        # By default the first block of a log has 4 KB, which a user with few events never fills. Measured: with 512
        # bytes the first item of a user takes 1.8 KB in all instead of 5.3 KB.
        "stream-node-max-bytes": "512",
        # A subscriber that falls behind by this much is disconnected, reconnects and reads the logs.
        "client-output-buffer-limit": "pubsub 256mb 64mb 60",
        "logfile": "",  # to standard output
        "always-show-logo": "no",
        "daemonize": "no",
    }


def valkey_arguments(options: dict[str, str]) -> list[str]:
    """Return the command-line arguments for options. The value of a `client-...` option is several arguments."""
    arguments = []
    for name, value in options.items():
        values = value.split(" ") if " " in value and name.startswith("client-") else [value]
        arguments += [f"--{name}", *values]
    return arguments
