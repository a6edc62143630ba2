"""The cache of projects: how long entries are valid, and which projects count as lost."""

import pytest

from gateway.domain.ids import ProjectId
from gateway.domain.principal import Project
from gateway.store import project_cache as module
from gateway.store.project_cache import CACHE_SECONDS, ProjectCache


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def project(until: int | None = None) -> Project:
    return Project(ProjectId("1"), "Shop", "key", True, (), valid_credentials={"secret": until})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> ProjectCache:
    return ProjectCache(clock, clock)


def remembered(cache: ProjectCache, api_key: str = "key") -> bool:
    return cache.get(api_key) is not None


def test_what_was_read_is_remembered_for_seconds(cache: ProjectCache, clock: Clock) -> None:
    cache.put("key", project())
    cache.put("nobody", None)
    clock.now += CACHE_SECONDS - 1
    assert remembered(cache)
    assert remembered(cache, "nobody")
    clock.now += 1
    assert not remembered(cache)


def test_a_project_is_remembered_no_longer_than_its_secrets_are_accepted(cache: ProjectCache, clock: Clock) -> None:
    cache.put("key", project(until=int(clock.now) + 2))
    clock.now += 2
    assert not remembered(cache)


def test_a_change_drops_one_project_and_is_counted(cache: ProjectCache) -> None:
    cache.put("key", project())
    cache.put("other", project())
    cache.forget("key")
    assert (remembered(cache), remembered(cache, "other"), cache.changes) == (False, True, 1)
    cache.forget_all()
    assert (remembered(cache, "other"), cache.changes) == (False, 2)


def test_the_cache_is_bounded(cache: ProjectCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHED_PROJECTS", 2)
    for api_key in ("a", "b", "c"):
        cache.put(api_key, None)
    assert [remembered(cache, api_key) for api_key in ("a", "b", "c")] == [False, False, True]


def test_a_project_that_was_seen_in_another_store_is_lost(cache: ProjectCache) -> None:
    cache.note_seen("early")
    cache.begin_store("one")
    cache.note_seen("key")
    assert cache.note_all_seen(["listed"])
    assert not cache.is_lost("key", "one")
    assert cache.is_lost("key", "two")
    assert cache.is_lost("listed", "two")
    assert cache.is_lost("early", "one"), "it was there before the store's name was known"
    assert not cache.is_lost("never seen", "two")


def test_a_deleted_project_is_not_lost(cache: ProjectCache) -> None:
    cache.begin_store("one")
    cache.note_seen("key")
    cache.forget_deleted("key")
    assert not cache.is_lost("key", "two")


def test_known_projects_are_bounded(cache: ProjectCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KNOWN", 1)
    cache.begin_store("one")
    cache.note_seen("a")
    cache.note_seen("b")
    assert (cache.is_lost("a", "two"), cache.is_lost("b", "two")) == (True, False)
    assert not cache.note_all_seen([])
