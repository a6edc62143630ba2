"""The audit reports faults of stored projects, and a foreign secret key is refused."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.store import keys
from gateway.store.errors import ForeignSecretKeyError
from gateway.store.project_audit import ProjectAudit, audit_projects, check_secret_key, owns_secret_key
from gateway.store.project_records import ProjectChange
from gateway.store.projects import ProjectStore
from tests.store.conftest import InspectedClient
from tests.store.test_projects import store


@pytest.fixture
async def emptied(client: InspectedClient) -> AsyncIterator[InspectedClient]:
    """A store without anything, which is prepared afterwards for other tests."""

    async def empty() -> None:
        await client.redis.unlink(*[key async for key in client.redis.scan_iter(f"{keys.PROJECTS}*")], "none")

    await empty()
    yield client
    await empty()
    await store(client).prepare()


async def check(projects: ProjectStore) -> None:
    await check_secret_key(projects, await audit_projects(projects))


async def test_an_audit_names_what_is_wrong_with_which_project(emptied: InspectedClient) -> None:
    here = store(emptied)
    await here.create("Shop", hmac_enabled=True, api_key="right")
    await here.create("Intranet", hmac_enabled=False, api_key="open", api_secret="SECRET")
    await store(emptied, secret_key="other").create("Foreign", hmac_enabled=True, api_key="foreign")
    await here.update("open", ProjectChange(allowed_origins=["*"]))
    await emptied.redis.hset(keys.PROJECTS, "garbage", "x")
    found = await audit_projects(here)
    assert sorted(found.default_origins) == ["foreign", "right"]
    found.default_origins.clear()
    assert found == ProjectAudit(4, ["open"], ["foreign"], ["garbage"], ["open"], ["open"])


async def test_nodes_that_check_a_new_store_at_the_same_time_set_its_secret_key_once(emptied: InspectedClient) -> None:
    await asyncio.gather(check(store(emptied)), check(store(emptied)), check(store(emptied)))
    checks = (check(store(emptied)), check(store(emptied, secret_key="other")), check(store(emptied)))
    found = await asyncio.gather(*checks, return_exceptions=True)
    assert [type(each) for each in found] == [type(None), ForeignSecretKeyError, type(None)]


async def test_a_foreign_secret_key_is_refused_when_it_can_read_no_project(emptied: InspectedClient) -> None:
    await store(emptied).create("Shop", hmac_enabled=True)
    await check(store(emptied))
    with pytest.raises(ForeignSecretKeyError):
        await check(store(emptied, secret_key="other"))


async def test_the_second_secret_key_of_a_store_without_projects_is_refused(emptied: InspectedClient) -> None:
    await check(store(emptied))
    await check(store(emptied))
    with pytest.raises(ForeignSecretKeyError):
        await check(store(emptied, secret_key="other"))


async def test_a_node_starts_while_it_can_read_some_projects(emptied: InspectedClient) -> None:
    await store(emptied).create("Shop", hmac_enabled=True)
    await store(emptied, secret_key="other").create("Foreign", hmac_enabled=True)
    await check(store(emptied))
    await check(store(emptied, secret_key="other"))


async def test_a_store_whose_secrets_were_all_renewed_belongs_to_the_new_secret_key(emptied: InspectedClient) -> None:
    created = await store(emptied).create("Shop", hmac_enabled=True)
    await check(store(emptied))
    renewed = store(emptied, secret_key="other")
    await renewed.rotate_secret(created.api_key, overlap_seconds=0)
    await check(renewed)
    with pytest.raises(ForeignSecretKeyError):
        await check(store(emptied))


async def test_a_secret_key_owns_a_store_that_it_can_read_or_that_is_nobodys(emptied: InspectedClient) -> None:
    here, other = store(emptied), store(emptied, secret_key="other")
    assert await owns_secret_key(here, await audit_projects(here))
    await check(here)
    assert not await owns_secret_key(other, await audit_projects(other))
    await here.create("Shop", hmac_enabled=True)
    assert await owns_secret_key(here, await audit_projects(here))
    assert not await owns_secret_key(other, await audit_projects(other))
