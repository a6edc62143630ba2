"""Open tails: what they hold, when they must read the log, and how many there may be."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from gateway.domain.ids import ProjectId
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.store import keys
from gateway.store import tails as module
from gateway.store.errors import TooManyTailsError
from gateway.store.project_event_log import EventRetention, ProjectEventLog, packed
from gateway.store.project_event_tails import EventTails
from gateway.store.redis.problems import StoreUnavailableError
from gateway.store.redis.subscriber import Subscriber
from tests.logs import captured_log
from tests.store.conftest import InspectedClient

EVENT = packed(ProjectEvent(ProjectEventType.STORED))


@pytest.fixture
def project() -> ProjectId:
    return ProjectId(f"p{uuid4().hex[:8]}")


@pytest.fixture
def log(client: InspectedClient) -> ProjectEventLog:
    return ProjectEventLog(client, EventRetention(1000, 1000))


@pytest.fixture
async def tails(client: InspectedClient) -> AsyncIterator[EventTails]:
    """The tails of a worker whose subscriber runs."""
    subscriber = Subscriber(client, f"w{uuid4().hex[:6]}")
    tails = EventTails(subscriber)
    subscriber.on_messages, subscriber.on_resubscribed = tails.dispatch, tails.interrupted
    running = asyncio.create_task(subscriber.run())
    async with asyncio.timeout(10):
        while not subscriber.healthy:
            await asyncio.sleep(0.01)
    yield tails
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_a_tail_receives_the_events_of_its_project(
    tails: EventTails, log: ProjectEventLog, project: ProjectId
) -> None:
    tail, twin = await tails.open(project), await tails.open(project)
    await log.append([(project, [EVENT, EVENT]), (ProjectId("another"), [EVENT])])
    for each in (tail, twin):
        await each.wait(10)
        events, must_read = each.take()
        assert (events, must_read) == ((await log.read(project, ProjectEventType, 5)).events[::-1], False)
    tails.close(tail)
    await log.append([(project, [EVENT])])
    await twin.wait(10)
    assert len(twin.take()[0]) == 1
    assert tail.take() == ([], False)
    tails.close(twin)
    await tail.wait(0)


async def test_a_tail_that_is_full_continues_from_the_log(
    tails: EventTails, log: ProjectEventLog, project: ProjectId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HELD_EVENTS", 3)
    tail = await tails.open(project)
    await log.append([(project, [EVENT] * 4)])
    await tail.wait(10)
    await log.append([(project, [EVENT])])
    assert tail.take() == ([], True)
    tails.close(tail)


async def test_a_tail_reads_the_log_after_an_interruption_or_a_message_that_is_none(
    tails: EventTails, client: InspectedClient, project: ProjectId
) -> None:
    tail = await tails.open(project)
    tails.interrupted(keys.project_events(project).encode())
    assert tail.take() == ([], True)
    with captured_log() as lines:
        await client.redis.execute_command("SPUBLISH", keys.project_events(project), "nonsense")
        await tail.wait(10)
    assert tail.take() == ([], True)
    assert [line["event"] for line in lines] == ["foreign_message"]
    tails.close(tail)


async def test_tails_are_limited_for_a_project_and_in_all(
    tails: EventTails, project: ProjectId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TAILS_PER_PROJECT", 2)
    monkeypatch.setattr(module, "TAILS", 3)
    opened = [await tails.open(project) for _ in range(2)]
    with pytest.raises(TooManyTailsError):
        await tails.open(project)
    opened.append(await tails.open(ProjectId(f"{project}x")))
    with pytest.raises(TooManyTailsError):
        await tails.open(ProjectId(f"{project}y"))
    tails.close(opened.pop())
    tails.end_all()
    assert all(tail.is_ending for tail in opened)
    late = await tails.open(ProjectId(f"{project}y"))
    assert late.is_ending
    for tail in (*opened, late):
        tails.close(tail)


async def test_a_tail_is_not_opened_without_a_subscription(client: InspectedClient, project: ProjectId) -> None:
    tails = EventTails(Subscriber(client, "w"))
    for _ in range(module.TAILS_PER_PROJECT + 1):
        with pytest.raises(StoreUnavailableError):
            await tails.open(project)


async def test_an_admin_cannot_hold_all_tails_of_a_project(tails: EventTails, project: ProjectId) -> None:
    opened = [await tails.open(project, "viewer") for _ in range(module.TAILS_PER_ADMIN)]
    for each in (project, ProjectId(f"{project}-other")):
        with pytest.raises(TooManyTailsError):
            await tails.open(each, "viewer")
    opened += [await tails.open(project, "another"), await tails.open(project)]
    tails.close(opened.pop(0))
    opened.append(await tails.open(project, "viewer"))
    for tail in opened:
        tails.close(tail)
