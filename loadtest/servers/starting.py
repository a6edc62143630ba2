"""Helpers to start a server: a free port, the environment, and waiting until it serves."""

import os
import random
import socket
import time
from collections.abc import Callable
from typing import Any

START_SECONDS = 100.0
"""The time limit of a start, less than that of a test. On a machine with a load of other programs one took 40 s."""


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """Call a condition until it returns a true value, and return that. Raise AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError(f"waited {seconds} s for {what}")


def free_port() -> int:
    """Return a port of 127.0.0.1 on which no process listens at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def free_port_pair() -> int:
    """Return a port such that no process listens on it or the next one at this moment.

    It is below the range from which the kernel takes the ports of clients.
    """
    while True:
        port = random.randrange(20_000, 32_000, 2)
        try:
            for number in (port, port + 1):
                with socket.socket() as sock:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    sock.bind(("127.0.0.1", number))
        except OSError:
            continue
        return port


def environment_without_settings() -> dict[str, str]:
    """Return the environment of this process without the settings of a gateway."""
    return {name: value for name, value in os.environ.items() if not name.startswith("INBOX_")}
