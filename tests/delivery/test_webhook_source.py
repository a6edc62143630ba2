"""Messages that are made of events: one for each event and endpoint, whatever is repeated, and none for others."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from gateway.domain.notification import BulkCommand, Command, Filter, read_item_id
from gateway.domain.principal import Identity, User
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.domain.webhook import MAX_BODY_BYTES, OF_INBOX, OF_PROJECT, SELECTABLE, WebhookEvent
from gateway.store import keys, webhook_messages
from gateway.store.contents import Content, NotificationFields
from gateway.store.deletion import UserDeletion
from gateway.store.deliveries import Delivery
from gateway.store.event_log import Moment
from gateway.store.webhook_endpoints import Endpoint
from tests.delivery.webhooks import Clock, Webhooks
from tests.store.conftest import InspectedClient
from tests.stubs.webhook_receiver import WebhookReceiver


@pytest.fixture
async def webhooks(client: InspectedClient) -> AsyncIterator[Webhooks]:
    webhooks = Webhooks(client, Clock(time.time()))
    yield webhooks
    await webhooks.http.close()


@pytest.fixture
async def user(webhooks: Webhooks) -> User:
    return await webhooks.directory.resolve(webhooks.project_id, Identity("ada", "ada@example.com"))


async def endpoint_of(webhooks: Webhooks, *event_types: str, created_ms: int = 0) -> Endpoint:
    """Save an endpoint to which nothing is sent."""
    receiver = WebhookReceiver()
    receiver.url = "http://127.0.0.1:1/hook"
    return await webhooks.endpoint(receiver, *event_types, created_ms=created_ms)


def moment(webhooks: Webhooks) -> Moment:
    return Moment(webhooks.clock.ms, "e0")


async def send(webhooks: Webhooks, user: User, number: int = 1, **fields: Any) -> None:
    content = Content.encode(str(UUID(int=number)), NotificationFields(**{"title": "Hello", **fields}))
    await webhooks.inboxes.create(content, [Delivery(user, {}, True)], moment(webhooks), False)


async def bodies(webhooks: Webhooks, endpoint: Endpoint) -> list[dict[str, Any]]:
    """Return the bodies of an endpoint's messages, oldest first."""
    page = await webhooks.messages.page(webhooks.project_id, endpoint.id, 100)
    found = []
    for each in reversed(page):
        whole = await webhooks.messages.read(webhooks.project_id, endpoint.id, each.id)
        assert whole is not None
        assert len(whole.body) <= MAX_BODY_BYTES
        body = json.loads(whole.body)
        assert (body["id"], body["type"]) == (str(each.id), each.label)
        found.append(body)
    return found


async def labels(webhooks: Webhooks, endpoint: Endpoint) -> list[str]:
    return [body["type"] for body in await bodies(webhooks, endpoint)]


async def test_each_change_of_an_inbox_becomes_a_message(webhooks: Webhooks, user: User) -> None:
    endpoint, item = await endpoint_of(webhooks), read_item_id(str(UUID(int=1)))
    await send(webhooks, user, category="orders", custom_attributes={"order": 7})
    for command in (Command.SEEN, Command.READ, Command.UNREAD, Command.ARCHIVE, Command.UNARCHIVE):
        webhooks.clock.now += 1
        await webhooks.inboxes.change(user, item, command, "tab", moment(webhooks))
    for bulk in (BulkCommand.READ_ALL, BulkCommand.ARCHIVE_ALL):
        webhooks.clock.now += 1
        await webhooks.inboxes.change_all(user, Filter(categories=("orders",)), bulk, None, moment(webhooks))
    webhooks.clock.now += 1
    await webhooks.inboxes.delete(user, item, None, moment(webhooks))
    assert not await webhooks.source.of_user(user.project_id, user.id)
    found = await bodies(webhooks, endpoint)
    assert [body["type"].removeprefix("notification.") for body in found] == [
        *("created", "seen", "read", "unread", "archived", "unarchived"),
        *("all_read", "all_archived", "deleted"),
    ]
    created, seen, *_ = found
    assert created["data"]["user"] == {"id": user.id, "external_id": "ada", "email": "ada@example.com"}
    assert created["data"]["notification"]["title"] == "Hello"
    assert created["data"]["notification"]["custom_attributes"] == {"order": 7}
    assert (created["data"]["unread_count"], created["data"]["unseen_count"]) == (1, 1)
    assert seen["data"]["notification"]["seen_at"].endswith(".000Z")
    assert seen["data"]["client_id"] == "tab"
    assert found[6]["data"]["filters"] == {"categories": ["orders"]}
    assert webhooks.woken == [endpoint.id]
    assert {body["type"] for body in found} <= set(SELECTABLE)


async def test_what_is_read_again_makes_no_second_message(webhooks: Webhooks, user: User) -> None:
    endpoint = await endpoint_of(webhooks)
    await send(webhooks, user)
    note = webhooks.messages.note_events

    async def die(*_: object) -> None:
        raise KeyboardInterrupt

    webhooks.messages.note_events = die  # type: ignore[assignment,method-assign] # the worker dies before it notes the place
    with pytest.raises(KeyboardInterrupt):
        await webhooks.source.of_user(user.project_id, user.id)
    webhooks.messages.note_events = note  # type: ignore[method-assign]
    await send(webhooks, user, 2)
    await webhooks.source.of_user(user.project_id, user.id)
    await webhooks.source.of_user(user.project_id, user.id)
    assert await labels(webhooks, endpoint) == ["notification.created"] * 2
    assert webhooks.woken == [endpoint.id] * 2


