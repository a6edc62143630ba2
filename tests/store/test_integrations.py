"""The integrations of a project: one of each kind, with a stable id, and secrets that only their project can read."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from gateway.channels import expo, github, mailgun
from gateway.channels.secret_param import REDACTED
from gateway.domain.ids import ProjectId
from gateway.store import keys
from gateway.store.integrations import IntegrationStore, new_id, project_of
from tests.store.conftest import InspectedClient

NOW = 1_800_000_000
GITHUB, MAILGUN = github.INTEGRATION, mailgun.INTEGRATION
SHOWN = {**GITHUB.example, "webhook_signing_secret": REDACTED}
SECRET = GITHUB.example["webhook_signing_secret"]


def store_of(client: InspectedClient, secret_key: str = "k") -> IntegrationStore:
    """Return a store whose clock advances with every new id."""
    times = iter(range(NOW, NOW + 1000))
    return IntegrationStore(client, secret_key, lambda: next(times))


@pytest.fixture
def project() -> ProjectId:
    return ProjectId(str(uuid4().int >> 82))  # a number of 46 bits


def test_an_id_contains_its_project_and_sorts_by_age() -> None:
    ids = [new_id(ProjectId("12"), NOW + seconds) for seconds in (0, 1, 1 << 20, 1 << 21)]
    assert ids == sorted(ids)
    for each in map(UUID, ids):
        assert (each.version, project_of(each)) == (8, "12")
        assert f"{each.int >> 62 & 0b11:b}" == "10"
    assert new_id(ProjectId("12"), NOW) != ids[0]
    assert project_of(UUID(new_id(ProjectId(str(2**48 - 1)), NOW))) == str(2**48 - 1)


async def test_a_saved_configuration_is_read_and_encrypted_at_rest(client: InspectedClient, project: ProjectId) -> None:
    store = store_of(client)
    assert await store.read(project, GITHUB) is None
    saved = await store.replace(project, GITHUB, GITHUB.example, None)
    assert saved is not None
    assert saved == await store.read(project, GITHUB)
    assert (saved.values, saved.shown) == (GITHUB.example, SHOWN)
    assert SECRET.encode() not in (await client.redis.hget(keys.integrations(project), "github") or b"")
    assert await client.redis.hkeys(keys.integrations(project)) == [b"github"]


async def test_the_id_stays_until_the_configuration_is_deleted(client: InspectedClient, project: ProjectId) -> None:
    store = store_of(client)
    first = await store.replace(project, GITHUB, GITHUB.example, None)
    second = await store.replace(project, GITHUB, {"webhook_signing_secret": "new"}, first)
    assert first is not None
    assert second is not None
    assert first.id == second.id
    assert await store.find(GITHUB, UUID(first.id)) == (project, second)
    assert await store.delete(project, GITHUB, first.id)
    third = await store.replace(project, GITHUB, GITHUB.example, None)
    assert third is not None
    assert third.id != first.id
    assert await store.find(GITHUB, UUID(first.id)) is None
    assert await store.find(MAILGUN, UUID(third.id)) is None


async def test_a_change_does_not_overwrite_a_concurrent_one(client: InspectedClient, project: ProjectId) -> None:
    store = store_of(client)
    first = await store.replace(project, GITHUB, GITHUB.example, None)
    assert await store.replace(project, GITHUB, {"webhook_signing_secret": "b"}, None) is None
    second = await store.replace(project, GITHUB, {"webhook_signing_secret": "b"}, first)
    assert await store.replace(project, GITHUB, {"webhook_signing_secret": "c"}, first) is None
    assert await store.read(project, GITHUB) == second


async def test_only_a_configuration_with_the_given_id_is_deleted(client: InspectedClient, project: ProjectId) -> None:
    store = store_of(client)
    saved = await store.replace(project, GITHUB, GITHUB.example, None)
    assert not await store.delete(project, GITHUB, str(uuid4()))
    assert not await store.delete(project, MAILGUN)
    assert await store.read(project, GITHUB) == saved
    assert await store.delete(project, GITHUB)
    assert not await store.delete(project, GITHUB)


async def test_all_are_listed_newest_first_without_unknown_kinds(client: InspectedClient, project: ProjectId) -> None:
    store = store_of(client)
    for kind in (MAILGUN, GITHUB, expo.INTEGRATION):
        await store.replace(project, kind, kind.example, None)
    await client.redis.hset(keys.integrations(project), "of a later version", b"{}")
    assert [kind.name for kind, _ in await store.all(project)] == ["expo", "github", "mailgun"]
    assert await store.all(ProjectId("none")) == []


async def test_a_secret_cannot_be_read_in_another_project_or_with_another_key(
    client: InspectedClient, project: ProjectId
) -> None:
    await store_of(client).replace(project, GITHUB, GITHUB.example, None)
    raw = await client.redis.hget(keys.integrations(project), "github")
    assert raw is not None
    other = ProjectId(f"1{project}")
    await client.redis.hset(keys.integrations(other), "github", raw)
    copied = await store_of(client).read(other, GITHUB)
    foreign = await store_of(client, "other").read(project, GITHUB)
    for found in (copied, foreign):
        assert found is not None
        assert "webhook_signing_secret" not in found.values
        assert found.shown == SHOWN


async def test_a_configuration_that_changes_while_it_is_deleted_is_deleted(
    client: InspectedClient, project: ProjectId
) -> None:
    class Overtaken(IntegrationStore):
        """A store that reads, the first time, what is changed right after."""

        async def read(self, project_id: ProjectId, kind: object) -> object:  # type: ignore[override]
            found = await IntegrationStore.read(self, project_id, GITHUB)
            if not overtaken:
                overtaken.append(
                    await store_of(client).replace(project_id, GITHUB, {"webhook_signing_secret": "b"}, found)
                )
            return found

    overtaken: list[object] = []
    await store_of(client).replace(project, GITHUB, GITHUB.example, None)
    assert await Overtaken(client, "k").delete(project, GITHUB)
    assert await store_of(client).read(project, GITHUB) is None


async def test_a_configuration_is_cached_until_it_changes_or_its_time_is_over(
    client: InspectedClient, project: ProjectId
) -> None:
    now = [0.0]
    store = IntegrationStore(client, "k", monotonic=lambda: now[0])
    assert await store.cached(project, GITHUB) is None
    saved = await store_of(client).replace(project, GITHUB, GITHUB.example, None)  # on another node
    assert await store.cached(project, GITHUB) is None
    store.receives_changes = lambda: False
    assert await store.cached(project, GITHUB) == saved
    store.receives_changes = lambda: True
    assert await store.delete(project, GITHUB)
    assert await store.cached(project, GITHUB) is None

    def wait() -> None:
        now[0] += 6

    clears: tuple[Callable[[], None], ...] = (lambda: store.forget(project, "github"), store.forget_all, wait)
    for clear in clears:
        await client.redis.hset(keys.integrations(project), "github", saved.raw if saved else b"")
        clear()
        assert await store.cached(project, GITHUB) == saved
        await client.redis.delete(keys.integrations(project))
        store.forget_all()
        assert await store.cached(project, GITHUB) is None
