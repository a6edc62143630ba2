"""Writing project events: at once and buffered, without Redis, and with a log that is broken."""

import asyncio
import contextlib
from collections.abc import Iterator
from uuid import uuid4

import pytest

from gateway.domain.ids import ProjectId
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.store import keys
from gateway.store import project_events as module
from gateway.store.project_event_log import EventRetention, ProjectEventLog
from gateway.store.project_events import ProjectEvents
from gateway.store.redis.problems import StoreUnavailableError
from gateway.telemetry.metrics import PROJECT_EVENTS_DROPPED
from tests.store.conftest import InspectedClient

STORED = ProjectEventType.STORED
EVENT = ProjectEvent(STORED)


@pytest.fixture
def project() -> ProjectId:
    return ProjectId(f"p{uuid4().hex[:8]}")


@pytest.fixture
def log(client: InspectedClient) -> ProjectEventLog:
    return ProjectEventLog(client, EventRetention(10_000, 3600))


@contextlib.contextmanager
def unavailable(client: InspectedClient) -> Iterator[None]:
    """Refuse every call, as a client does while Redis is down."""
    client.refusal = lambda: StoreUnavailableError(detail="down")
    yield
    client.refusal = lambda: None


async def count(log: ProjectEventLog, project: ProjectId) -> int:
    return len((await log.read(project, [STORED], 10_000)).events)


def dropped() -> float:
    return PROJECT_EVENTS_DROPPED._value.get()  # type: ignore[no-any-return] # the library has no types


async def test_an_event_of_the_audit_is_in_the_log_at_once(log: ProjectEventLog, project: ProjectId) -> None:
    await ProjectEvents(log).write(project, EVENT)
    assert await count(log, project) == 1


async def test_noted_events_are_appended_together_in_order(log: ProjectEventLog, project: ProjectId) -> None:
    events, other = ProjectEvents(log), ProjectId(f"{project}x")
    running = asyncio.create_task(events.run())
    for number in range(450):
        events.note(project, ProjectEvent(STORED, None, {"count": number}))
    events.note(other, EVENT)
    while await count(log, project) < 450 or await count(log, other) < 1:
        await asyncio.sleep(0.01)
    found = (await log.read(project, [STORED], 500)).events
    assert [each.context for each in found] == [b'{"count":%d}' % number for number in reversed(range(450))]
    running.cancel()


async def test_events_wait_until_redis_takes_them(
    client: InspectedClient, log: ProjectEventLog, project: ProjectId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    events = ProjectEvents(log)
    with unavailable(client):
        await events.write(project, EVENT)
        assert not await events.flush()
        running = asyncio.create_task(events.run())
        await asyncio.sleep(0)
    while not await count(log, project):
        await asyncio.sleep(0.01)
    assert await count(log, project) == 1
    running.cancel()


async def test_events_that_find_the_buffer_full_are_counted(
    client: InspectedClient, log: ProjectEventLog, project: ProjectId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_EVENTS", 3)
    events, before = ProjectEvents(log), dropped()
    with unavailable(client):
        for _ in range(5):
            await events.write(project, EVENT)
    assert dropped() - before == 2
    assert await events.flush()
    assert await count(log, project) == 3


async def test_the_broken_log_of_a_project_does_not_hold_up_others(
    client: InspectedClient, log: ProjectEventLog, project: ProjectId
) -> None:
    events, broken, before = ProjectEvents(log), ProjectId(f"{project}b"), dropped()
    await client.redis.set(keys.project_events(broken), "something else")
    await events.write(broken, EVENT)
    events.note(broken, EVENT)
    events.note(project, EVENT)
    assert await events.flush()
    assert await count(log, project) >= 1
    assert dropped() - before == 2


async def test_nothing_is_written_if_the_log_is_off(client: InspectedClient, project: ProjectId) -> None:
    log = ProjectEventLog(client, EventRetention(0, 3600))
    events = ProjectEvents(log)
    events.note(project, EVENT)
    await events.write(project, EVENT)
    assert await events.flush()
    assert await count(log, project) == 0
