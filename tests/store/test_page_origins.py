"""The origins of all projects are read once per change, and a broken record does not hide the others."""

from gateway.store import keys
from gateway.store.page_origins import PageOrigins
from gateway.store.project_cache import CACHE_SECONDS
from gateway.store.project_records import ProjectChange
from tests.store.conftest import InspectedClient
from tests.store.test_projects import Clock, prepared, store

__all__ = ["prepared"]


async def test_the_origins_of_every_project_are_known_after_a_change(client: InspectedClient) -> None:
    projects, clock = store(client), Clock()
    origins = PageOrigins(projects, clock)
    created = await projects.create("Shop", hmac_enabled=True, allowed_origins=["https://one.example"])
    assert "https://one.example" in await origins.all()
    await projects.update(created.api_key, ProjectChange(allowed_origins=["https://two.example"]))
    found = await origins.all()
    assert "https://two.example" in found
    assert "https://one.example" not in found


async def test_a_change_that_was_not_received_is_noticed_within_the_cache_time(client: InspectedClient) -> None:
    clock = Clock()
    origins = PageOrigins(store(client), clock)
    await origins.all()
    await store(client).create("Shop", hmac_enabled=True, allowed_origins=["https://late.example"])
    assert "https://late.example" not in await origins.all()
    clock.now += CACHE_SECONDS + 1
    assert "https://late.example" in await origins.all()


async def test_a_record_that_cannot_be_read_allows_no_origin(client: InspectedClient) -> None:
    await client.redis.hset(keys.PROJECTS, "broken", b"\xff")
    await store(client).create("Shop", hmac_enabled=True, allowed_origins=["https://a.example"])
    try:
        assert "https://a.example" in await PageOrigins(store(client)).all()
    finally:
        await client.redis.hdel(keys.PROJECTS, "broken")
