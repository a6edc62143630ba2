"""Messages of webhook endpoints: added once, taken for a lease, recorded, listed by page, and bounded."""

from uuid import UUID

import pytest

from gateway.domain.ids import ProjectId
from gateway.domain.notification import Command, read_item_id
from gateway.domain.principal import User
from gateway.domain.project_event import EventPlace
from gateway.domain.webhook import HEALTHY, Attempt, EndpointHealth, MessageState, message_id
from gateway.store import keys
from gateway.store import webhook_messages as module
from gateway.store.contents import Content, ContentStore, NotificationFields
from gateway.store.deletion import UserDeletion
from gateway.store.deliveries import Delivery
from gateway.store.erasure import Eraser
from gateway.store.event_log import LogRetention
from gateway.store.inbox import InboxStore
from gateway.store.webhook_messages import NewMessage, TakenMessage, WebhookMessageStore
from tests.store.conftest import InspectedClient, at, new_user

ENDPOINT = "00000000-0000-8000-8000-000000000001"
NOW = 1_800_000_000_000


def message(ms: int = NOW, name: str = "a", body: bytes = b"{}") -> NewMessage:
    return NewMessage(message_id(ms, name), "user.created", body)


@pytest.fixture
def project() -> ProjectId:
    return new_user().project_id


@pytest.fixture
def store(client: InspectedClient) -> WebhookMessageStore:
    return WebhookMessageStore(client)


async def take(store: WebhookMessageStore, project: ProjectId, now: int = NOW, limit: int = 10) -> list[TakenMessage]:
    return await store.take(project, ENDPOINT, now, now + 60_000, limit)


async def record(
    store: WebhookMessageStore,
    project: ProjectId,
    taken: TakenMessage,
    state: MessageState = MessageState.PENDING,
    due_ms: int | None = None,
    health: EndpointHealth = HEALTHY,
) -> bool:
    attempt = Attempt(NOW, 500, 3, "HTTP 500")
    return await store.record(project, ENDPOINT, taken, attempt, state, taken.attempts, due_ms, health)


async def test_a_message_is_added_once_and_taken_once_a_lease(store: WebhookMessageStore, project: ProjectId) -> None:
    one, two = message(), message(NOW + 1, "b", b'{"b": 1}')
    assert await store.add(project, ENDPOINT, [one, two], NOW) == 2
    assert await store.add(project, ENDPOINT, [one], NOW + 5) == 0
    assert await store.health(project, ENDPOINT) == (HEALTHY, NOW)
    assert await take(store, project, limit=1) == [TakenMessage(*one[:2], 1, one.body)]
    assert await take(store, project) == [TakenMessage(*two[:2], 1, two.body)]
    assert await take(store, project) == []
    again = await take(store, project, NOW + 60_000)
    assert [(each.id, each.attempts) for each in again] == [(one.id, 2), (two.id, 2)]


async def test_an_attempt_is_recorded_with_the_health_and_the_next_one(
    store: WebhookMessageStore, project: ProjectId
) -> None:
    one = message()
    await store.add(project, ENDPOINT, [one], NOW)
    (taken,) = await take(store, project)
    assert await record(store, project, taken, due_ms=NOW + 5000, health=EndpointHealth(1, NOW, 0))
    assert await store.health(project, ENDPOINT) == (EndpointHealth(1, NOW, 0), NOW + 5000)
    found = await store.read(project, ENDPOINT, one.id)
    assert found is not None
    assert found == (
        one.id,
        "user.created",
        MessageState.PENDING,
        (Attempt(NOW, 500, 3, "HTTP 500"),),
        NOW + 5000,
        b"{}",
    )
    (taken,) = await take(store, project, NOW + 5000)
    assert taken.attempts == 2
    assert await record(store, project, taken, MessageState.DELIVERED)
    found = await store.read(project, ENDPOINT, one.id)
    assert found is not None
    assert (found.state, len(found.attempts), found.due_ms) == (MessageState.DELIVERED, 2, None)
    assert await store.health(project, ENDPOINT) == (HEALTHY, None)
    assert await take(store, project, NOW * 2) == []


