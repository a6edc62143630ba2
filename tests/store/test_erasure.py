"""The deletion of a project's data: all of it is removed, and none of another project's."""

import asyncio
from uuid import uuid4

from gateway.channels import expo
from gateway.domain.ids import ProjectId
from gateway.domain.preferences import Status
from gateway.domain.principal import Identity, User
from gateway.jobs.deletion import ProjectDeletion
from gateway.jobs.runner import JobRunner
from gateway.store import keys
from gateway.store.categories import CategoryStore
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.contents import Content, ContentStore, NotificationFields
from gateway.store.deletion import UserDeletion
from gateway.store.deliveries import Delivery
from gateway.store.directory import Directory
from gateway.store.erasure import Eraser
from gateway.store.idempotency import IdempotencyStore
from gateway.store.inbox import InboxStore
from gateway.store.job_queue import JobQueue
from gateway.store.jobs import JobKind, JobStore
from gateway.store.subscriptions import SubscriptionStore
from tests.store.conftest import InspectedClient, at, new_user


async def names_of(client: InspectedClient, project_id: ProjectId) -> set[str]:
    """Return every key that names a project."""
    return {key.decode("latin-1") async for key in client.redis.scan_iter(f"*{project_id}*", count=10_000)}


async def fill(client: InspectedClient, store: InboxStore, project_id: ProjectId) -> list[User]:
    """Create three users of a project, and one record of every kind."""
    directory = Directory(client, lambda: 0.0)
    identities = [Identity(name, f"{name}@example.com") for name in ("ada", "joe", "eve")]
    users = [found.user for found in await directory.resolve_many(project_id, identities)]
    content = Content.encode(str(uuid4()), NotificationFields(title="t", category="c", topic="t"))
    await ContentStore(client).put(project_id, content)
    deliveries = [Delivery(user) for user in users]
    await store.create(content.as_reference(), deliveries, at(1), remember=True)
    await store.delete(users[0], content.id, None, at(2))
    await CategoryStore(client, lambda: 0.0).record(project_id, "c")
    await SubscriptionStore(client).set(users[1], "t", Status.SUBSCRIBED, {"*": ""})
    await ChannelTokenStore(client).register(users[2], expo.TOKEN, {"device_token": f"d-{project_id}"}, 1)
    await IdempotencyStore(client).begin(project_id, "k", "f", b"")
    await JobStore(client).enqueue(JobKind.IMPORT, project_id, str(uuid4()), b"", 1, [b"[]"])
    return users


async def test_everything_of_a_project_is_removed_and_nothing_of_another(
    client: InspectedClient, store: InboxStore
) -> None:
    doomed, other = new_user().project_id, new_user().project_id
    users = await fill(client, store, doomed)
    await fill(client, store, other)
    # Their imports have records, but must not run.
    await client.redis.unlink(keys.JOB_QUEUE, keys.JOB_QUEUE + keys.JOB_SUFFIXES["CLAIMS"])
    before = await names_of(client, other)
    assert len(await names_of(client, doomed)) == len(before) > 15

    await JobStore(client).enqueue_project_deletion(doomed)
    work = {JobKind.DELETE_PROJECT: ProjectDeletion(Eraser(client, UserDeletion(client))).work}
    runner = asyncio.create_task(JobRunner(JobQueue(client), work, retry_ms=1).run())
    tombstones = {keys.user(doomed, user.id) for user in users}
    async with asyncio.timeout(10):
        while await names_of(client, doomed) != tombstones:
            await asyncio.sleep(0.02)
    runner.cancel()
    await asyncio.gather(runner, return_exceptions=True)

    for key in tombstones:
        assert await client.redis.hgetall(key) == {b"deleted": b"1"}
        assert await client.redis.ttl(key) > 0
    assert await names_of(client, other) == before


async def test_deleting_a_project_twice_or_an_unknown_one_is_no_error(
    client: InspectedClient, store: InboxStore
) -> None:
    project_id = new_user().project_id
    for _ in range(2):
        cursor = -1
        while cursor:
            cursor, erased = await Eraser(client, UserDeletion(client)).erase_some(project_id, max(cursor, 0), "spared")
            assert erased == 0
