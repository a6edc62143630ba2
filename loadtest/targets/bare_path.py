"""The floor of the request path: one bare Python process on the Redis of a gateway that is running."""

import json
import sys

from gateway.store.library import LIBRARY
from loadtest.clients import Make
from loadtest.machine import REDIS
from loadtest.targets.base import SERVERS, StartedTarget
from loadtest.targets.gateway import API_SECRET, GatewayTarget


class BarePathTarget(StartedTarget):
    """Serves a few requests of the gateway as `servers/bare_path.py` describes, from the gateway's own Redis.

    Both share the Redis and its data, so they must be measured alternately.
    """

    name = "floor (bare path)"
    transports = ()

    def __init__(self, gateway: GatewayTarget, users: dict[str, str], limit: int):
        """Create the target.

        `users` has the key of each user's record by external id. `limit` is the rate limit of users.
        """
        super().__init__(gateway.cores)
        self._gateway = gateway
        self._configuration = {
            "socket": gateway.redis_socket,
            "library": LIBRARY.name,
            "secret": API_SECRET,
            "limit": limit,
            "log_events": 1000,
            "log_seconds": 7 * 24 * 3600,
            "users": users,
        }

    def command(self) -> list[str]:
        """Return the command of the bare path."""
        return [sys.executable, str(SERVERS / "bare_path.py"), json.dumps(self._configuration), str(self.port)]

    def pids(self) -> dict[int, str]:
        """Return the processes with their roles: its own, and the Redis of the gateway."""
        return super().pids() | {pid: role for pid, role in self._gateway.pids().items() if role == REDIS}

    def make(self, transport: str) -> Make:
        """Raise NotImplementedError, because it has no live connections."""
        raise NotImplementedError

    def request(self, user: str, number: int, size: int = 200) -> bytes:
        """Return the request that sends a notification to one user, the same as to the gateway."""
        return self._gateway.request(user, number, size)
