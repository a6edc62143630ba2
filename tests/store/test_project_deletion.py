"""A deleted project is refused at once, and recorded until a job removes its data."""

from gateway.domain.ids import WorkspaceId
from gateway.store import keys
from gateway.store.project_deletion import ProjectDeletion
from gateway.store.project_records import ProjectChange
from tests.store.conftest import InspectedClient
from tests.store.test_projects import prepared, store, workspace

__all__ = ["prepared"]


async def test_a_deleted_project_is_recorded_until_a_job_removes_its_data(client: InspectedClient) -> None:
    mine = await workspace(client)
    projects = store(client)
    created = await projects.create("Shop", hmac_enabled=True, workspace_id=mine)
    assert await projects.by_api_key(created.api_key) == created
    assert await ProjectDeletion(projects).delete(created)
    assert not await ProjectDeletion(projects).delete(created)
    assert await projects.by_api_key(created.api_key) is None
    assert await projects.find(mine, created.id) is None
    assert await projects.of_workspace(mine, 0, 10) == (0, [])
    assert (await ProjectDeletion(projects).list_deleted())[created.id] == mine
    await ProjectDeletion(projects).forget(created.id)
    assert created.id not in await ProjectDeletion(projects).list_deleted()


async def test_a_deletion_wins_over_a_change(client: InspectedClient) -> None:
    projects = store(client)
    created = await projects.create("Shop", hmac_enabled=True)
    await ProjectDeletion(projects).delete(created)
    assert await projects.update(created.api_key, ProjectChange(name="Back")) is None
    assert await projects.by_api_key(created.api_key) is None


async def test_a_record_that_cannot_be_read_can_be_discarded(client: InspectedClient) -> None:
    projects, mine = store(client), await workspace(client)
    created = await projects.create("Shop", hmac_enabled=True, workspace_id=mine)
    await client.redis.hset(keys.PROJECTS, created.api_key, "broken")
    assert not await ProjectDeletion(projects).discard_of(WorkspaceId("none"), created.id)
    assert await ProjectDeletion(projects).discard_of(mine, created.id)
    assert not await ProjectDeletion(projects).discard_of(mine, created.id)
    assert await projects.by_api_key(created.api_key) is None
    assert (await ProjectDeletion(projects).list_deleted())[created.id] == mine
