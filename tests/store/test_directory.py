"""The directory: external ids and emails name one user."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.domain.ids import ProjectId
from gateway.domain.new_user_limits import NewUserLimits
from gateway.domain.principal import Identity, User
from gateway.store import keys
from gateway.store.directory import CACHE_SECONDS, Directory
from gateway.store.errors import IdentityConflictError
from gateway.store.redis.functions import FunctionCall
from gateway.store.redis.problems import StoreDataError
from tests.logs import captured_log
from tests.store.conftest import InspectedClient, new_user

LIMITS = NewUserLimits(0, 0)


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def project() -> ProjectId:
    return new_user().project_id


@pytest.fixture
def directory(client: InspectedClient) -> Directory:
    return Directory(client, Clock())


async def test_an_unknown_name_becomes_a_user_and_stays_the_same_one(directory: Directory, project: ProjectId) -> None:
    user = await directory.resolve(project, Identity(external_id="joe"))
    assert (user.external_id, user.email) == ("joe", None)
    assert await directory.resolve(project, Identity(external_id="joe")) == user


async def test_both_names_of_a_user_lead_to_it(client: InspectedClient, project: ProjectId) -> None:
    first = await Directory(client, Clock()).resolve(project, Identity("joe", "joe@example.com"))
    for identity in (Identity("joe"), Identity(email="joe@example.com"), Identity("joe", "joe@example.com")):
        assert await Directory(client, Clock()).resolve(project, identity) == first


@pytest.mark.parametrize("known", [Identity("joe"), Identity(email="joe@example.com")])
async def test_a_user_known_by_one_name_gets_the_other(
    directory: Directory, project: ProjectId, known: Identity
) -> None:
    first = await directory.resolve(project, known)
    both = await directory.resolve(project, Identity("joe", "joe@example.com"))
    assert both.id == first.id
    assert (both.external_id, both.email) == ("joe", "joe@example.com")


async def test_a_new_email_replaces_the_old_one(client: InspectedClient, project: ProjectId) -> None:
    first = await Directory(client, Clock()).resolve(project, Identity("joe", "old@example.com"))
    await Directory(client, Clock()).resolve(project, Identity("joe", "new@example.com"))
    directory = Directory(client, Clock())
    assert (await directory.resolve(project, Identity(email="new@example.com"))).id == first.id
    assert (await directory.resolve(project, Identity(email="old@example.com"))).id != first.id


async def test_an_old_email_is_forgotten_by_the_cache_as_well(directory: Directory, project: ProjectId) -> None:
    first = await directory.resolve(project, Identity("joe", "old@example.com"))
    await directory.resolve(project, Identity("joe", "new@example.com"))
    assert (await directory.resolve(project, Identity(email="old@example.com"))).id != first.id


async def test_an_identity_with_names_of_two_users_is_refused_and_nothing_is_written(
    client: InspectedClient, project: ProjectId
) -> None:
    directory = Directory(client, Clock())
    await directory.resolve_many(project, [Identity("a"), Identity(email="b@x.org"), Identity("c", "c@x.org")])
    with pytest.raises(IdentityConflictError) as conflict:
        await directory.resolve_many(
            project, [Identity("new"), Identity("a", "b@x.org"), Identity("a"), Identity("d", "c@x.org")]
        )
    assert conflict.value.indexes == (1, 3)
    exists = await client.redis.hexists(f"inbox:1:{{{project}}}:users", "x:new")
    assert not exists


async def test_recipients_of_one_request_may_be_linked_by_each_other(directory: Directory, project: ProjectId) -> None:
    found = await directory.resolve_many(project, [Identity("a"), Identity("a", "a@x.org"), Identity(email="a@x.org")])
    assert len({resolved.user.id for resolved in found}) == 1


async def test_users_of_two_projects_are_different(directory: Directory) -> None:
    one = await directory.resolve(new_user().project_id, Identity("joe"))
    other = await directory.resolve(new_user().project_id, Identity("joe"))
    assert one.id != other.id


async def test_the_cache_is_asked_first_and_forgets(client: InspectedClient, project: ProjectId) -> None:
    clock = Clock()
    directory = Directory(client, clock)
    fresh = []
    for now in (0, 1, CACHE_SECONDS + 2):
        clock.now = now
        fresh.append((await directory.resolve_many(project, [Identity("joe")]))[0].fresh)
    assert fresh == [True, False, True]


# ---- the user index


async def test_the_user_index_has_every_user_once_in_the_order_of_their_creation(
    directory: Directory, project: ProjectId
) -> None:
    assert await directory.user_index_size(project) == 0
    assert await directory.read_user_index(project, 0, 10) == []
    users = [await directory.resolve(project, Identity(f"u{number}")) for number in range(3)]
    named_twice = [Identity("new", "new@example.com"), Identity(email="new@example.com"), Identity("u1", "1@b.c")]
    resolved = await directory.resolve_many(project, named_twice)
    users = [users[0], resolved[2].user, users[2], resolved[0].user]
    assert await directory.user_index_size(project) == 4
    assert await directory.read_user_index(project, 0, 10) == users
    assert await directory.read_user_index(project, 1, 2) == users[1:3]
    assert await directory.read_user_index(project, 4, 10) == []


async def test_a_deleted_user_leaves_a_gap_in_the_user_index(directory: Directory, project: ProjectId) -> None:
    users = [await directory.resolve(project, Identity(f"u{number}")) for number in range(3)]
    await directory.forget(users[1])
    assert await directory.read_user_index(project, 0, 3) == [users[0], users[2]]
    again = await directory.resolve(project, Identity("u1"))
    assert await directory.read_user_index(project, 1, 3) == [users[2], again]
    assert await directory.user_index_size(project) == 4


async def test_a_user_with_other_names_keeps_its_place_in_the_user_index(
    directory: Directory, project: ProjectId
) -> None:
    first, second = [await directory.resolve(project, Identity(name)) for name in ("a", "b")]
    renamed = await directory.rename(first, "c", None)
    assert await directory.read_user_index(project, 0, 9) == [renamed, second]


async def test_a_refused_request_takes_no_place_in_the_user_index(directory: Directory, project: ProjectId) -> None:
    for identity in (Identity("joe"), Identity(email="ann@example.com")):
        await directory.resolve(project, identity)
    await directory.resolve(project, Identity("ann", "ann@example.com"))
    with pytest.raises(IdentityConflictError):
        await directory.resolve_many(project, [Identity("new"), Identity("joe", "ann@example.com")])
    assert await directory.user_index_size(project) == 2


async def test_the_user_index_goes_on_where_one_of_its_strings_is_full(
    directory: Directory, client: InspectedClient, project: ProjectId
) -> None:
    await client.redis.hset(keys.directory(project), mapping={"n": str(2**16 - 2), "format": "1"})
    users = [await directory.resolve(project, Identity(f"u{number}")) for number in range(4)]
    assert await directory.read_user_index(project, 0, 2**17) == users
    assert await directory.read_user_index(project, 2**16 - 1, 2) == users[1:3]
    strings = keys.directory(project) + keys.DIRECTORY_SUFFIXES["USER_INDEX"]
    assert [await client.redis.strlen(f"{strings}{part}") for part in range(2)] == [2**20, 32]


async def test_a_user_from_before_there_was_a_user_index_is_put_into_it_when_next_seen(
    directory: Directory, client: InspectedClient, project: ProjectId
) -> None:
    user = new_user()
    for name, value in ((f"u:{user.id}", '{"x":"joe","e":""}'), ("x:joe", user.id)):
        await client.redis.hset(keys.directory(project), name, value)
    await directory.resolve(project, Identity("joe"))
    assert [found.id for found in await directory.read_user_index(project, 0, 9)] == [user.id]


@pytest.mark.parametrize("garbage", [b"garbage", b"[]", b'{"x": 1}', b'{"x":"","e":"","n":"first"}', b"\xff"])
async def test_a_record_that_cannot_be_read_concerns_that_user_only_and_can_be_removed(
    client: InspectedClient, project: ProjectId, garbage: bytes
) -> None:
    directory = Directory(client, Clock())
    broken, other = [await directory.resolve(project, Identity(name)) for name in ("broken", "other")]
    await client.redis.hset(keys.directory(project), f"u:{broken.id}", garbage)
    directory.forget_all()
    with captured_log() as lines:
        with pytest.raises(StoreDataError):
            await directory.resolve(project, Identity("broken"))
        assert await directory.resolve(project, Identity("other")) == other
        assert await directory.read_user_index(project, 0, 10) == [other]
        found = await directory.find(project, "x:broken")
        assert found is not None
        assert found.id == broken.id
        await directory.forget(found)
    assert broken.id in [line.get("user") for line in lines]
    again = await directory.resolve(project, Identity("broken"))
    assert again.id != broken.id
    assert await directory.read_user_index(project, 0, 10) == [other, again]


async def test_a_name_whose_user_is_lost_leads_to_a_user_again(client: InspectedClient, project: ProjectId) -> None:
    directory = Directory(client, Clock())
    user = await directory.resolve(project, Identity("ada"))
    await client.redis.hdel(keys.directory(project), f"u:{user.id}")
    directory.forget_all()
    assert (await directory.resolve(project, Identity("ada"))).external_id == "ada"


async def test_a_user_that_was_read_before_a_change_of_names_is_not_cached_after_it(
    client: InspectedClient, project: ProjectId
) -> None:
    other = Directory(client, Clock())
    user = await other.resolve(project, Identity(email="moved@example.com"))
    directory = Directory(client, Clock())
    call = client.call

    async def late(sent: FunctionCall[Any]) -> Any:
        reply = await call(sent)
        client.call = call  # type: ignore[method-assign]
        # The message about a change overtakes a reply that was sent before it.
        await other.rename(user, "joe", None)
        directory.forget_cached(project, user.id)
        return reply

    reads: list[Callable[[], Awaitable[User | None]]] = [
        lambda: directory.resolve(project, Identity(email="moved@example.com")),
        lambda: directory.resolve_limited(project, Identity(email="moved@example.com"), lambda: "", LIMITS),
        lambda: directory.by_id(project, user.id),
    ]
    for read in reads:
        await other.rename(user, None, "moved@example.com")
        client.call = late  # type: ignore[method-assign, assignment]
        found = await read()
        assert found is not None
        assert found.email == "moved@example.com"
        owner = await directory.resolve(project, Identity(email="moved@example.com"))
        assert owner.id != user.id
        await other.forget(owner)
        directory.forget_cached(project, owner.id)
