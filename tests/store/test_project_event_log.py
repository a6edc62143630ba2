"""The log of a project's events: pages in both directions, filters, bounds, and the message to the open tails."""

import random
import struct
from uuid import uuid4

import pytest

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import Project
from gateway.domain.project_event import EventPlace, ProjectEvent, ProjectEventType
from gateway.store import keys
from gateway.store.project_event_log import (
    EventRetention,
    ProjectEventLog,
    StoredEvent,
    packed,
    read_published,
    user_event_packer,
)
from tests.store.conftest import InspectedClient, new_user

T = ProjectEventType
ALL = tuple(T)


@pytest.fixture
def project() -> ProjectId:
    return ProjectId(f"p{uuid4().hex[:8]}")


@pytest.fixture
def log(client: InspectedClient) -> ProjectEventLog:
    return ProjectEventLog(client, EventRetention(1000, 3600))


def user() -> UserId:
    return UserId(str(uuid4()))


def event(kind: ProjectEventType, number: int, user_id: UserId | None = None) -> ProjectEvent:
    field = next(iter(kind.context), None)
    return ProjectEvent(kind, user_id, {field: number} if field else {})


async def walk(
    log: ProjectEventLog, project: ProjectId, *types: ProjectEventType, size: int, **page: object
) -> list[StoredEvent]:
    """Follow the pages of a list from the newest event to the oldest."""
    found: list[StoredEvent] = []
    place = None
    while True:
        part = await log.read(project, types or ALL, size, older_than=place, **page)  # type: ignore[arg-type] # a filter
        found += part.events
        if not part.more:
            return found
        place = part.scanned or part.events[-1].place


async def test_events_of_all_types_are_one_list_with_the_newest_first(log: ProjectEventLog, project: ProjectId) -> None:
    written = [event(random.choice(ALL), number) for number in range(60)]
    for first in range(0, 60, 7):
        await log.append([(project, map(packed, written[first : first + 7]))])
    found = await walk(log, project, size=11)
    assert [each.type for each in found] == [each.type for each in reversed(written)]
    assert [each.place for each in found] == sorted({each.place for each in found}, reverse=True)
    upwards: list[StoredEvent] = []
    while (
        part := await log.read(project, ALL, 9, newer_than=upwards[-1].place if upwards else EventPlace(0, 0))
    ).events:
        upwards += part.events
    assert upwards == found[::-1]


async def test_nothing_precedes_the_first_place(log: ProjectEventLog, project: ProjectId) -> None:
    first, last, one = EventPlace(0, 0), EventPlace(2**48 - 1, 0xFFFF), user()
    await log.append([(project, [packed(event(T.STORED, 1, one))])])
    for user_id in (None, one):
        assert (await log.read(project, ALL, 5, user_id=user_id, older_than=first)).events == []
        assert (await log.read(project, ALL, 5, user_id=user_id, newer_than=last)).events == []
        assert len((await log.read(project, ALL, 5, user_id=user_id, newer_than=first)).events) == 1
        assert len((await log.read(project, ALL, 5, user_id=user_id, older_than=last)).events) == 1


async def test_a_filter_by_type_and_user_finds_what_a_scan_finds(log: ProjectEventLog, project: ProjectId) -> None:
    users = [user() for _ in range(3)]
    users.append(UserId(uuid4().hex[:8] + users[0][8:]))  # of the same part of the index
    written = [event(random.choice(ALL[:5]), number, random.choice([*users, None])) for number in range(80)]
    for first in range(0, 80, 16):
        await log.append([(project, map(packed, written[first : first + 16]))])
    everything = await walk(log, project, size=100)
    for one in users:
        expected = [each for each in everything if each.user_id == one]
        assert await walk(log, project, size=4, user_id=one) == expected
        of_type = [each for each in expected if each.type is ALL[1]]
        assert await walk(log, project, ALL[1], size=1, user_id=one) == of_type
        upwards = await log.read(project, ALL, 100, user_id=one, newer_than=expected[-1].place)
        assert upwards.events == expected[-2::-1]
    assert await walk(log, project, ALL[2], size=3) == [each for each in everything if each.type is ALL[2]]


async def test_an_event_is_found_by_its_place_and_type(log: ProjectEventLog, project: ProjectId) -> None:
    one = user()
    await log.append([(project, [packed(ProjectEvent(T.JWT_ISSUED, one, {"token_id": "t", "scope": None}))])])
    (found,) = (await log.read(project, ALL, 2)).events
    assert (found.type, found.user_id, found.context) == (T.JWT_ISSUED, one, b'{"token_id":"t"}')
    assert await log.find(project, found.place, found.code) == found
    assert await log.find(project, found.place, T.STORED.code) is None
    assert await log.find(project, EventPlace(found.place.ms, found.place.number + 1), found.code) is None
    assert await log.find(ProjectId("another"), found.place, found.code) is None


async def test_many_events_of_one_type_displace_none_of_another(client: InspectedClient, project: ProjectId) -> None:
    log, one = ProjectEventLog(client, EventRetention(100, 3600)), user()
    await log.append([(project, [packed(event(T.JWT_REVOKED, 1, one))])])
    for _ in range(20):
        await log.append([(project, [packed(event(T.STORED, number, one)) for number in range(100)])])
    stored = len(await walk(log, project, T.STORED, size=100))
    assert 100 <= stored <= 200, "whole nodes of the stream are trimmed"
    assert len(await walk(log, project, T.JWT_REVOKED, size=100)) == 1
    assert len(await walk(log, project, size=100, user_id=one)) == stored + 1


