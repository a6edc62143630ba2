"""Workspaces: created, renamed, found by their tokens."""

from gateway.domain.ids import WorkspaceId
from gateway.store import keys
from gateway.store.workspaces import WorkspaceStore
from tests.store.conftest import InspectedClient
from tests.store.test_projects import prepared, store

__all__ = ["prepared"]


async def test_a_created_workspace_is_found_and_listed(client: InspectedClient) -> None:
    await store(client).prepare()
    created = await WorkspaceStore(client).create("Ours")
    assert await WorkspaceStore(client).open(created.id, "token") == (created, False)
    assert created in await WorkspaceStore(client).all()


async def test_two_workspaces_never_have_the_same_id(client: InspectedClient) -> None:
    first, second = [await WorkspaceStore(client).create("Ours") for _ in range(2)]
    assert int(second.id) == int(first.id) + 1


async def test_a_revoked_token_stays_revoked_until_it_would_have_expired(client: InspectedClient) -> None:
    workspaces = WorkspaceStore(client)
    created = await workspaces.create("Ours")
    await workspaces.revoke_token("some-token", 100)
    assert (await workspaces.open(created.id, "some-token")).revoked
    assert not (await workspaces.open(created.id, "another-token")).revoked
    key = keys.PROJECTS + keys.PROJECT_SUFFIXES["REVOKED_WORKSPACE_TOKEN"] + "some-token"
    assert 0 < await client.redis.ttl(key) <= 100


async def test_the_default_workspace_keeps_the_title_it_was_given(client: InspectedClient) -> None:
    await store(client).prepare()
    renamed = await WorkspaceStore(client).rename(WorkspaceId("default"), "Ours")
    await store(client).prepare()
    assert (await WorkspaceStore(client).open(WorkspaceId("default"), "x")).workspace == renamed


async def test_a_workspace_that_is_not_there_is_not_renamed(client: InspectedClient) -> None:
    assert await WorkspaceStore(client).rename(WorkspaceId("none"), "Ours") is None
    assert (await WorkspaceStore(client).open(WorkspaceId("none"), "x")).workspace is None
