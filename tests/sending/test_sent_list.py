"""The list of what was sent, made from the events of a project."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

import pytest

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.project_event import ContextValue, EventPlace, ProjectEvent, ProjectEventType
from gateway.sending import sent_list
from gateway.sending.sent_list import SentEntry, SentFilter, SentList
from gateway.store import keys
from gateway.store.contents import Content, ContentStore, NotificationFields
from gateway.store.deliveries import Delivery
from gateway.store.inbox import InboxStore
from gateway.store.jobs import JobKind, JobStore
from gateway.store.project_event_log import EventRetention, ProjectEventLog, packed
from gateway.store.recipient_states import RecipientStates
from gateway.store.sent_recipients import RecipientList, SentRecipients
from tests.store.conftest import InspectedClient, at, new_user

T = ProjectEventType
ALL = SentFilter()


class Book:
    """A project with a log, to which events are appended as they are given."""

    def __init__(self, client: InspectedClient, store: InboxStore):
        self.user = new_user()
        self.project: ProjectId = self.user.project_id
        self.log = ProjectEventLog(client, EventRetention(10_000, 0))
        self.list = SentList(
            log=self.log,
            recipients=SentRecipients(client),
            states=RecipientStates(client),
            contents=ContentStore(client),
            jobs=JobStore(client),
        )

    async def note(self, kind: ProjectEventType, *, of_user: bool = False, **context: ContextValue) -> None:
        user: UserId | None = self.user.id if of_user else None
        await self.log.append([(self.project, [packed(ProjectEvent(kind, user, context))])])

    async def page(self, size: int = 10, wanted: SentFilter = ALL, after: EventPlace | None = None) -> list[SentEntry]:
        return (await self.list.page(self.project, size, wanted, after)).entries


@pytest.fixture
def book(client: InspectedClient, store: InboxStore) -> Book:
    return Book(client, store)


def ids(entries: Sequence[SentEntry]) -> list[str]:
    return [entry.id for entry in entries]


async def test_events_of_single_recipients_of_a_larger_request_are_no_entries(book: Book) -> None:
    one, many, broadcast = (str(uuid4()) for _ in range(3))
    await book.note(T.STORED, of_user=True, notification_id=one)
    for _ in range(3):
        await book.note(T.STORED, of_user=True, notification_id=many, of_many=True)
    await book.note(T.ACCEPTED, notification_id=many, recipients=3, stored=3, suppressed=0, category="c")
    await book.note(T.BROADCAST_CHANGED, broadcast_id=broadcast, status="enqueued", audience="everyone")
    await book.note(T.STORED, broadcast_id=broadcast, count=250)
    await book.note(T.SUPPRESSED, of_user=True, notification_id=broadcast, of_many=True)
    await book.note(T.BROADCAST_CHANGED, broadcast_id=broadcast, status="processed")
    found = await book.page()
    assert [(each.id, each.audience) for each in found] == [(broadcast, "everyone"), (many, "users"), (one, "user")]
    assert (found[1].stored, found[1].category, found[1].title) == (3, "c", None)
    assert ids(await book.page(wanted=SentFilter(user_id=book.user.id))) == [broadcast, many, one]
    assert ids(await book.page(wanted=SentFilter(user_id=book.user.id, is_broadcast=True))) == []


async def test_a_request_of_an_earlier_version_is_one_entry(book: Book) -> None:
    many = str(uuid4())
    await book.note(T.ACCEPTED, notification_id=many, recipients=2)
    for _ in range(2):
        await book.note(T.STORED, of_user=True, notification_id=many)
    assert [(each.id, each.audience) for each in await book.page()] == [(many, "users")]


async def test_a_page_examines_a_bounded_number_of_events_and_goes_on_there(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sent_list, "SCANNED_AT_ONCE", 2)
    monkeypatch.setattr(sent_list, "SCANS", 2)
    sent = [str(uuid4()) for _ in range(3)]
    for each in sent:
        await book.note(T.STORED, of_user=True, notification_id=each)
        for _ in range(3):
            await book.note(T.STORED, broadcast_id=str(uuid4()), count=250)
    seen: list[str] = []
    place, pages = None, 0
    while True:
        page = await book.list.page(book.project, 10, ALL, place)
        seen, pages = seen + ids(page.entries), pages + 1
        if page.older is None:
            break
        place = page.older
    assert (seen, pages) == (sent[::-1], 3)
    page = await book.list.page(book.project, 10, ALL, None, EventPlace(0, 0))
    assert ids(page.entries) == sent[:1]
    assert page.newer is not None


async def test_times_bound_the_list(book: Book) -> None:
    sent = str(uuid4())
    await book.note(T.STORED, of_user=True, notification_id=sent)
    (entry,) = await book.page()
    ms = entry.place.ms
    assert ids(await book.page(wanted=SentFilter(since_ms=ms))) == [sent]
    assert ids(await book.page(wanted=SentFilter(since_ms=ms + 1))) == []
    assert ids(await book.page(wanted=SentFilter(until_ms=ms + 1))) == [sent]
    assert ids(await book.page(wanted=SentFilter(until_ms=ms))) == []


async def test_a_filter_by_category_finds_items_by_their_states_and_others_by_their_events(
    book: Book, store: InboxStore
) -> None:
    contents = [Content.encode(str(uuid4()), NotificationFields(title=name, category=name)) for name in ("a b", "b")]
    for each in contents:
        await store.create(each, [Delivery(book.user, {}, True)], at(5), False)
        await book.note(T.STORED, of_user=True, notification_id=each.id_text)
    muted, many, plain = (str(uuid4()) for _ in range(3))
    await book.note(T.SUPPRESSED, of_user=True, notification_id=muted, rule="preference", category="b", topic="t")
    await book.note(T.ACCEPTED, notification_id=many, recipients=3, category="uncategorized")
    await book.note(T.BROADCAST_CHANGED, broadcast_id=plain, status="enqueued")
    (first,) = await book.page(wanted=SentFilter(category="a b"))
    assert (first.id, first.title, first.sampled) == (contents[0].id_text, "a b", 1)
    found = await book.page(wanted=SentFilter(category="b"))
    assert [(each.id, each.title, each.topic) for each in found] == [
        *((muted, None, "t"), (contents[1].id_text, "b", None))
    ]
    assert ids(await book.page(wanted=SentFilter(category=""))) == [plain, many]
    page = await book.list.page(book.project, 1, SentFilter(category="b"))
    assert (ids(page.entries), page.older) == ([muted], found[0].place)
    page = await book.list.page(book.project, 1, SentFilter(category="b"), None, EventPlace(0, 0))
    assert ids(page.entries) == [contents[1].id_text]


async def test_the_page_on_the_other_side_of_an_empty_one_has_the_last_entry(book: Book) -> None:
    sent = [str(uuid4()) for _ in range(3)]
    for each in sent:
        await book.note(T.STORED, of_user=True, notification_id=each)
    newest, _, oldest = await book.page()
    empty = await book.list.page(book.project, 2, ALL, oldest.place)
    assert (empty.entries, empty.older) == ([], None)
    page = await book.list.page(book.project, 2, ALL, None, empty.newer)
    assert ids(page.entries) == [sent[1], sent[0]]
    empty = await book.list.page(book.project, 2, ALL, None, newest.place)
    assert (empty.entries, empty.newer) == ([], None)
    assert ids((await book.list.page(book.project, 2, ALL, empty.older)).entries) == [sent[2], sent[1]]
    empty = await book.list.page(book.project, 2, ALL, EventPlace(oldest.place.ms - 1, 0))
    assert empty.newer == EventPlace(oldest.place.ms - 2, 65_535)
    empty = await book.list.page(book.project, 2, ALL, None, EventPlace(newest.place.ms + 1, 65_535))
    assert empty.older == EventPlace(newest.place.ms + 2, 0)


async def test_a_broadcast_that_is_processed_while_a_page_is_read_is_not_shown_as_processed_with_old_figures(
    book: Book, client: InspectedClient
) -> None:
    broadcast = str(uuid4())
    await book.list.jobs.enqueue(JobKind.BROADCAST, book.project, broadcast, b"{}", created_ms=0)
    await book.note(T.BROADCAST_CHANGED, broadcast_id=broadcast, status="enqueued", audience="everyone")

    class EndsAfterwards(SentRecipients):
        async def lists(self, project_id: ProjectId, ids: Sequence[str]) -> list[RecipientList]:
            found = await super().lists(project_id, ids)
            await client.command("HSET", keys.job(project_id, broadcast), "status", "processed")
            return found

    book.list = replace(book.list, recipients=EndsAfterwards(client))
    (entry,) = await book.page()
    assert (entry.status, entry.recipients) == ("enqueued", 0)
    (entry,) = await book.page()
    assert entry.status == "processed"
