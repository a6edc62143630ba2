"""Pages of a project's users: by cursor in both directions, past deleted users, in bounded steps, and by name."""

import functools
import operator
import time

import pytest

from gateway.domain.ids import ProjectId
from gateway.domain.principal import Identity, User
from gateway.store import keys
from gateway.store import user_pages as module
from gateway.store.directory import Directory
from gateway.store.profiles import ProfileStore
from gateway.store.user_pages import UserCursor, UserPage, UserPages
from tests.store.conftest import InspectedClient, new_user


class Town:
    """The users of a project of its own, named u0, u1, … in the order of their creation."""

    def __init__(self, client: InspectedClient):
        self.client = client
        self.pages = UserPages(client)
        self.directory = Directory(client, lambda: 0.0)
        self.project_id: ProjectId = new_user().project_id

    async def create(self, count: int) -> list[User]:
        identities = [Identity(f"u{number}") for number in range(count)]
        return [each.user for each in await self.directory.resolve_many(self.project_id, identities)]

    async def walk(self, size: int, name: str = "", back: bool = False) -> list[list[int]]:
        """Return the numbers of the users on each page, from the newest to the oldest and perhaps back."""
        found: list[list[int]] = []
        page = await self._page(size, name, None, None)
        assert page.newer is None
        while True:
            found.append(numbers(page))
            if page.older is None:
                break
            page = await self._page(size, name, UserCursor("", page.older), None)
            assert page.newer is not None
        while back and page.newer is not None:
            page = await self._page(size, name, None, UserCursor("", page.newer))
            found.append(numbers(page))
        return found

    async def _page(self, size: int, name: str, after: UserCursor | None, before: UserCursor | None) -> UserPage:
        project = self.project_id
        page = await (
            self.pages.search(project, name, size, after, before)
            if name
            else self.pages.page(project, size, after, before)
        )
        assert page is not None
        return page


def numbers(page: UserPage) -> list[int]:
    return [int((user.external_id or "")[1:]) for user, _ in page.entries]


@pytest.fixture
def town(client: InspectedClient) -> Town:
    return Town(client)


async def test_a_project_without_users_has_one_empty_page(town: Town) -> None:
    assert await town.walk(2) == [[]]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
async def test_pages_lead_from_the_newest_user_to_the_oldest_and_back(town: Town, size: int) -> None:
    await town.create(7)
    everyone = list(range(6, -1, -1))
    pages = await town.walk(size, back=True)
    there = pages[: -(-7 // size)]
    assert functools.reduce(operator.iadd, there, []) == everyone
    assert all(len(page) == size for page in there[:-1])
    back = pages[len(there) :]
    assert (
        functools.reduce(operator.iadd, back[::-1], [])
        == everyone[: sum(map(len, back))]
        == everyone[: -len(there[-1])]
    )


async def test_deleted_users_are_left_out_and_their_cursors_stay_valid(town: Town) -> None:
    users = await town.create(6)
    first = await town.pages.page(town.project_id, 2)
    assert first is not None
    for user in users[2:5]:
        await town.directory.forget(user)
    assert first.older == 4
    second = await town.pages.page(town.project_id, 2, after=UserCursor(users[4].id, first.older))
    assert second is not None
    assert numbers(second) == [1, 0]
    by_id = await town.pages.page(town.project_id, 1, after=UserCursor(users[5].id))
    assert by_id is not None
    assert numbers(by_id) == [1]
    assert await town.pages.page(town.project_id, 1, after=UserCursor(users[4].id)) is None
    assert await town.pages.search(town.project_id, "x", 1, after=UserCursor(users[4].id)) is None


async def test_a_page_reads_a_bounded_part_of_the_index(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    users = await town.create(10)
    for user in users[1:9]:
        await town.directory.forget(user)
    monkeypatch.setattr(module, "SCANNED_PLACES", 4)
    pages = await town.walk(2, back=True)
    assert pages[:3] == [[9], [], [0]]
    assert functools.reduce(operator.iadd, pages[3:], []) == [9]


async def test_the_parts_of_the_index_are_read_as_one(town: Town) -> None:
    users = await town.create(3)
    directory = keys.directory(town.project_id)
    last_of_part = 65535
    await town.client.redis.hset(directory, "n", last_of_part)
    more = [
        each.user
        for each in await town.directory.resolve_many(town.project_id, [Identity(f"u{number}") for number in (3, 4, 5)])
    ]
    assert await town.walk(4) == [[5, 4, 3], [], [], [], [2, 1, 0]] or len(users) == len(more)
    newest = await town.pages.page(town.project_id, 2)
    assert newest is not None
    assert [place for _, place in newest.entries] == [last_of_part + 2, last_of_part + 1]
    back = await town.pages.page(town.project_id, 2, before=UserCursor("", last_of_part - 1))
    assert back is not None
    assert (numbers(back), back.newer, back.older) == ([4, 3], last_of_part + 1, last_of_part)


async def test_a_search_finds_parts_of_names_in_any_case_and_continues_where_it_stopped(
    town: Town, client: InspectedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "NAMES_PER_READ", 2)
    monkeypatch.setattr(module, "NAMES_PER_PAGE", 4)
    users = await town.create(9)
    profiles = ProfileStore(client)
    for number, (first, last) in {0: ("Ada", "Byron"), 4: ("Adam", None), 7: (None, "MADAM"), 8: ("Eve", "A")}.items():
        await profiles.set(users[number], {"first_name": first, "last_name": last})
    assert await town.walk(3, "ada") == [[7], [4], [0]]
    assert await town.walk(1, "ADA") == [[7], [4], [0]]
    assert await town.walk(5, "a b") == [[], [], [0]]
    assert [sorted(page) for page in await town.walk(3, "ada", back=True)][3:] == [[4], [7]]


async def test_summaries_have_attributes_and_times(town: Town, client: InspectedClient) -> None:
    one, two, broken = await town.create(3)
    assert await town.pages.summaries([]) == []
    await town.client.redis.hset(keys.directory(town.project_id), f"u:{two.id}", '{"x":"u1","e":"","n":1}')
    await ProfileStore(client).set(one, {"first_name": "Ada", "custom_attributes": {"a": 1}})
    await client.redis.hset(keys.user(one.project_id, one.id), mapping={"seen_at": 7, "sent_at": 0})
    await client.redis.set(keys.user(broken.project_id, broken.id), "x")
    first, second, third = await town.pages.summaries([one, two, broken])
    assert first.attributes["custom_attributes"] == {"a": 1}
    assert (first.last_seen_at, first.last_notified_at) == (7, None)
    assert first.is_named_like("da")
    assert (first.created_at, second.created_at, third.created_at) == (first.created_at, None, first.created_at)
    assert abs((first.created_at or 0) - time.time()) < 10
    assert set(second.attributes.values()) == set(third.attributes.values()) == {None}
    await town.client.redis.delete(keys.directory(town.project_id))
    await town.client.redis.set(keys.directory(town.project_id), "x")
    assert (await town.pages.summaries([one]))[0] == first._replace(created_at=None)
