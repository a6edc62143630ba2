"""The origins that any project allows, because a browser's preflight request does not name its project."""

import time
from collections.abc import Callable

from gateway.store import keys
from gateway.store.project_cache import CACHE_SECONDS
from gateway.store.project_records import origins_of
from gateway.store.projects import ProjectStore


class PageOrigins:
    """A cached set of the origins of all projects. Methods raise StoreUnavailableError."""

    def __init__(self, projects: ProjectStore, monotonic: Callable[[], float] = time.monotonic):
        self._projects = projects
        self._monotonic = monotonic
        self._known: frozenset[str] = frozenset()
        self._as_of = -1
        self._until = 0.0

    async def all(self) -> frozenset[str]:
        """Return the origins in the `allowed_origins` of all projects, as of the last change that was received."""
        if self._as_of != self._projects.cache.changes or self._until < self._monotonic():
            changes = self._projects.cache.changes
            records = await self._projects.client.command("HVALS", keys.PROJECTS)
            self._known = frozenset(origin for record in records for origin in origins_of(record))
            self._as_of, self._until = changes, self._monotonic() + CACHE_SECONDS
        return self._known
