"""A Redis or Valkey server on a port of its own, which a test can kill, pause and restart."""

import contextlib
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gateway.server.valkey.binary import valkey_binary
from loadtest.servers.starting import START_SECONDS, free_port, wait_for

SERVER_BINARIES = {"valkey": str(valkey_binary()), "redis": shutil.which("redis-server")}
"""The servers on which the store is tested. Debian's Redis may be missing. `tests/system.sh` installs it."""


@dataclass
class RedisServer:
    """A Redis or Valkey with a data directory and a port of its own."""

    kind: str
    directory: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None
    options: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """The value of `INBOX_REDIS_URL`."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, *options: str) -> None:
        """Start the server, and wait until it replies. Without options, those of the last start are used."""
        self.options = options or self.options
        binary = SERVER_BINARIES[self.kind]
        assert binary is not None
        own = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory), "--save", "")
        self.process = subprocess.Popen(
            [binary, *own, *self.options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(self._replies_or_ended, "Redis to reply", START_SECONDS)
        assert self.process.poll() is None, f"Redis ended: has another process taken port {self.port} meanwhile?"

    def _replies_or_ended(self) -> bool:
        assert self.process is not None
        return self.process.poll() is not None or self.replies()

    def replies(self) -> bool:
        """Return whether the server replies to PING, even if the reply is that a password is required."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as connection:
            connection.settimeout(1)
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        return False

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Send a signal, and wait for the end. By default the server shuts down in an orderly way."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(10)
            self.process = None


@contextlib.contextmanager
def running_redis(kind: str, directory: Path, *options: str) -> Iterator[RedisServer]:
    """Run a server for a block."""
    server = RedisServer(kind, directory)
    server.start(*options)
    try:
        yield server
    finally:
        server.stop(signal.SIGKILL)
