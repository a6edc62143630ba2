"""The division of the machine: the cores of each role, and how many files may be open."""

import os
import resource
from collections.abc import Iterable
from dataclasses import dataclass, replace

SPARE_FILES = 1500
"""The descriptors that are not measured connections: those of servers, of publishers, and of the warm-up."""


@dataclass(frozen=True)
class Cores:
    """The cores of server, Redis and clients.

    With two cores, server and Redis share one, and figures are of one core.
    """

    server: frozenset[int]
    redis: frozenset[int]
    clients: frozenset[int]

    @classmethod
    def divide(cls) -> "Cores":
        """Divide the cores that this process may use."""
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) == 1:
            return cls(frozenset(cores), frozenset(cores), frozenset(cores))
        if len(cores) == 2:
            return cls(frozenset(cores[:1]), frozenset(cores[:1]), frozenset(cores[1:]))
        return cls(frozenset(cores[:1]), frozenset(cores[1:2]), frozenset(cores[2:]))

    def redis_apart(self) -> "Cores":
        """Return a division in which Redis has another core than the server.

        With two cores it is that of the clients.
        """
        return self if not self.server & self.redis else replace(self, redis=self.clients)


def raise_file_limit() -> int:
    """Raise the limit of open files to the hard limit, for this process and its children, and return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def most_connections() -> int:
    """Return the number of connections that the limit of open files allows."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES


def run_with(cores: Iterable[int]) -> None:
    """Restrict this process to some cores."""
    os.sched_setaffinity(0, cores)
