"""Delivery configs: stored up to a bound, cached, and removed from the cache by a change."""

from typing import Any

import pytest

from gateway.domain.delivery_config import DEFAULT
from gateway.domain.ids import ProjectId
from gateway.store import delivery_configs as module
from gateway.store import keys
from gateway.store.delivery_configs import DeliveryConfigStore, SavedChannel, SavedConfig
from gateway.store.errors import TooManyError
from tests.store.conftest import InspectedClient, new_user
from tests.store.test_directory import Clock

QUIET = SavedConfig(disabled=True)
LOUD = SavedConfig([SavedChannel("in_app"), SavedChannel("email", 60, 2, True, "{{ notification.unseen }}")])


@pytest.fixture
def project() -> ProjectId:
    return new_user().project_id


async def test_a_config_is_read_as_it_was_saved(client: InspectedClient, project: ProjectId) -> None:
    store = DeliveryConfigStore(client)
    assert await store.read(project) == {}
    await store.put(project, "a", LOUD)
    await store.put(project, "b", LOUD)
    await store.put(project, "b", QUIET)
    assert await store.read(project) == {"a": LOUD, "b": QUIET}
    assert (await store.of_project(project)).of_category("b").disabled
    assert await store.read(new_user().project_id) == {}


async def test_configs_are_cached_for_a_while_unless_changes_may_be_missed(
    client: InspectedClient, project: ProjectId
) -> None:
    clock = Clock()
    store = DeliveryConfigStore(client, clock)
    assert store.cached(project) is None
    assert (await store.of_project(project)).default == DEFAULT
    await DeliveryConfigStore(client).put(project, "default", QUIET)
    assert (await store.of_project(project)).default == DEFAULT
    store.receives_changes = lambda: False
    assert (await store.of_project(project)).default.disabled
    store.receives_changes = lambda: True
    clock.now = 2 * module.CACHE_SECONDS
    assert store.cached(project) is None
    assert (await store.of_project(project)).default.disabled


async def test_a_change_removes_configs_from_the_cache_also_while_they_are_read(
    client: InspectedClient, project: ProjectId, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DeliveryConfigStore(client)
    await store.of_project(project)
    store.forget(project)
    assert store.cached(project) is None
    await store.of_project(project)
    store.forget_all()
    assert store.cached(project) is None
    read = store.read

    async def changed_meanwhile(project_id: ProjectId) -> dict[str, SavedConfig]:
        found = await read(project_id)
        store.forget(project_id)
        return found

    monkeypatch.setattr(store, "read", changed_meanwhile)
    await store.of_project(project)
    assert store.cached(project) is None


async def test_configs_and_the_cache_are_bounded(
    client: InspectedClient, project: ProjectId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_CONFIGS", 1)
    monkeypatch.setattr(module, "CACHED_PROJECTS", 1)
    store = DeliveryConfigStore(client)
    await store.put(project, "a", LOUD)
    await store.put(project, "a", QUIET)
    with pytest.raises(TooManyError):
        await store.put(project, "b", QUIET)
    assert await store.read(project) == {"a": QUIET}
    other = new_user().project_id
    for each in (project, other):
        await store.of_project(each)
    assert (store.cached(project), store.cached(other) is None) == (None, False)


async def test_what_cannot_be_read_applies_to_nothing_and_hides_no_other_config(
    client: InspectedClient, project: ProjectId
) -> None:
    store = DeliveryConfigStore(client)
    await store.put(project, "a", QUIET)
    broken: dict[Any, Any] = {
        "b": b"[]",
        "c": b'{"channels":[{"channel":"fax"}]}',
        "d": b'{"disabled":true,"channels":[{"channel":"in_app","if":"{{ ? }}"}]}',
    }
    await client.redis.hset(keys.delivery_configs(project), mapping=broken)
    assert sorted(await store.read(project)) == ["a", "c", "d"]
    configs = await store.of_project(project)
    assert configs.of_category("a").disabled
    assert [configs.find(key) for key in "bcd"] == [None] * 3
