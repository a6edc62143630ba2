"""What a project stores: exact for few users, and estimated with a margin for many."""

import time

import pytest

from gateway.domain.principal import Identity
from gateway.store import keys, storage
from gateway.store.contents import Content, NotificationFields
from gateway.store.deletion import UserDeletion
from gateway.store.directory import Directory
from gateway.store.event_log import Moment
from gateway.store.inbox import InboxStore
from gateway.store.redis.problems import StoreDataError
from gateway.store.storage import Estimate, StorageEstimator
from tests.store.conftest import InspectedClient, new_user


async def test_few_users_are_measured_exactly_and_deleted_ones_no_longer_count(
    client: InspectedClient, store: InboxStore
) -> None:
    project = new_user().project_id
    directory = Directory(client, time.monotonic)
    estimator = StorageEstimator(client, directory)
    empty = await estimator._measure(project)
    assert (empty.users, empty.items, empty.inbox_bytes, empty.content_bytes) == (0, *[Estimate(0)] * 3)
    users = [each.user for each in await directory.resolve_many(project, [Identity(f"u{n}", None) for n in range(5)])]
    for number, user in enumerate(users):
        for item in range(number):
            content = Content.encode(
                f"01900000-0000-7000-8000-0000000000{item:02}", NotificationFields(title="x" * 500)
            )
            await store.create_each(content, [user], Moment(1_000_000, "e"), False)
    found = await estimator._measure(project)
    assert (found.users, found.sampled, found.items) == (5, 5, Estimate(10))
    assert found.inbox_bytes.margin == 0
    assert found.inbox_bytes.value > 10 * 500
    assert found.total.value == found.inbox_bytes.value + found.directory_bytes
    await UserDeletion(client).delete(users[4])
    await directory.forget(users[4])
    less = await estimator._measure(project)
    assert (less.users, less.items) == (4, Estimate(6))
    assert less.inbox_bytes.value < found.inbox_bytes.value


async def test_a_measurement_is_kept_for_some_minutes(client: InspectedClient) -> None:
    project = new_user().project_id
    directory = Directory(client, time.monotonic)
    estimator = StorageEstimator(client, directory)
    assert (await estimator.of_project(project)).users == 0  # not kept: the first users would not be noticed
    await directory.resolve(project, Identity("ada", None))
    first = await estimator.of_project(project)
    assert first.users == 1
    await directory.resolve(project, Identity("eve", None))
    assert await estimator.of_project(project) == first
    assert 0 < await client.redis.ttl(keys.storage(project)) <= storage.CACHE_SECONDS
    await client.redis.set(keys.storage(project), b"{")
    with pytest.raises(StoreDataError):
        await estimator.of_project(project)


async def test_of_many_users_a_sample_is_measured(
    client: InspectedClient, store: InboxStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "SAMPLED_USERS", 20)
    project = new_user().project_id
    directory = Directory(client, time.monotonic)
    names = [Identity(f"u{n}", None) for n in range(60)]
    users = [each.user for each in await directory.resolve_many(project, names)]
    for item in range(3):
        content = Content.encode(f"01900000-0000-7000-8000-0000000000{item:02}", NotificationFields(title="x"))
        await store.create_each(content, users[: 30 * item + 30][:60], Moment(1_000_000, "e"), False)
    for user in users[:10]:
        await UserDeletion(client).delete(user)
        await directory.forget(user)
    found = await StorageEstimator(client, directory)._measure(project)
    assert found.users == 50
    assert 1 <= found.sampled <= 20
    assert abs(found.items.value - (2 * 50 + 20)) <= 3 * found.items.margin + 1
    assert found.items.margin > 0


async def test_shared_contents_and_events_are_estimated(client: InspectedClient) -> None:
    project = new_user().project_id
    for number in range(60):
        content_id = bytes([number]) * 16
        await client.redis.sadd(keys.contents(project), content_id)
        await client.redis.set(keys.content(project, storage._text(content_id)), b"x" * 1000)
    await client.redis.xadd(
        f"{keys.project_events(project)}{keys.EVENT_SUFFIXES['EVENT_STREAM']}102", {"u": "", "c": ""}
    )
    found = await StorageEstimator(client, Directory(client, time.monotonic))._measure(project)
    assert 60_000 < found.content_bytes.value < 100_000
    assert found.event_bytes.value > 10
    assert found.event_bytes.margin > 0


def test_a_sample_of_one_says_little() -> None:
    assert storage._estimate([5], 10) == Estimate(50, 93)
    assert storage._estimate([], 10) == storage._estimate([5], 0) == Estimate(0)