async def test_a_worker_that_lost_its_lease_records_only_a_success(
    store: WebhookMessageStore, project: ProjectId
) -> None:
    await store.add(project, ENDPOINT, [message()], NOW)
    (stale,) = await take(store, project)
    (taken,) = await take(store, project, NOW + 60_000)
    assert not await record(store, project, stale, MessageState.FAILED)
    assert await record(store, project, stale, MessageState.DELIVERED)
    assert not await record(store, project, taken, MessageState.FAILED)
    found = await store.read(project, ENDPOINT, stale.id)
    assert found is not None
    assert found.state is MessageState.DELIVERED


async def test_the_attempts_that_are_kept_are_bounded(
    store: WebhookMessageStore, project: ProjectId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ATTEMPTS_LISTED", 2)
    await store.add(project, ENDPOINT, [message()], NOW)
    for now in (NOW, NOW + 1, NOW + 2):
        (taken,) = await take(store, project, now)
        await record(store, project, taken, due_ms=now + 1)
    found = await store.read(project, ENDPOINT, message().id)
    assert found is not None
    assert len(found.attempts) == 2


async def test_a_retry_begins_the_schedule_again(store: WebhookMessageStore, project: ProjectId) -> None:
    assert not await store.retry(project, ENDPOINT, message().id, NOW)
    await store.add(project, ENDPOINT, [message()], NOW)
    (taken,) = await take(store, project)
    await record(store, project, taken, MessageState.FAILED)
    assert await store.retry(project, ENDPOINT, message().id, NOW + 9)
    (again,) = await take(store, project, NOW + 9)
    assert (again.attempts, again.body) == (1, b"{}")


async def test_an_endpoint_that_is_resumed_or_cleared_has_no_failures(
    client: InspectedClient, store: WebhookMessageStore, project: ProjectId
) -> None:
    assert await store.resume(project, ENDPOINT) is None
    await store.add(project, ENDPOINT, [message()], NOW)
    (taken,) = await take(store, project)
    await record(store, project, taken, due_ms=NOW + 7, health=EndpointHealth(9, NOW, NOW + 99))
    assert await store.resume(project, ENDPOINT) == NOW + 7
    assert (await store.health(project, ENDPOINT))[0] == HEALTHY
    await store.clear(project, ENDPOINT)
    assert await client.redis.keys(keys.webhook_endpoint(project, ENDPOINT) + "*") == []
    await record(store, project, taken, due_ms=NOW + 7, health=EndpointHealth(9, NOW, NOW + 99))
    assert await client.redis.keys(keys.webhook_endpoint(project, ENDPOINT) + "*") == []


async def test_messages_are_listed_by_page_newest_first(store: WebhookMessageStore, project: ProjectId) -> None:
    ids = [message(NOW + i, str(i)).id for i in range(5)]
    await store.add(project, ENDPOINT, [message(NOW + i, str(i)) for i in (3, 1, 0, 4, 2)], NOW)
    assert [each.id for each in await store.page(project, ENDPOINT, 2)] == [ids[4], ids[3]]
    assert [each.id for each in await store.page(project, ENDPOINT, 2, older_than=ids[3])] == [ids[2], ids[1]]
    assert [each.id for each in await store.page(project, ENDPOINT, 2, newer_than=ids[1])] == [ids[2], ids[3]]
    assert await store.page(project, ENDPOINT, 2, older_than=ids[0]) == []
    assert await store.read(project, ENDPOINT, UUID(int=0)) is None


async def test_messages_are_bounded_by_number_size_and_age(
    client: InspectedClient, store: WebhookMessageStore, project: ProjectId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_MESSAGES", 3)
    for i in range(5):
        await store.add(project, ENDPOINT, [message(NOW + i, str(i), b"12345")], NOW)
    assert [each.created_ms for each in await store.page(project, ENDPOINT, 9)] == [NOW + 4, NOW + 3, NOW + 2]
    key = keys.webhook_endpoint(project, ENDPOINT)
    assert int(await client.redis.hget(key, "bytes") or 0) == 15
    monkeypatch.setattr(module, "MAX_BYTES", 12)
    await store.add(project, ENDPOINT, [message(NOW + 5, "5", b"12")], NOW)
    assert [each.created_ms for each in await store.page(project, ENDPOINT, 9)] == [NOW + 5, NOW + 4, NOW + 3]
    later = NOW + 4 + module.KEEP_MS + 1
    await store.add(project, ENDPOINT, [message(later, "6", b"1")], later)
    assert [each.created_ms for each in await store.page(project, ENDPOINT, 9)] == [later, NOW + 5]
    for name in await client.redis.keys(key + "*"):
        assert await client.redis.ttl(name) > module.KEEP_MS / 1000
    assert len(await take(store, project, later)) == 2


async def test_a_broken_message_is_neither_taken_nor_listed(
    client: InspectedClient, store: WebhookMessageStore, project: ProjectId
) -> None:
    await store.add(project, ENDPOINT, [message(), message(NOW + 1, "b")], NOW)
    key = keys.webhook_endpoint(project, ENDPOINT) + keys.WEBHOOK_SUFFIXES["WEBHOOK_MESSAGES"]
    await client.redis.hset(key, message().id.bytes, "nonsense")
    assert [each.id for each in await take(store, project)] == [message(NOW + 1, "b").id]
    assert len(await store.page(project, ENDPOINT, 9)) == 1
    assert not await store.retry(project, ENDPOINT, message().id, NOW)


async def test_messages_are_deleted_with_their_project(
    client: InspectedClient, store: WebhookMessageStore, project: ProjectId
) -> None:
    await store.add(project, ENDPOINT, [message()], NOW)
    await store.note_place(project, EventPlace(NOW, 1))
    eraser, cursor = Eraser(client, UserDeletion(client)), 0
    while True:
        cursor, _ = await eraser.erase_some(project, cursor, "none")
        if cursor == 0:
            break
    assert await client.redis.keys(f"*{project}*") == []


async def send(inboxes: InboxStore, user: User, number: int) -> None:
    content = Content.encode(str(UUID(int=number)), NotificationFields(title="t"))
    await inboxes.create(content, [Delivery(user, {}, True)], at(1000 + number), False)


async def test_the_events_of_a_user_are_read_after_those_that_became_messages(
    client: InspectedClient, store: WebhookMessageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    inboxes, user = InboxStore(client, LogRetention(1000, 1000), ContentStore(client)), new_user()
    found = await store.events(user.project_id, user.id)
    assert found == (b"", b"", None, [])
    await send(inboxes, user, 1)
    await send(inboxes, user, 2)
    await inboxes.change(user, read_item_id(str(UUID(int=1))), Command.READ, None, at(1003))
    found = await store.events(user.project_id, user.id)
    assert found is not None
    assert found[:3] == (b'"joe"', b"", None)
    assert [each.split(b"\n")[0].split(b" ")[2] for each in found.messages] == [
        b"notifications/new",
        b"notifications/new",
        b"notifications/read",
    ]
    await store.note_events(user.project_id, user.id, 2)
    await store.note_events(user.project_id, user.id, 1)
    found = await store.events(user.project_id, user.id)
    assert found is not None
    assert (found.offset, len(found.messages)) == (2, 1)
    monkeypatch.setattr(module, "EVENTS_PER_READ", 1)
    await send(inboxes, user, 3)
    found = await store.events(user.project_id, user.id)
    assert found is not None
    assert len(found.messages) == 1
    await UserDeletion(client).delete(user)
    assert await store.events(user.project_id, user.id) is None
    await store.note_events(user.project_id, user.id, 5)
    assert await client.redis.hget(keys.user(user.project_id, user.id), "webhooks_at") is None


async def test_the_place_of_the_last_project_event_is_kept(store: WebhookMessageStore, project: ProjectId) -> None:
    assert await store.place(project) is None
    await store.note_place(project, EventPlace(NOW, 7))
    assert await store.place(project) == EventPlace(NOW, 7)
