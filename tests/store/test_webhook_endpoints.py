"""Endpoints of outgoing webhooks: saved with encrypted secrets, cached, and removed from the cache by a change."""

from dataclasses import replace

import pytest

from gateway.domain.ids import ProjectId
from gateway.domain.webhook import MAX_ENDPOINTS
from gateway.store import keys
from gateway.store import webhook_endpoints as module
from gateway.store.errors import TooManyError
from gateway.store.webhook_endpoints import Endpoint, SigningSecret, WebhookEndpointStore, new_secret
from tests.store.conftest import InspectedClient, new_user
from tests.store.test_directory import Clock

KEY = "a secret key"


def endpoint(number: int = 1, **changes: object) -> Endpoint:
    made = Endpoint(
        f"00000000-0000-8000-8000-{number:012}",
        "https://hooks.example/hook",
        ("user.created",),
        "Billing",
        "",
        1000,
        1000,
        (SigningSecret(new_secret()),),
    )
    return replace(made, **changes)  # type: ignore[arg-type] # by name


@pytest.fixture
def project() -> ProjectId:
    return new_user().project_id


async def test_an_endpoint_is_read_as_it_was_saved_and_its_secret_is_encrypted(
    client: InspectedClient, project: ProjectId
) -> None:
    store, saved = WebhookEndpointStore(client, KEY), endpoint()
    assert await store.save(project, saved, None)
    found = await store.read(project, saved.id)
    assert found is not None
    assert replace(found, raw=b"") == saved
    assert await store.all(project) == [found]
    assert saved.secrets[0].secret.encode() not in found.raw
    assert saved.secrets[0].secret not in repr(found)
    assert "hooks.example" not in repr(found)
    assert await store.read(project, endpoint(2).id) is None


async def test_secrets_of_another_key_or_project_are_left_out(client: InspectedClient, project: ProjectId) -> None:
    saved = endpoint()
    await WebhookEndpointStore(client, KEY).save(project, saved, None)
    other = await WebhookEndpointStore(client, "another key").read(project, saved.id)
    assert other is not None
    assert other.secrets == ()
    elsewhere = new_user().project_id
    await client.redis.hset(keys.webhook_endpoints(elsewhere), saved.id, other.raw)
    (moved,) = await WebhookEndpointStore(client, KEY).all(elsewhere)
    assert moved.secrets == ()


async def test_a_change_is_refused_if_another_one_came_first(client: InspectedClient, project: ProjectId) -> None:
    store = WebhookEndpointStore(client, KEY)
    assert await store.save(project, endpoint(), None)
    before = await store.read(project, endpoint().id)
    assert before is not None
    assert not await store.save(project, endpoint(), None)
    assert await store.save(project, replace(before, disabled="request"), before)
    assert not await store.save(project, replace(before, url="https://example.org"), before)
    assert await store.delete(project, before.id)
    assert not await store.delete(project, before.id)
    assert await store.all(project) == []


async def test_a_project_has_a_bounded_number_of_endpoints(client: InspectedClient, project: ProjectId) -> None:
    store = WebhookEndpointStore(client, KEY)
    for number in range(MAX_ENDPOINTS):
        assert await store.save(project, endpoint(number), None)
    with pytest.raises(TooManyError):
        await store.save(project, endpoint(MAX_ENDPOINTS), None)
    await store.delete(project, endpoint(0).id)
    assert await store.save(project, endpoint(MAX_ENDPOINTS), None)


async def test_a_broken_record_is_left_out(client: InspectedClient, project: ProjectId) -> None:
    store = WebhookEndpointStore(client, KEY)
    await store.save(project, endpoint(), None)
    await client.redis.hset(keys.webhook_endpoints(project), "broken", "{")
    assert [each.id for each in await store.all(project)] == [endpoint().id]


async def test_endpoints_are_cached_until_a_change_or_for_a_while(client: InspectedClient, project: ProjectId) -> None:
    clock = Clock()
    store, other = WebhookEndpointStore(client, KEY, clock), WebhookEndpointStore(client, KEY)
    assert store.cached(project) is None
    assert not await store.has_enabled(project)
    assert store.cached(project) == ()
    await other.save(project, endpoint(), None)
    assert not await store.has_enabled(project)
    store.forget(project)
    assert await store.has_enabled(project)
    before = await other.read(project, endpoint().id)
    assert before is not None
    await other.save(project, replace(before, disabled="failures"), before)
    assert await store.has_enabled(project)
    store.receives_changes = lambda: False
    assert not await store.has_enabled(project)
    store.receives_changes = lambda: True
    clock.now = 2 * module.CACHE_SECONDS
    assert not await store.has_enabled(project)
    store.forget_all()
    assert store.cached(project) is None


async def test_what_was_read_before_a_change_is_not_cached(client: InspectedClient, project: ProjectId) -> None:
    store = WebhookEndpointStore(client, KEY)
    read = store.all

    async def changed_meanwhile(project_id: ProjectId) -> list[Endpoint]:
        found = await read(project_id)
        store.forget(project_id)
        return found

    store.all = changed_meanwhile  # type: ignore[method-assign] # a change at the worst moment
    await store.of_project(project)
    assert store.cached(project) is None


async def test_the_cache_is_bounded(client: InspectedClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHED_PROJECTS", 1)
    store = WebhookEndpointStore(client, KEY)
    first, second = new_user().project_id, new_user().project_id
    await store.of_project(first)
    await store.of_project(second)
    assert store.cached(first) is None
    assert store.cached(second) == ()


def test_an_endpoint_gets_what_happened_since_it_exists_and_signs_with_secrets_that_last() -> None:
    one = endpoint()
    assert one.gets("user.created", 1000)
    assert not one.gets("user.created", 999)
    assert not one.gets("user.deleted", 1000)
    assert not replace(one, disabled="gone").gets("user.created", 1000)
    rotated = replace(one, secrets=(SigningSecret("new"), SigningSecret("old", 2000)))
    assert rotated.signing(1999) == ["new", "old"]
    assert rotated.signing(2000) == ["new"]
