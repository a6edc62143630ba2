"""The search for the recipients of a notification of which only the id is known."""

import time
from uuid import UUID, uuid4

import pytest

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.sending.plans import new_send_plan
from gateway.store.event_log import Moment
from gateway.store.project_event_log import EventRetention, ProjectEventLog, packed
from gateway.store.recipient_search import RecipientSearch
from tests.store.conftest import InspectedClient


@pytest.fixture
def project() -> ProjectId:
    return ProjectId(f"p{uuid4().hex[:8]}")


@pytest.fixture
def log(client: InspectedClient) -> ProjectEventLog:
    return ProjectEventLog(client, EventRetention(5000, 3600))


def new_id() -> UUID:
    return UUID(new_send_plan(Moment(int(time.time() * 1000), "e")).id)


def stored(notification_id: UUID, user_id: UserId | None) -> bytes:
    return packed(ProjectEvent(ProjectEventType.STORED, user_id, {"notification_id": str(notification_id)}))


async def test_the_users_of_a_notification_are_found_among_many_events(
    log: ProjectEventLog, project: ProjectId
) -> None:
    sent, users = new_id(), [UserId(str(uuid4())) for _ in range(4)]
    others = [stored(uuid4(), UserId(str(uuid4()))) for _ in range(998)]  # so that the users lie on two pages
    await log.append([(project, [*others, *(stored(sent, user) for user in users), *others[:600]])])
    assert await RecipientSearch(log).recipients(project, sent) == users


async def test_nobody_is_found_for_an_id_without_time_or_without_an_event_of_one_user(
    log: ProjectEventLog, project: ProjectId
) -> None:
    random_id, shared, unknown = uuid4(), new_id(), new_id()
    await log.append([(project, [stored(random_id, UserId(str(uuid4()))), stored(shared, None)])])
    for each in (random_id, shared, unknown):
        assert await RecipientSearch(log).recipients(project, each) == []


async def test_recipients_of_another_project_are_not_found(log: ProjectEventLog, project: ProjectId) -> None:
    sent = new_id()
    await log.append([(project, [stored(sent, UserId(str(uuid4())))])])
    assert await RecipientSearch(log).recipients(ProjectId(f"{project}x"), sent) == []


async def test_the_first_of_several_users_is_found_where_the_clock_of_redis_is_behind(
    log: ProjectEventLog, project: ProjectId
) -> None:
    ahead = Moment(int(time.time() * 1000) + 1500, "e")
    sent, users = UUID(new_send_plan(ahead).id), [UserId(str(uuid4())) for _ in range(3)]
    await log.append([(project, [stored(sent, user) for user in users])])
    assert await RecipientSearch(log).recipients(project, sent) == users