async def test_an_endpoint_gets_the_types_it_selects_since_it_was_created(webhooks: Webhooks, user: User) -> None:
    reads = await endpoint_of(webhooks, "notification.read")
    webhooks.clock.now += 1
    later = await endpoint_of(webhooks, created_ms=webhooks.clock.ms + 500)
    disabled = await webhooks.change(await endpoint_of(webhooks), disabled="request")
    await send(webhooks, user)
    webhooks.clock.now += 1
    await webhooks.inboxes.change(user, read_item_id(str(UUID(int=1))), Command.READ, None, moment(webhooks))
    await webhooks.source.of_user(user.project_id, user.id)
    assert await labels(webhooks, reads) == ["notification.read"]
    assert await labels(webhooks, later) == ["notification.read"]
    assert await labels(webhooks, disabled) == []
    assert (await bodies(webhooks, reads))[0]["id"] == (await bodies(webhooks, later))[0]["id"]


async def test_a_long_log_is_read_in_parts(webhooks: Webhooks, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_messages, "EVENTS_PER_READ", 2)
    monkeypatch.setattr("gateway.delivery.webhook_source.EVENTS_PER_READ", 2)
    endpoint = await endpoint_of(webhooks)
    for number in range(3):
        await send(webhooks, user, number)
    assert await webhooks.source.of_user(user.project_id, user.id)
    assert not await webhooks.source.of_user(user.project_id, user.id)
    assert len(await bodies(webhooks, endpoint)) == 3


async def test_events_that_the_log_has_lost_are_logged(webhooks: Webhooks, user: User, client: InspectedClient) -> None:
    endpoint = await endpoint_of(webhooks)
    await send(webhooks, user)
    await webhooks.source.of_user(user.project_id, user.id)
    for number in (2, 3, 4):
        await send(webhooks, user, number)
    await client.redis.xtrim(
        keys.user(user.project_id, user.id) + keys.USER_SUFFIXES["LOG"], maxlen=1, approximate=False
    )
    await webhooks.source.of_user(user.project_id, user.id)
    assert len(await bodies(webhooks, endpoint)) == 2


async def test_nothing_is_made_without_endpoints_or_of_a_deleted_user(webhooks: Webhooks, user: User) -> None:
    await send(webhooks, user)
    assert not await webhooks.source.of_user(user.project_id, user.id)
    assert not await webhooks.source.of_project(user.project_id)
    endpoint = await endpoint_of(webhooks)
    await UserDeletion(webhooks.client).delete(user)
    assert not await webhooks.source.of_user(user.project_id, user.id)
    assert await bodies(webhooks, endpoint) == []


async def test_events_of_the_project_become_messages_once(webhooks: Webhooks, user: User) -> None:
    endpoint = await endpoint_of(webhooks, created_ms=1)
    kinds = ProjectEventType
    for event in (
        ProjectEvent(kinds.USER_CREATED, user.id),
        ProjectEvent(kinds.STORED, user.id, {"notification_id": str(UUID(int=1))}),
        ProjectEvent(kinds.BROADCAST_CHANGED, None, {"broadcast_id": str(UUID(int=2)), "status": "processed"}),
        ProjectEvent(kinds.ENDPOINT_DISABLED, None, {"endpoint_id": endpoint.id, "reason": "gone"}),
    ):
        await webhooks.events.write(user.project_id, event)
    assert not await webhooks.source.of_project(user.project_id)
    found = await bodies(webhooks, endpoint)
    assert [body["type"] for body in found] == ["user.created", "broadcast.changed", "webhook_endpoint.disabled"]
    assert found[0]["data"] == {"user": {"id": user.id, "external_id": "ada", "email": "ada@example.com"}}
    assert found[1]["data"] == {"broadcast_id": str(UUID(int=2)), "status": "processed"}
    await UserDeletion(webhooks.client).delete(user)
    await webhooks.directory.forget(user)
    await webhooks.events.write(user.project_id, ProjectEvent(kinds.USER_DELETED, user.id))
    assert not await webhooks.source.of_project(user.project_id)
    found = await bodies(webhooks, endpoint)
    assert len(found) == 4
    assert found[3]["data"] == {"user": {"id": user.id, "external_id": None, "email": None}}
    assert not await webhooks.source.of_project(user.project_id)


async def test_events_before_the_first_endpoint_are_passed_over(webhooks: Webhooks, user: User) -> None:
    await webhooks.events.write(user.project_id, ProjectEvent(ProjectEventType.USER_CREATED, user.id))
    endpoint = await endpoint_of(webhooks, created_ms=webhooks.clock.ms + 60_000)
    assert not await webhooks.source.of_project(user.project_id)
    assert await bodies(webhooks, endpoint) == []


async def test_an_event_that_cannot_be_read_holds_up_no_other(
    webhooks: Webhooks, user: User, client: InspectedClient
) -> None:
    endpoint = await endpoint_of(webhooks)
    await send(webhooks, user)
    stream = keys.user(user.project_id, user.id) + keys.USER_SUFFIXES["LOG"]
    await client.redis.xadd(stream, {"m": "nonsense"}, id="2-1")
    await client.redis.xadd(stream, {"m": "e.3 5 notifications/read\n{}"}, id="3-1")
    await webhooks.source.of_user(user.project_id, user.id)
    assert await labels(webhooks, endpoint) == ["notification.created"]
    found = await webhooks.messages.events(user.project_id, user.id)
    assert found is not None
    assert (found.offset, found.messages) == (3, [])


def test_every_type_has_a_source() -> None:
    assert {*OF_INBOX.values(), *OF_PROJECT.values(), WebhookEvent.TEST} == set(WebhookEvent)
