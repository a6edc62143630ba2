"""Projects and their secrets."""

import asyncio

from gateway.domain.signing import PublicKey
from gateway.store import keys
from gateway.store.projects import CACHE_SECONDS, ProjectStore
from tests.store.conftest import InspectedClient


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def store(client: InspectedClient, clock: Clock | None = None, secret_key: str = "k") -> ProjectStore:
    clock = clock or Clock()
    return ProjectStore(client, secret_key, monotonic=clock, unix=clock)


async def test_a_created_project_is_found_by_its_key(client: InspectedClient) -> None:
    created = await store(client).create("Shop", hmac_enabled=True)
    assert await store(client).by_api_key(created.api_key) == created


async def test_an_unknown_key_finds_nothing(client: InspectedClient) -> None:
    assert await store(client).by_api_key("nobody's") is None


async def test_a_secret_is_encrypted_at_rest(client: InspectedClient) -> None:
    created = await store(client).create("Shop", hmac_enabled=True)
    stored = await client.redis.hget(keys.PROJECTS, created.api_key)
    assert stored is not None
    assert created.secrets[0].encode() not in stored


async def test_another_secret_key_cannot_read_it(client: InspectedClient) -> None:
    created = await store(client).create("Shop", hmac_enabled=True)
    found = await store(client, secret_key="other").by_api_key(created.api_key)
    assert found is not None
    assert found.secrets == ()


async def test_a_rotated_secret_counts_until_the_overlap_ends(client: InspectedClient) -> None:
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


async def test_keeping_a_project_twice_keeps_its_id(client: InspectedClient) -> None:
    first = await store(client).keep("Boot", "kept-key", "secret-1", hmac_enabled=False)
    assert await store(client).keep("Boot", "kept-key", "secret-1", hmac_enabled=False) == first
    changed = await store(client).keep("Boot", "kept-key", "secret-2", hmac_enabled=True)
    assert (changed.id, changed.secrets, changed.hmac_enabled) == (first.id, ("secret-2",), True)


async def test_another_nodes_change_is_noticed_within_the_cache_time(client: InspectedClient) -> None:
    clock = Clock()
    here = store(client, clock)
    created = await here.create("Shop", hmac_enabled=True)
    await here.by_api_key(created.api_key)
    rotated = await store(client).rotate_secret(created.api_key, overlap_seconds=0)
    clock.now += CACHE_SECONDS + 1
    assert await here.by_api_key(created.api_key) == rotated


async def test_while_changes_are_not_heard_of_the_store_is_asked(client: InspectedClient) -> None:
    here = store(client)
    created = await here.create("Shop", hmac_enabled=True)
    await here.by_api_key(created.api_key)
    rotated = await store(client).rotate_secret(created.api_key, overlap_seconds=0)
    assert await here.by_api_key(created.api_key) == created
    here.hears_changes = lambda: False
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
    await asyncio.sleep(0)  # the question is on its way
    here.forget_cached(created.api_key)  # and a change is heard of
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
