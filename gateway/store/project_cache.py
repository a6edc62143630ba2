"""What a worker remembers of projects: for seconds what was read, and for long in which store each was seen."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.domain.principal import Project

CACHE_SECONDS = 5.0
"""How long a project is remembered while changes are received; then it is dropped at once."""

CACHED_PROJECTS = 10_000
"""API keys that are remembered, those of no project among them."""

MAX_KNOWN = 10_000
"""API keys of which it is remembered in which store they were."""


@dataclass(frozen=True, slots=True)
class Cached:
    """What was read for an API key, until a monotonic second; None when there was no such project."""

    until: float
    project: Project | None


class ProjectCache:
    """Projects by API key, bounded, without any I/O."""

    def __init__(self, monotonic: Callable[[], float], unix: Callable[[], float]):
        self._monotonic = monotonic
        self._unix = unix
        self._cached: dict[str, Cached] = {}
        self._seen_in: dict[str, str] = {}
        self._store_name = ""
        self.changes = 0
        """How many changes of projects this worker has received, for those that remember what they read."""

    def get(self, api_key: str) -> Cached | None:
        """Return what is remembered for an API key, None when it has to be read."""
        cached = self._cached.get(api_key)
        return cached if cached is not None and cached.until > self._monotonic() else None

    def put(self, api_key: str, project: Project | None) -> None:
        """Remember what was read, no longer than the secrets of the project are accepted."""
        if len(self._cached) >= CACHED_PROJECTS:
            self._cached.clear()  # wrong keys are cached too, so the bound is needed
        seconds = CACHE_SECONDS
        for until in project.valid_credentials.values() if project else ():
            if until is not None:
                seconds = min(seconds, until - self._unix())
        self._cached[api_key] = Cached(self._monotonic() + seconds, project)

    def note_seen(self, api_key: str) -> None:
        """Remember that a project is in the store as it is now."""
        if len(self._seen_in) < MAX_KNOWN:
            self._seen_in[api_key] = self._store_name

    def is_lost(self, api_key: str, store_name: str) -> bool:
        """Return whether a project that is not in a store was in another one, and not deleted there.

        A project that was seen before the store's name was known counts as seen elsewhere: it was not deleted.
        """
        seen_in = self._seen_in.get(api_key)
        return seen_in is not None and seen_in != store_name

    def begin_store(self, store_name: str) -> None:
        """Set the name of the store that projects are read from."""
        self._store_name = store_name

    def note_all_seen(self, api_keys: Iterable[str]) -> bool:
        """Remember that projects are in the store as it is now; return whether there is room for more."""
        self._seen_in |= dict.fromkeys(api_keys, self._store_name)
        return len(self._seen_in) < MAX_KNOWN

    def forget(self, api_key: str) -> None:
        """Drop what was read for an API key: the project has changed."""
        self.changes += 1
        self._cached.pop(api_key, None)

    def forget_deleted(self, api_key: str) -> None:
        """Drop all about an API key whose project was deleted: it is not lost when it is not there."""
        self.forget(api_key)
        self._seen_in.pop(api_key, None)

    def forget_all(self) -> None:
        """Drop all that was read: any of it may be wrong."""
        self.changes += 1
        self._cached.clear()
