"""Members of the lane of webhooks: whoever changes, in projects with an enabled endpoint, and nobody elsewhere."""

import asyncio
import inspect
import time
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from gateway.domain.delivery import Lane, OutboxPlan, Route
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.notification import BulkCommand, Command, Filter, read_item_id
from gateway.domain.principal import User
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.store.contents import Content, ContentStore, NotificationFields
from gateway.store.deliveries import Delivery, Outcome
from gateway.store.event_log import LogRetention
from gateway.store.followed_inboxes import FollowedInboxes
from gateway.store.inbox import InboxStore
from gateway.store.lanes import LaneStore
from gateway.store.project_event_log import EventRetention, ProjectEventLog
from gateway.store.project_events import ProjectEvents
from gateway.store.redis.problems import StoreUnavailableError
from gateway.store.webhook_endpoints import WebhookEndpointStore
from gateway.store.webhook_lanes import PROJECT_MEMBER, WebhookLanes
from tests.store.conftest import InspectedClient, at, new_user
from tests.store.test_webhook_endpoints import endpoint

ITEM = str(UUID(int=1))


@pytest.fixture
def user() -> User:
    return new_user()


@pytest.fixture
def endpoints(client: InspectedClient) -> WebhookEndpointStore:
    return WebhookEndpointStore(client, "a secret key")


@pytest.fixture
def lanes(client: InspectedClient) -> LaneStore:
    return LaneStore(client, mark_seconds=0.3)


@pytest.fixture
def webhooks(lanes: LaneStore, endpoints: WebhookEndpointStore) -> WebhookLanes:
    return WebhookLanes(lanes, endpoints)


@pytest.fixture
def inboxes(client: InspectedClient, webhooks: WebhookLanes) -> FollowedInboxes:
    return FollowedInboxes(client, LogRetention(1000, 1000), ContentStore(client), webhooks)


async def claimed(lanes: LaneStore, project_id: ProjectId, seconds: float = 10) -> Sequence[UserId]:
    """Wait for members of a project's lane of webhooks, claim them, and return them."""
    async with asyncio.timeout(seconds):
        while True:
            for claim in await lanes.claim(1000, 60_000):
                if claim.lane == Lane(project_id, Route.WEBHOOKS):
                    return claim.users
            await asyncio.sleep(0.01)


async def members(lanes: LaneStore, project_id: ProjectId) -> int:
    return sum(each.waiting for each in await lanes.of_project(project_id))


async def create(inboxes: FollowedInboxes, user: User) -> Outcome:
    content = Content.encode(ITEM, NotificationFields(title="t"))
    return await inboxes.create_one(content, Delivery(user, {}, True), at(1000), False)


async def test_a_project_without_endpoints_has_no_members(
    inboxes: FollowedInboxes, lanes: LaneStore, webhooks: WebhookLanes, user: User
) -> None:
    assert not webhooks.is_unused(user.project_id)
    for _ in range(2):
        await create(inboxes, user)
        assert webhooks.is_unused(user.project_id)
    assert await members(lanes, user.project_id) == 0


async def test_a_disabled_endpoint_is_none(endpoints: WebhookEndpointStore, webhooks: WebhookLanes, user: User) -> None:
    await endpoints.save(user.project_id, replace(endpoint(), disabled="gone"), None)
    assert not await endpoints.has_enabled(user.project_id)
    assert webhooks.is_unused(user.project_id)


async def test_each_kind_of_change_makes_its_users_members(
    inboxes: FollowedInboxes, lanes: LaneStore, endpoints: WebhookEndpointStore, user: User
) -> None:
    await endpoints.save(user.project_id, endpoint(), None)
    content, item = Content.encode(ITEM, NotificationFields(title="t")), read_item_id(ITEM)
    others = [replace(user, id=UserId(str(UUID(int=number, version=4)))) for number in (1, 2)]
    assert await create(inboxes, user) is Outcome.CREATED
    assert await claimed(lanes, user.project_id) == [user.id]
    assert await inboxes.create(content, [Delivery(others[0], {}, True)], at(1000), False) == [Outcome.CREATED]
    assert await claimed(lanes, user.project_id) == [others[0].id]
    assert await inboxes.create_each(content, others, at(1001), False) == [Outcome.DUPLICATE, Outcome.CREATED]
    assert set(await claimed(lanes, user.project_id)) <= {each.id for each in others}
    assert await inboxes.change(user, item, Command.READ, None, at(1002))
    assert (await inboxes.change_all(user, Filter(), BulkCommand.ARCHIVE_ALL, None, at(1003))).items == 1
    assert await inboxes.delete(user, item, None, at(1004))
    assert user.id in await claimed(lanes, user.project_id)


