"""Requests for `/healthz` at short intervals, from a thread, so that the event loop of the clients adds no delay."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from loadtest.clients import request_head
from loadtest.targets.base import Target

PAUSE_SECONDS = 0.02
RESPONSE_SECONDS = 10.0
"""The time limit of a response. A request without a response is recorded with this time."""


class Healthz:
    """The response times of `/healthz`, in seconds."""

    def __init__(self, target: Target):
        self.seconds: list[float] = []
        self.failed = 0
        self._address = (target.host, target.port)
        self._request = request_head("GET", target.host, "/healthz", {"Connection": "close"})
        self._over = threading.Event()

    @property
    def slowest_ms(self) -> float:
        """The longest time until a response, in milliseconds."""
        return 1000 * max(self.seconds, default=0.0)

    @contextmanager
    def watching(self) -> Iterator["Healthz"]:
        """Send requests during a block."""
        thread = threading.Thread(target=self._watch, name="healthz", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join(2 * RESPONSE_SECONDS)

    def _watch(self) -> None:
        while not self._over.wait(PAUSE_SECONDS):
            started = time.perf_counter()
            try:
                self.failed += not self._is_well()
            except OSError:
                self.failed += 1
            self.seconds.append(time.perf_counter() - started)

    def _is_well(self) -> bool:
        with socket.create_connection(self._address, RESPONSE_SECONDS) as connection:
            connection.sendall(self._request)
            return connection.recv(64).startswith(b"HTTP/1.1 200")
