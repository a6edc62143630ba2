"""The gateway as a user starts it, and the credentials of its bootstrap project."""

import base64
import contextlib
import hashlib
import hmac
import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from loadtest.servers.starting import START_SECONDS, environment_without_settings, free_port, wait_for

API_KEY = "test-api-key"
API_SECRET = "test-api-secret-of-a-decent-length"
ADMIN = {"X-MAGICBELL-API-KEY": API_KEY, "X-MAGICBELL-API-SECRET": API_SECRET}
"""The headers of a backend of the bootstrap project."""

GATEWAY = (sys.executable, "-m", "gateway")
"""The command without `serve`."""

STOP_SECONDS = 30.0
END_SECONDS = 10.0


def user_hmac(name: str, secret: str = API_SECRET) -> str:
    """Compute a user HMAC independently of the code under test."""
    return base64.b64encode(hmac.digest(secret.encode(), name.encode(), hashlib.sha256)).decode()


def user_headers(external_id: str, client_id: str | None = None) -> dict[str, str]:
    """Return the headers of a user of the bootstrap project."""
    headers = {
        "X-MAGICBELL-API-KEY": API_KEY,
        "X-MAGICBELL-USER-EXTERNAL-ID": external_id,
        "X-MAGICBELL-USER-HMAC": user_hmac(external_id),
    }
    return headers | ({"X-MAGICBELL-CLIENT-ID": client_id} if client_id else {})


@dataclass
class Gateway:
    """The gateway as `inbox-gateway serve` starts it, with the bundled Valkey unless a Redis is given."""

    data_dir: Path
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None
    command: tuple[str, ...] = GATEWAY
    log_descriptor: int | None = None
    """The descriptor for standard error. If it is None, standard error goes into `log_file`, with standard output."""
    knows_delivery: bool = True
    """Whether the command has delivery workers. An older build refuses the setting that switches them off."""

    @property
    def url(self) -> str:
        """The address of the REST API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def websocket_url(self) -> str:
        """The address of the WebSocket endpoint."""
        return f"ws://127.0.0.1:{self.port}/realtime/ws"

    @property
    def log_file(self) -> Path:
        """The file beside the data directory for standard output."""
        return self.data_dir.parent / f"{self.data_dir.name}.log"

    @property
    def log(self) -> str:
        """The output so far."""
        return self.log_file.read_text() if self.log_file.exists() else ""

    def start(self) -> None:
        """Start the gateway, and wait until it is ready. Raise AssertionError if it ends or takes too long."""
        environment = {
            **environment_without_settings(),
            "INBOX_PORT": str(self.port),
            "INBOX_DATA_DIR": str(self.data_dir),
            "INBOX_BOOTSTRAP_API_KEY": API_KEY,
            "INBOX_BOOTSTRAP_API_SECRET": API_SECRET,
            "INBOX_BOOTSTRAP_HMAC_ENABLED": "true",
            "INBOX_DRAIN_SECONDS": "1",
            **({"INBOX_DELIVERY_WORKERS": "0"} if self.knows_delivery else {}),
            "INBOX_RATE_LIMIT_READS": "0",
            "INBOX_RATE_LIMIT_WRITES": "0",
            **self.environment,
        }
        with self.log_file.open("ab") as log:
            errors = log if self.log_descriptor is None else self.log_descriptor
            self.process = subprocess.Popen([*self.command, "serve"], env=environment, stdout=log, stderr=errors)
        wait_for(self.ready, f"the gateway to be ready; its output:\n{self.log}", START_SECONDS)

    def ready(self) -> bool:
        """Return whether /readyz responds with 200. Raise AssertionError if the process has ended."""
        assert self.process is not None
        assert self.process.poll() is None, f"the gateway ended:\n{self.log}"
        # Not httpx, which loads the certificate authorities for each request. That takes 7 ms of CPU from the start.
        return self._status("/readyz", {}) == 200

    def uses_store(self) -> bool:
        """Return whether a request that reads the store succeeds."""
        return self._status("/v2/integrations", ADMIN) == 200

    def _status(self, path: str, headers: dict[str, str]) -> int:
        """Return the status of a response to GET, 0 without a response."""
        address = urlsplit(self.url)
        assert address.hostname is not None
        with contextlib.closing(http.client.HTTPConnection(address.hostname, self.port, timeout=5)) as connection:
            try:
                connection.request("GET", path, headers=headers)
                return connection.getresponse().status
            except (OSError, http.client.HTTPException):
                return 0

    def restart_valkey(self, number: int = signal.SIGKILL) -> None:
        """End the bundled Valkey, and wait until the gateway uses its successor.

        `/readyz` alone may still respond with 200 before the worker has noticed the end.
        """
        (valkey,) = self.children("valkey")
        os.kill(valkey, number)
        wait_for(lambda: self.children("valkey") not in ([], [valkey]), "another Valkey", START_SECONDS)
        wait_for(lambda: self.uses_store() and self.ready(), "the gateway to use it", START_SECONDS)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and return the exit code.

        After 30 s, kill the process and raise `subprocess.TimeoutExpired`.
        """
        assert self.process is not None
        self.process.send_signal(number)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(END_SECONDS)
            raise
        finally:
            self.process = None

    def end(self) -> None:
        """Stop the process in an orderly way if it runs, and kill it if it has not ended after ten seconds.

        Only a process that ends in an orderly way saves the coverage that was measured of it.
        """
        if self.process is not None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(END_SECONDS)
            self.stop(signal.SIGKILL)

    def children(self, name: str) -> list[int]:
        """Return the pids of the child processes whose command line contains a name (Linux)."""
        assert self.process is not None
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found = []
        for pid in map(int, path.read_text().split()):
            with contextlib.suppress(OSError):  # the process may end meanwhile
                if name in Path(f"/proc/{pid}/cmdline").read_text():
                    found.append(pid)
        return found


@contextlib.contextmanager
def running_gateway(data_dir: Path, **environment: str) -> Iterator[Gateway]:
    """Run a gateway for a block."""
    gateway = Gateway(data_dir, environment)
    try:
        gateway.start()
        yield gateway
    finally:
        gateway.end()
