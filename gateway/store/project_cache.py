"""A worker's cache of projects, and its record of the store in which each project was last seen."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.domain.principal import Project

CACHE_SECONDS = 5.0
"""How long a project is cached. When a change is received, it is removed at once."""

CACHED_PROJECTS = 10_000
"""How many API keys are cached, including unknown ones."""

MAX_KNOWN = 10_000
"""For how many API keys the store in which they were seen is recorded."""


@dataclass(frozen=True, slots=True)
class Cached:
    """The project of an API key, None if there was none. It is valid until `until`, in monotonic seconds."""

    until: float
    project: Project | None


class ProjectCache:
    """A bounded cache of projects by API key, without I/O."""

    def __init__(self, monotonic: Callable[[], float], unix: Callable[[], float]):
        self._monotonic = monotonic
        self._unix = unix
        self._cached: dict[str, Cached] = {}
        self._seen_in: dict[str, str] = {}
        self._store_name = ""
        self.changes = 0
        """How many changes of projects this worker has received. Other caches compare it."""

    def get(self, api_key: str) -> Cached | None:
        """Return the cached entry of an API key, None if there is no valid one."""
        cached = self._cached.get(api_key)
        return cached if cached is not None and cached.until > self._monotonic() else None

    def put(self, api_key: str, project: Project | None) -> None:
        """Cache what was read, at most as long as all credentials of the project are accepted."""
        if len(self._cached) >= CACHED_PROJECTS:
            self._cached.clear()  # wrong keys are cached too, so the bound is needed
        seconds = CACHE_SECONDS
        for until in project.valid_credentials.values() if project else ():
            if until is not None:
                seconds = min(seconds, until - self._unix())
        self._cached[api_key] = Cached(self._monotonic() + seconds, project)

    def note_seen(self, api_key: str) -> None:
        """Record that a project is in the present store."""
        if len(self._seen_in) < MAX_KNOWN:
            self._seen_in[api_key] = self._store_name

    def is_lost(self, api_key: str, store_name: str) -> bool:
        """Return whether a project that is missing in a store was seen in another one, and not deleted there.

        A project that was seen before the store's name was known counts as seen in another store.
        """
        seen_in = self._seen_in.get(api_key)
        return seen_in is not None and seen_in != store_name

    def begin_store(self, store_name: str) -> None:
        """Set the name of the store from which projects are read."""
        self._store_name = store_name

    def note_all_seen(self, api_keys: Iterable[str]) -> bool:
        """Record that projects are in the present store. Return whether there is room for more."""
        self._seen_in |= dict.fromkeys(api_keys, self._store_name)
        return len(self._seen_in) < MAX_KNOWN

    def forget(self, api_key: str) -> None:
        """Remove a changed project from the cache."""
        self.changes += 1
        self._cached.pop(api_key, None)

    def forget_deleted(self, api_key: str) -> None:
        """Remove a deleted project from the cache and from the seen projects, so that it does not count as lost."""
        self.forget(api_key)
        self._seen_in.pop(api_key, None)

    def forget_all(self) -> None:
        """Clear the cache, because any entry may be wrong."""
        self.changes += 1
        self._cached.clear()
