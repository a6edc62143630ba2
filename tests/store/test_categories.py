"""The categories that a project sends are recorded, up to a bound."""

import pytest

from gateway.domain.ids import ProjectId
from gateway.domain.preferences import Channel
from gateway.store import categories as module
from gateway.store import keys
from gateway.store.categories import CategoryStore
from tests.store.conftest import InspectedClient, new_user
from tests.store.test_directory import Clock

OFF = {Channel.IN_APP: False}


@pytest.fixture
def project() -> ProjectId:
    return new_user().project_id


async def test_a_category_is_recorded_for_its_project(client: InspectedClient, project: ProjectId) -> None:
    categories = CategoryStore(client, Clock())
    await categories.record(project, "a")
    await categories.record(project, "a")
    assert await categories.all(project) == ["a"]
    assert await categories.all(new_user().project_id) == []


async def test_a_recorded_category_costs_no_call_for_a_while_and_is_recorded_again_then(
    client: InspectedClient, project: ProjectId
) -> None:
    clock = Clock()
    categories = CategoryStore(client, clock)
    await categories.record(project, "a")
    await client.redis.delete(keys.categories(project))
    await categories.record(project, "a")
    assert await categories.all(project) == []
    clock.now = module.RECORDED_SECONDS
    await categories.record(project, "a")
    assert await categories.all(project) == ["a"]


async def test_the_categories_of_a_project_are_bounded(
    client: InspectedClient, project: ProjectId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_CATEGORIES", 2)
    for name in ("a", "b", "c", "a"):
        await CategoryStore(client, Clock()).record(project, name)
    assert sorted(await CategoryStore(client, Clock()).all(project)) == ["a", "b"]


async def test_the_memory_of_recorded_categories_is_bounded(
    client: InspectedClient, project: ProjectId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECORDED_CATEGORIES", 2)
    categories = CategoryStore(client, Clock())
    for name in ("a", "b", "c"):
        await categories.record(project, name)
    assert len(categories._recorded) == 1
    assert sorted(await categories.all(project)) == ["a", "b", "c"]
