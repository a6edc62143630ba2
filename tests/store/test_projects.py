"""The store of projects: reading, changing and deleting."""

import asyncio

import pytest

from gateway.domain.ids import WorkspaceId
from gateway.domain.signing import PublicKey
from gateway.store import projects as projects_module
from gateway.store.errors import ForeignSecretKeyError, KeyTakenError, TooManyProjectsError, UnknownWorkspaceError
from gateway.store.project_cache import CACHE_SECONDS
from gateway.store.project_records import ProjectChange
from gateway.store.projects import ProjectStore
from gateway.store.workspaces import WorkspaceStore
from tests.store.conftest import InspectedClient


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
async def prepared(client: InspectedClient) -> None:
    """Prepare the store as the start of a gateway does."""
    await store(client).prepare()


def store(client: InspectedClient, clock: Clock | None = None, secret_key: str = "k") -> ProjectStore:
    clock = clock or Clock()
    return ProjectStore(client, secret_key, monotonic=clock, unix=clock)


async def test_a_created_project_is_found_by_its_key(client: InspectedClient) -> None:
    created = await store(client).create("Shop", hmac_enabled=True)
    assert await store(client).by_api_key(created.api_key) == created


async def test_an_unknown_key_finds_nothing(client: InspectedClient) -> None:
    assert await store(client).by_api_key("nobody's") is None


async def test_a_rotated_secret_is_accepted_until_the_overlap_ends(client: InspectedClient) -> None:
    clock = Clock()
    projects = store(client, clock)
    created = await projects.create("Shop", hmac_enabled=True)
    rotated = await projects.rotate_secret(created.api_key, overlap_seconds=60)
    assert rotated is not None
    assert rotated.secrets[1:] == created.secrets
    clock.now += 61
    found = await projects.by_api_key(created.api_key)
    assert found is not None
    assert found.secrets == rotated.secrets[:1]


async def test_a_rotation_without_overlap_ends_the_old_secret_at_once(client: InspectedClient) -> None:
    projects = store(client)
    created = await projects.create("Shop", hmac_enabled=True)
    rotated = await projects.rotate_secret(created.api_key, overlap_seconds=0)
    assert rotated is not None
    assert len(rotated.secrets) == 1
    assert rotated.secrets != created.secrets


async def test_keeping_a_project_changes_nothing_of_one_that_is_there(client: InspectedClient) -> None:
    first = await store(client).ensure("Boot", "kept-key", "secret-1", hmac_enabled=False)
    assert await store(client).ensure("Boot", "kept-key", "secret-1", hmac_enabled=False) == first
    assert await store(client).ensure("Other", "kept-key", "secret-2", hmac_enabled=True) == first
    rotated = await store(client).rotate_secret("kept-key", overlap_seconds=0)
    await store(client).update("kept-key", ProjectChange(hmac_enabled=True))
    kept = await store(client).ensure("Boot", "kept-key", "secret-1", hmac_enabled=False)
    assert rotated is not None
    assert (kept.id, kept.secrets, kept.hmac_enabled) == (first.id, rotated.secrets, True)


async def test_a_project_that_another_secret_key_encrypted_is_not_kept(client: InspectedClient) -> None:
    created = await store(client).create("Shop", hmac_enabled=True)
    with pytest.raises(ForeignSecretKeyError, match="INBOX_SECRET_KEY"):
        await store(client, secret_key="other").ensure("Shop", created.api_key, "secret-1", hmac_enabled=True)


async def test_another_nodes_change_is_noticed_within_the_cache_time(client: InspectedClient) -> None:
    clock = Clock()
    here = store(client, clock)
    created = await here.create("Shop", hmac_enabled=True)
    await here.by_api_key(created.api_key)
    rotated = await store(client).rotate_secret(created.api_key, overlap_seconds=0)
    clock.now += CACHE_SECONDS + 1
    assert await here.by_api_key(created.api_key) == rotated


async def test_while_changes_are_not_received_the_store_is_read(client: InspectedClient) -> None:
    here = store(client)
    created = await here.create("Shop", hmac_enabled=True)
    await here.by_api_key(created.api_key)
    rotated = await store(client).rotate_secret(created.api_key, overlap_seconds=0)
    assert await here.by_api_key(created.api_key) == created
    here.receives_changes = lambda: False
    assert await here.by_api_key(created.api_key) == rotated


async def test_the_cache_holds_a_secret_no_longer_than_its_overlap(client: InspectedClient) -> None:
    clock = Clock()
    projects = store(client, clock)
    created = await projects.create("Shop", hmac_enabled=True)
    rotated = await projects.rotate_secret(created.api_key, overlap_seconds=1)
    assert await projects.by_api_key(created.api_key) == rotated
    clock.now += 1.5
    found = await projects.by_api_key(created.api_key)
    assert found is not None
    assert found.secrets != created.secrets
    assert len(found.secrets) == 1


