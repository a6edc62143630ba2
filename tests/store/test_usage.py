"""Usage figures: counted in memory, written in batches, and read by month, day and minute."""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from gateway.domain.ids import ProjectId, UserId
from gateway.store import keys, usage, usage_counts
from gateway.store.redis.problems import StoreUnavailableError
from gateway.store.usage import Refusal, Series, UsageReader, UsageWriter
from gateway.store.usage_counts import Failure, Milestone, UsageCounts
from tests.store.conftest import InspectedClient

NOON = datetime(2026, 3, 1, 12, 5, 30, tzinfo=UTC)
USER = UserId(str(uuid4()))


class Clock:
    """The time of a test."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> float:
        return self.at.timestamp()


@pytest.fixture
def project() -> ProjectId:
    return ProjectId(f"p{uuid4().hex[:8]}")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def writer(client: InspectedClient, clock: Clock) -> UsageWriter:
    return UsageWriter(client, UsageCounts(), clock)


@pytest.fixture
def reader(client: InspectedClient, clock: Clock) -> UsageReader:
    return UsageReader(client, clock)


def failure(state: str = "refused", channel: str = "email", reason: str = "550") -> Failure:
    return Failure(1000, USER, str(uuid4()), channel, "mailgun", state, reason)


@contextlib.contextmanager
def unavailable(client: InspectedClient) -> Iterator[None]:
    client.refusal = lambda: StoreUnavailableError(detail="down")
    yield
    client.refusal = lambda: None


async def test_counts_are_kept_by_month_day_and_minute(
    writer: UsageWriter, reader: UsageReader, clock: Clock, project: ProjectId
) -> None:
    counts = writer.counts
    clock.at = NOON - timedelta(minutes=10, hours=12)
    counts.accepted(project)
    counts.stored(project)
    await writer.write()
    clock.at = NOON
    counts.broadcast(project)
    counts.stored(project, 250)
    counts.suppressed(project, 3)
    for state in ("delivered", "delivered", "dead"):
        counts.ended(project, failure(state))
    counts.ended(project, failure("skipped", "sms"))
    await writer.write()
    await writer.write()  # nothing is written twice

    february, march = await reader.months(project, 2)
    assert (february.name, february.sends, february.stored) == ("2026-02", 1, 1)
    assert march == ("2026-03", 1, 1, 250, 3, {"email": {"delivered": 2, "dead": 1}, "sms": {"skipped": 1}})
    assert [each.name for each in await reader.months(project, 4)] == ["2025-12", "2026-01", "2026-02", "2026-03"]
    before, today = await reader.days(project, 2)
    assert (before.name, before.sends, today.name, today.stored) == ("2026-02-28", 1, "2026-03-01", 250)
    assert await reader.days(project, 0) == []

    start, series = await reader.minutes(project, 13 * 60)
    assert start == datetime(2026, 2, 28, 23, 6, tzinfo=UTC)
    assert {each: numbers[-1] for each, numbers in series.items()} == {
        Series.CONNECTIONS: 0,
        Series.STORED: 250,
        Series.SENDS: 1,
        Series.DELIVERIES: 4,
        Series.FAILURES: 1,
    }
    assert all(len(numbers) == 13 * 60 for numbers in series.values())
    assert sum(series[Series.SENDS]) == 2
    assert series[Series.SENDS][(clock.at - timedelta(minutes=10, hours=12) - start) // timedelta(minutes=1)] == 1


async def test_a_period_that_is_over_is_read_once(
    client: InspectedClient, writer: UsageWriter, reader: UsageReader, project: ProjectId
) -> None:
    writer.counts.accepted(project)
    await writer.write()
    first, days = await reader.months(project, 3), await reader.days(project, 3)
    for name in ("2026-01", "2026-02", "2026-03", "2026-02-27", "2026-02-28", "2026-03-01"):
        await client.redis.hset(keys.usage(project, name), "sends", 9)
    assert [each.sends for each in await reader.months(project, 3)] == [0, 9, 9]
    assert [each.sends for each in await reader.days(project, 3)] == [0, 9, 9]
    assert [each.sends for each in first] == [each.sends for each in days] == [0, 0, 1]
    reader._ended |= {(project, str(number)): first[0] for number in range(usage.ENDED_PERIODS)}
    assert [each.sends for each in await reader.months(project, 3)] == [0, 9, 9]
    assert await reader.months(project, 0) == []


async def test_a_sample_of_connections_is_added_to_those_of_other_workers(
    writer: UsageWriter, reader: UsageReader, project: ProjectId
) -> None:
    await writer.sample_connections([(project, 5)])
    await writer.sample_connections([(project, 7)])
    _, series = await reader.minutes(project, 2)
    assert series[Series.CONNECTIONS] == [0, 12]


async def test_every_key_expires_and_is_a_key_of_the_project(
    client: InspectedClient, writer: UsageWriter, clock: Clock, project: ProjectId
) -> None:
    writer.counts.accepted(project)
    writer.counts.ended(project, failure())
    writer.counts.refused(project, "forbidden", "https://a.example")
    await writer.write()
    found = {name.decode() async for name in client.redis.scan_iter(keys.all_of_project(project))}
    hour = keys.usage_minutes(project, "2026-03-01T12")
    assert found == {
        keys.usage(project, "2026-03"),
        keys.usage(project, "2026-03-01"),
        hour,
        keys.latest_failures(project),
        keys.refusals(project, int(clock() // usage.REFUSALS_SECONDS)),
    }
    assert all([await client.redis.ttl(name) > 0 for name in found])
    assert await client.redis.strlen(hour) <= 4 * 60 * len(Series)


async def test_what_redis_does_not_take_is_written_later(
    client: InspectedClient,
    writer: UsageWriter,
    reader: UsageReader,
    project: ProjectId,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(usage, "WRITE_SECONDS", 0.01)
    counts = writer.counts
    counts.accepted(project)
    counts.ended(project, failure(reason="first"))
    counts.refused(project, "forbidden", "")
    counts.reached(project, Milestone.REQUEST)
    with unavailable(client):
        await writer.write()
    counts.accepted(project)
    counts.ended(project, failure(reason="second"))
    running = asyncio.create_task(writer.run())
    while not (failures := await reader.failures(project, 5)):
        await asyncio.sleep(0.01)
    running.cancel()
    assert [each.reason for each in failures] == ["second", "first"]
    assert (await reader.months(project, 1))[0].sends == 2
    assert await reader.refusals(project) == [Refusal("forbidden", "", 1)]
    assert list(await reader.milestones(project)) == [Milestone.REQUEST]


async def test_the_newest_failures_are_kept(
    client: InspectedClient, writer: UsageWriter, reader: UsageReader, project: ProjectId
) -> None:
    for number in range(4 * usage_counts.MAX_FAILURES):
        writer.counts.ended(project, failure(reason=str(number)))
        writer.counts.ended(project, failure("delivered"))
        await writer.write()
    found = await reader.failures(project, 3)
    assert [each.reason for each in found] == ["79", "78", "77"]
    assert await client.redis.llen(keys.latest_failures(project)) == usage.KEPT_FAILURES
    for number in range(30):
        writer.counts.ended(project, failure(reason=f"b{number}"))
    await writer.write()
    assert [each.reason for each in await reader.failures(project, 21)][-2:] == ["b10", "79"]


async def test_a_milestone_is_kept_at_the_time_at_which_it_was_first_reached(
    writer: UsageWriter, reader: UsageReader, project: ProjectId, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([1.0, 2.0])
    monkeypatch.setattr("time.time", lambda: next(times, 3.0))
    other = UsageWriter(reader._client, UsageCounts())
    for each in (writer, other):
        each.counts.reached(project, Milestone.CONNECTION)
        each.counts.reached(project, Milestone.CONNECTION)
        await each.write()
    writer.counts.stored(project)
    await writer.write()
    assert await reader.milestones(project) == {Milestone.NOTIFICATION: 3000, Milestone.CONNECTION: 1000}


async def test_refusals_are_counted_by_code_and_origin_and_their_kinds_are_bounded(
    writer: UsageWriter, reader: UsageReader, clock: Clock, project: ProjectId
) -> None:
    counts = writer.counts
    counts.refused(project, "forbidden", "https://a.example")
    await writer.write()
    clock.at += timedelta(minutes=10)
    for number in range(usage_counts.MAX_REFUSALS):
        counts.refused(project, "forbidden", f"https://{'a' if number % 2 else number}.example")
    counts.refused(project, "forbidden", "")
    for number in range(50):
        counts.refused(project, "forbidden", "https://b.example" + "x" * number)
        counts.refused(project, "token_expired", f"https://{number}.example")
    await writer.write()
    found = await reader.refusals(project)
    assert Refusal("forbidden", "https://a.example", 11) in found
    assert len(found) <= usage_counts.MAX_REFUSALS + 1
    assert next(each for each in found if each.code == "others").times > 40
    assert found == sorted(found, key=lambda each: -each.times)
    clock.at += timedelta(minutes=20)
    assert await reader.refusals(project) == []


def test_a_deleted_project_is_forgotten_and_the_number_of_projects_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_counts, "MAX_PROJECTS", 2)
    counts = UsageCounts()
    for name in ("a", "b", "c"):
        counts.accepted(ProjectId(name))
        for milestone in Milestone:
            counts.reached(ProjectId(name), milestone)
    counts.forget(ProjectId("a"))
    taken, milestones = counts.take()
    assert list(taken) == ["b"]
    assert {project for project, _ in milestones} == {"b", "c"}
    counts.reached(ProjectId("c"), Milestone.SEEN)
    assert counts.take()[1] == {}
    counts.forget_reached()
    counts.reached(ProjectId("c"), Milestone.SEEN)
    assert len(counts.take()[1]) == 1


async def test_counts_survive_an_exception_that_nobody_expected(
    client: InspectedClient, writer: UsageWriter, reader: UsageReader, project: ProjectId
) -> None:
    writer.counts.accepted(project)
    client.refusal = lambda: ValueError("a fault")  # type: ignore[assignment, return-value] # what it never returns
    with pytest.raises(ValueError, match="a fault"):
        await writer.write()
    client.refusal = lambda: None
    await writer.write()
    assert (await reader.days(project, 1))[0].sends == 1
