"""The process of the bundled Valkey, and the few commands that the gateway sends it before any client connects."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gateway.server.child_process import die_with_parent
from gateway.server.errors import BundledValkeyError, StartCancelledError
from gateway.server.valkey.binary import valkey_binary
from gateway.server.valkey.options import ALLOCATOR_TUNABLES, valkey_arguments
from gateway.server.valkey.output import ValkeyOutput
from gateway.settings import PREFIX

START_SECONDS = 60.0
"""The time that a server may take until it replies. While it replies that it is loading its data, it has longer."""

STOP_SECONDS = 30.0
"""The time that a server may take to write its data to disk before it is killed."""


class ValkeyProcess:
    """One server process."""

    def __init__(self, options: dict[str, str], output: ValkeyOutput):
        """Start the process. Raises BundledValkeyError if there is no program, OSError if it cannot be started."""
        self._socket = Path(options["unixsocket"])
        self._output = output
        arguments = [str(valkey_binary()), *valkey_arguments(options)]
        descriptor = output.open()
        try:
            self._process = subprocess.Popen(
                arguments,
                env={"GLIBC_TUNABLES": ALLOCATOR_TUNABLES, **_environment()},
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                # A terminal sends Ctrl-C to its whole process group, and the server must outlive the workers.
                start_new_session=True,
                # No other thread of this process holds a lock that this needs.
                preexec_fn=lambda: die_with_parent(signal.SIGTERM),
            )
        finally:
            os.close(descriptor)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code of a server that has ended, None while it runs."""
        return self._process.poll()

    def becomes_ready(self, cancelled: Callable[[], bool]) -> bool:
        """Wait until the server replies, and return True. Return False if the server ended instead.

        Raises StartCancelledError as soon as `cancelled` returns True, and BundledValkeyError when the server hangs.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if cancelled():
                raise StartCancelledError("the gateway is stopping")
            if self._process.poll() is not None:
                self._output.finish()
                return False
            reply = send_command(b"PING", self._socket)
            if reply == b"+PONG\r\n":
                return True
            if reply.startswith(b"-LOADING"):
                deadline = time.monotonic() + START_SECONDS
            time.sleep(0.02)
        self._process.kill()
        self._process.wait()
        last = self._output.last_warnings
        raise BundledValkeyError(f"Valkey did not reply within {START_SECONDS:.0f} s; its last warnings: {last}")

    def stop(self) -> None:
        """Stop the server, which first writes its data to disk."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def send_command(command: bytes, unix_socket: Path) -> bytes:
    """Send an inline command and return the beginning of its reply, b"" if no server replies."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        connection.connect(str(unix_socket))
        connection.sendall(command + b"\r\n")
        return connection.recv(256)
    return b""


def _environment() -> dict[str, str]:
    """Return the environment without the settings of the gateway, some of which are secrets."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