async def test_what_was_read_before_a_change_is_not_remembered_after_it(client: InspectedClient) -> None:
    here = store(client)
    created = await here.create("Shop", hmac_enabled=True)
    reading = asyncio.create_task(here.by_api_key(created.api_key))
    await asyncio.sleep(0)  # the command is sent
    here.cache.forget(created.api_key)  # and a change is received
    await reading
    rotated = await store(client).rotate_secret(created.api_key, overlap_seconds=0)
    assert await here.by_api_key(created.api_key) == rotated


async def test_changes_at_the_same_time_do_not_undo_each_other(client: InspectedClient) -> None:
    created = await store(client).create("Shop", hmac_enabled=True)
    key = PublicKey("a", {"kty": "EC", "crv": "P-256", "x": "x", "y": "y"})
    for _ in range(10):
        _, rotated = await asyncio.gather(
            store(client).set_keys(created.api_key, [key]),
            store(client).rotate_secret(created.api_key, overlap_seconds=0),
        )
        found = await store(client).by_api_key(created.api_key)
        assert found is not None
        assert rotated is not None
        assert (found.public_keys, found.secrets) == ((key,), rotated.secrets)
        await store(client).set_keys(created.api_key, [])


async def test_a_project_that_is_not_there_cannot_be_changed(client: InspectedClient) -> None:
    assert await store(client).set_keys("nobody's", []) is None


async def test_a_key_that_a_project_has_is_not_given_to_another(client: InspectedClient) -> None:
    created = await store(client).create("Shop", hmac_enabled=True)
    with pytest.raises(KeyTakenError):
        await store(client).create("Thief", hmac_enabled=True, api_key=created.api_key)
    assert await store(client).by_api_key(created.api_key) == created


async def test_nodes_that_keep_a_project_at_once_keep_one(client: InspectedClient) -> None:
    keeping = [store(client).ensure("Boot", "kept-at-once", "secret-1", hmac_enabled=False) for _ in range(8)]
    assert len({project.id for project in await asyncio.gather(*keeping)}) == 1


async def test_changes_at_once_all_count(client: InspectedClient) -> None:
    created = await store(client).create("Shop", hmac_enabled=True)
    await asyncio.gather(
        store(client).update(created.api_key, ProjectChange(name="Store")),
        store(client).update(created.api_key, ProjectChange(hmac_enabled=False)),
        store(client).update(created.api_key, ProjectChange(allowed_origins=["https://a.example"])),
        store(client).rotate_secret(created.api_key, overlap_seconds=60),
    )
    found = await store(client).by_api_key(created.api_key)
    assert found is not None
    assert (found.name, found.hmac_enabled, found.allowed_origins) == ("Store", False, ("https://a.example",))
    assert found.secrets[1:] == created.secrets


async def test_an_unknown_project_is_not_changed(client: InspectedClient) -> None:
    assert await store(client).update("nobody's", ProjectChange(name="x")) is None


# ---- workspaces


async def workspace(client: InspectedClient) -> WorkspaceId:
    return (await WorkspaceStore(client).create("Team")).id


async def test_a_project_is_found_by_its_id_in_its_workspace_only(client: InspectedClient) -> None:
    mine, other = await workspace(client), await workspace(client)
    created = await store(client).create("Shop", hmac_enabled=True, workspace_id=mine)
    assert await store(client).find(mine, created.id) == created
    assert await store(client).find(other, created.id) is None
    assert await store(client).find(mine, "42") is None


async def test_a_workspaces_projects_are_listed_in_the_order_of_their_creation(client: InspectedClient) -> None:
    clock, mine = Clock(), await workspace(client)
    projects = store(client, clock)
    created = []
    for number in range(5):
        clock.now += 1
        created.append(await projects.create(str(number), hmac_enabled=True, workspace_id=mine))
    await projects.update(created[0].api_key, ProjectChange(hmac_enabled=True))
    assert await projects.of_workspace(mine, 0, 3) == (5, created[:3])
    assert await projects.of_workspace(mine, 3, 3) == (5, created[3:])
    assert await projects.of_workspace(mine, 6, 3) == (5, [])


async def test_a_project_needs_a_workspace_that_is_there(client: InspectedClient) -> None:
    with pytest.raises(UnknownWorkspaceError):
        await store(client).create("Shop", hmac_enabled=True, api_key="of-none", workspace_id=WorkspaceId("none"))
    assert await store(client).by_api_key("of-none") is None


async def test_the_projects_of_a_workspace_are_bounded(
    client: InspectedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projects_module, "MAX_PROJECTS", 2)
    workspace = (await WorkspaceStore(client).create("Small")).id
    for name in ("a", "b"):
        created = await store(client).create(name, hmac_enabled=True, workspace_id=workspace)
    with pytest.raises(TooManyProjectsError, match="more than 2 projects"):
        await store(client).create("c", hmac_enabled=True, workspace_id=workspace)
    assert (await store(client).of_workspace(workspace, 0, 10))[0] == 2
    assert await store(client).update(created.api_key, ProjectChange(name="B")) is not None
