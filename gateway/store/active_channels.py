"""The routes that projects use, and each worker's cache of them.

A project uses a route if it has saved an integration that the route needs. It uses a route that needs none once a token
of its kind was registered. A project that uses no route pays nothing for deliveries.
"""

import time
from collections.abc import Callable

from gateway.domain.delivery import Route
from gateway.domain.ids import ProjectId
from gateway.store.redis.client import FunctionClient

CACHE_SECONDS = 5.0
"""How long routes are cached. When a change is received, they are removed at once."""


class ActiveRoutes:
    """The routes of all projects, with a short-lived cache in front. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient, monotonic: Callable[[], float] = time.monotonic):
        self._client = client
        self._monotonic = monotonic

    def cached(self, project_id: ProjectId) -> tuple[Route, ...] | None:
        """Return the routes that a project uses, None if they must be read."""
        raise NotImplementedError

    async def of_project(self, project_id: ProjectId) -> tuple[Route, ...]:
        """Return the routes that a project uses, in their order."""
        raise NotImplementedError

    def forget(self, project_id: ProjectId) -> None:
        """Remove the routes of a project from the cache."""
        raise NotImplementedError

    def forget_all(self) -> None:
        """Clear the cache, because any entry may be wrong."""
        raise NotImplementedError