async def test_the_index_of_a_user_loses_what_the_log_lost(client: InspectedClient, project: ProjectId) -> None:
    log, one = ProjectEventLog(client, EventRetention(100, 3600)), user()
    for _ in range(32):
        await log.append([(project, [packed(event(T.STORED, number, one)) for number in range(128)])])
    (key,) = await client.redis.keys(keys.project_events(project) + keys.EVENT_SUFFIXES["EVENT_INDEX"] + "*")
    assert await client.redis.strlen(key) <= 10 * (200 + 256)


async def test_old_events_are_not_listed_and_their_keys_expire(client: InspectedClient, project: ProjectId) -> None:
    one = user()
    await ProjectEventLog(client, EventRetention(100, 3600)).append([(project, [packed(event(T.STORED, 1, one))])])
    (found,) = (await ProjectEventLog(client, EventRetention(100, 3600)).read(project, ALL, 5)).events
    base = keys.project_events(project)
    stream = f"{base}{keys.EVENT_SUFFIXES['EVENT_STREAM']}{T.STORED.code}"
    await client.redis.xadd(stream + "2", {"u": b"", "c": b""}, id="1-0")
    await client.redis.delete(stream)
    await client.redis.xadd(stream, {"u": b"", "c": b""}, id=f"{found.place.ms - 10_000}-0")
    log = ProjectEventLog(client, EventRetention(100, 5))
    assert (await log.read(project, ALL, 5)).events == []
    assert (await log.read(project, ALL, 5, newer_than=EventPlace(0, 0))).events == []
    assert await log.find(project, EventPlace(found.place.ms - 10_000, 0), T.STORED.code) is None
    await log.append([(project, [packed(event(T.STORED, 2, one))])])
    for key in await client.redis.keys(base + "*"):
        if key != (stream + "2").encode():
            assert 0 < await client.redis.ttl(key) <= 6, key
    await ProjectEventLog(client, EventRetention(100, 0)).append([(project, [packed(event(T.STORED, 3, one))])])
    assert await client.redis.ttl(stream) == -1


async def test_a_clock_that_goes_back_does_not_reorder_events(
    client: InspectedClient, log: ProjectEventLog, project: ProjectId
) -> None:
    ahead = 2**47
    await client.redis.hset(keys.project_events(project), mapping={"ms": ahead, "number": 65534})
    await log.append([(project, [packed(event(T.STORED, number)) for number in range(3)])])
    places = [each.place for each in reversed(await walk(log, project, size=5))]
    assert places == [EventPlace(ahead, 65535), EventPlace(ahead + 1, 0), EventPlace(ahead + 1, 1)]


async def test_a_scan_of_an_index_is_bounded_and_continues(
    log: ProjectEventLog, client: InspectedClient, project: ProjectId
) -> None:
    rare = user()
    await log.append([(project, [packed(event(T.USER_CREATED, 1, rare))])])
    (written,) = (await log.read(project, ALL, 1)).events
    entry = struct.pack(">6sH2s", (written.place.ms + 1).to_bytes(6), 0, b"xx")
    (index,) = await client.redis.keys(keys.project_events(project) + keys.EVENT_SUFFIXES["EVENT_INDEX"] + "*")
    await client.redis.append(index, entry * 3000)
    part = await log.read(project, ALL, 5, user_id=rare)
    assert (part.events, part.more, part.scanned) == ([], True, EventPlace(written.place.ms + 1, 0))
    assert (await log.read(project, ALL, 5, user_id=rare, older_than=part.scanned)).events == [written]


async def test_a_published_message_has_the_events_as_the_log_has_them(
    client: InspectedClient, log: ProjectEventLog, project: ProjectId
) -> None:
    async with client.redis.pubsub() as subscriber:
        await subscriber.execute_command("SSUBSCRIBE", keys.project_events(project))
        assert (await subscriber.parse_response())[0] == b"ssubscribe"
        await log.append([(project, [packed(event(T.STORED, 1, user())), packed(event(T.PROJECT_CHANGED, 2))])])
        received = (await subscriber.parse_response())[2]
    assert list(read_published(received)) == (await log.read(project, ALL, 5)).events[::-1]


def test_another_message_is_not_read() -> None:
    with pytest.raises(ValueError, match="append"):
        list(read_published(b"something"))


def test_a_packer_of_one_type_packs_as_all_events_are_packed() -> None:
    one, notification = user(), str(uuid4())
    found = user_event_packer(T.STORED, "notification_id")(one, notification)
    assert found == packed(ProjectEvent(T.STORED, one, {"notification_id": notification}))


async def test_a_project_keeps_fewer_events_than_the_settings_and_never_more(client: InspectedClient) -> None:
    project = new_user().project_id
    log = ProjectEventLog(client, EventRetention(500, 100))

    def own(events: int | None, seconds: int | None) -> EventRetention:
        record = Project(
            project, "Shop", "key", True, (), event_retention_count=events, event_retention_seconds=seconds
        )
        log.note(record)
        return log.retention_of(project)

    assert own(None, None) == (500, 100)
    assert own(5, None) == (5, 100)
    assert own(1000, 0) == (500, 100)
    assert own(None, 50) == (500, 50)
    assert EventRetention(500, 0).bounded(None, None) == (500, 0)
    assert own(1, None) == (1, 100)
    for _ in range(300):  # more than Redis keeps in one node of a stream
        await log.append([(project, [packed(ProjectEvent(ProjectEventType.LIMIT_REACHED, None, {"max": 1}))])])
    page = await log.read(project, [ProjectEventType.LIMIT_REACHED], 400)
    assert len(page.events) < 300
    assert own(None, None) == (500, 100)