async def test_what_is_sent_on_other_channels_too_makes_its_users_members(
    inboxes: FollowedInboxes, lanes: LaneStore, endpoints: WebhookEndpointStore, user: User
) -> None:
    await endpoints.save(user.project_id, endpoint(), None)
    content, plan = Content.encode(ITEM, NotificationFields(title="t")), OutboxPlan(())
    await inboxes.send(content, [Delivery(user, {}, True)], at(1000), False, plan)
    assert await claimed(lanes, user.project_id) == [user.id]
    other = replace(user, id=UserId(str(UUID(int=1, version=4))))
    await inboxes.send_each(content, [other], at(1001), False, plan)
    assert await claimed(lanes, user.project_id) == [other.id]


def test_every_method_that_changes_an_inbox_is_followed() -> None:
    reading = {"list_page", "get", "get_each", "read_log", "use"}
    methods = {name for name, each in vars(InboxStore).items() if inspect.iscoroutinefunction(each) and name[0] != "_"}
    assert methods - reading == {name for name in vars(FollowedInboxes) if name[0] != "_"}


async def test_a_member_whose_worker_died_is_served_when_its_mark_is_due(
    lanes: LaneStore, endpoints: WebhookEndpointStore, webhooks: WebhookLanes, user: User
) -> None:
    await endpoints.save(user.project_id, endpoint(), None)

    async def die() -> None:
        webhooks._hasten = lambda marks: None  # type: ignore[method-assign] # nothing more happens in this process
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        await webhooks.follow(user.project_id, [user.id], die)
    assert await claimed(lanes, user.project_id) == [user.id]
    assert time.monotonic() - began >= 0.25


async def test_a_change_of_which_nobody_knows_whether_it_was_made_is_followed(
    lanes: LaneStore, endpoints: WebhookEndpointStore, webhooks: WebhookLanes, user: User
) -> None:
    await endpoints.save(user.project_id, endpoint(), None)

    async def fail() -> None:
        raise StoreUnavailableError("no reply")

    with pytest.raises(StoreUnavailableError):
        await webhooks.follow(user.project_id, [user.id], fail)
    assert await claimed(lanes, user.project_id) == [user.id]


async def test_an_endpoint_is_woken_at_its_time(lanes: LaneStore, webhooks: WebhookLanes, user: User) -> None:
    await webhooks.wake(user.project_id, endpoint().id, int(time.time() * 1000) + 3_600_000)
    assert await members(lanes, user.project_id) == 1
    await webhooks.wake(user.project_id, endpoint().id, 0)
    assert await claimed(lanes, user.project_id) == [endpoint().id]


async def test_events_of_a_project_that_become_messages_make_it_a_member(
    client: InspectedClient, lanes: LaneStore, endpoints: WebhookEndpointStore, webhooks: WebhookLanes, user: User
) -> None:
    await endpoints.save(user.project_id, endpoint(), None)
    events = ProjectEvents(ProjectEventLog(client, EventRetention(100, 0)))
    events.webhooks = webhooks
    stored = ProjectEvent(ProjectEventType.STORED, user.id, {"notification_id": ITEM})
    await events.write(user.project_id, stored)
    assert await members(lanes, user.project_id) == 0
    other = new_user()
    events.note(other.project_id, ProjectEvent(ProjectEventType.USER_CREATED, other.id))
    events.note(user.project_id, stored)
    events.note(user.project_id, ProjectEvent(ProjectEventType.USER_CREATED, user.id))
    assert await events.flush()
    assert await claimed(lanes, user.project_id) == [PROJECT_MEMBER]
    assert await members(lanes, other.project_id) == 0
    log = ProjectEventLog(client, EventRetention(100, 0))
    assert len((await log.read(user.project_id, list(ProjectEventType), 9)).events) == 3
