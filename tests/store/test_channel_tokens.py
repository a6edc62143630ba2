"""Channel tokens: only the user that registered one last has it, even after crashes and concurrent registrations."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from gateway.channels import apns, expo, fcm, inbox, slack, web_push
from gateway.channels.registry import TOKEN_KINDS
from gateway.channels.token_kind import TokenKind
from gateway.domain.guard import UNGUARDED, Guard, TokenRevokedError
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.channel_tokens import (
    MAX_DISCARDED,
    MAX_LIVE,
    PUT_TOKEN,
    REMOVE_TOKEN,
    ChannelToken,
    ChannelTokenStore,
    DiscardReason,
    Ended,
    connection_token_id,
    field_of,
)
from gateway.store.deletion import UserDeletion
from gateway.store.guarded import USE, UserFunctions
from gateway.store.redis.client import FunctionClient, StoreUnavailableError
from gateway.store.redis.functions import FunctionCall
from gateway.store.redis.problems import StoreDataError
from tests.store.conftest import InspectedClient, new_user

KIND = expo.TOKEN
SAME = {"device_token": "token"}


def values(token: str) -> dict[str, str]:
    return {"device_token": token}


def colleague(user: User, name: str) -> User:
    """Another user of the same project."""
    return User(user.project_id, UserId(str(uuid4())), name, None)


@pytest.fixture
def ada() -> User:
    return new_user("ada")


@pytest.fixture
def bob(ada: User) -> User:
    return colleague(ada, "bob")


@pytest.fixture
def store(client: InspectedClient) -> ChannelTokenStore:
    return ChannelTokenStore(client)


async def register(
    store: ChannelTokenStore,
    user: User,
    kind: TokenKind,
    registered: Mapping[str, Any],
    now_ms: int,
    authenticated_by: str = "",
) -> ChannelToken:
    return (await store.register(user, kind, registered, now_ms, authenticated_by=authenticated_by)).token


async def listed(
    store: ChannelTokenStore, user: User, kind: TokenKind = KIND, live_only: bool = True
) -> list[ChannelToken]:
    """Return all tokens of a user, read page by page."""
    found: list[ChannelToken] = []
    while True:
        after = str(found[-1].id) if found else None
        page = await store.page(user, kind, 30, after, None, live_only)
        assert page.has_newer is bool(found)
        found += page.tokens
        if not page.has_older:
            return found


async def tokens(client: FunctionClient, user: User) -> set[str]:
    """Return the device tokens that a user has."""
    return {each.record.fields["device_token"] for each in await listed(ChannelTokenStore(client), user)}


async def holders(client: InspectedClient, project_id: ProjectId) -> list[str]:
    """Return the holders of a token in the project's slot."""
    packed = await client.redis.hget(keys.token_holders(project_id), field_of(KIND, SAME))
    return [user for user, _ in msgspec.json.decode(packed)] if packed else []


class FailingClient(FunctionClient):
    """A client that loses Redis after some calls."""

    def __init__(self, client: InspectedClient, calls: int):
        super().__init__(client.topology, client.library)
        self.left = calls

    async def call(self, call: FunctionCall[Any]) -> Any:
        return (await self.call_many((call,)))[0]

    async def call_many(self, calls: Sequence[FunctionCall[Any]]) -> list[Any]:
        if self.left == 0:
            raise StoreUnavailableError("lost")
        self.left -= 1
        return await super().call_many(calls)


class DawdlingClient(FunctionClient):
    """A client that takes a random time before each call."""

    def __init__(self, client: InspectedClient):
        super().__init__(client.topology, client.library)

    async def call(self, call: FunctionCall[Any]) -> Any:
        return (await self.call_many((call,)))[0]

    async def call_many(self, calls: Sequence[FunctionCall[Any]]) -> list[Any]:
        for _ in range(random.randrange(6)):
            await asyncio.sleep(0)
        return await super().call_many(calls)


async def test_a_token_belongs_to_the_user_that_registered_it_last(
    store: ChannelTokenStore, client: InspectedClient, ada: User, bob: User
) -> None:
    token_id = None
    for user, other in ((ada, bob), (bob, ada), (ada, bob)):
        token, ended = await store.register(user, KIND, SAME, 1)
        assert ended == ([Ended(other.id, KIND, token_id, DiscardReason.MOVED)] if token_id else [])
        token_id = token.id
        assert await tokens(client, user) == {"token"}
        assert await tokens(client, other) == set()
        assert await holders(client, ada.project_id) == [user.id]


async def test_users_of_two_projects_may_hold_the_same_token(
    store: ChannelTokenStore, client: InspectedClient, ada: User
) -> None:
    stranger = new_user()
    await register(store, ada, KIND, SAME, 1)
    await register(store, stranger, KIND, SAME, 1)
    assert await tokens(client, ada) == await tokens(client, stranger) == {"token"}


async def test_a_token_of_somebody_else_cannot_be_unregistered(
    store: ChannelTokenStore, client: InspectedClient, ada: User, bob: User
) -> None:
    await register(store, ada, KIND, SAME, 1)
    assert await store.discard_same(bob, KIND, SAME, 9) is None
    assert await tokens(client, ada) == {"token"}


@pytest.mark.parametrize("next_one", ["the same user", "the owner before", "somebody else"])
@pytest.mark.parametrize("calls", range(4))
async def test_the_next_registration_of_a_token_repairs_the_state_after_a_crash(
    store: ChannelTokenStore, client: InspectedClient, ada: User, bob: User, calls: int, next_one: str
) -> None:
    await register(store, ada, KIND, SAME, 1)
    with pytest.raises(StoreUnavailableError):
        await ChannelTokenStore(FailingClient(client, calls)).register(bob, KIND, SAME, 2)
    holding = [user for user in (ada, bob) if await tokens(client, user)]
    assert len(holding) <= 1, "a token never belongs to two"
    assert {user.id for user in holding} <= set(await holders(client, ada.project_id))

    eve = colleague(ada, "eve")
    user = {"the same user": bob, "the owner before": ada, "somebody else": eve}[next_one]
    await register(store, user, KIND, SAME, 3)
    assert [one for one in (ada, bob, eve) if await tokens(client, one)] == [user]
    assert await holders(client, ada.project_id) == [user.id]


async def test_of_users_who_register_a_token_at_once_one_gets_it(client: InspectedClient, ada: User) -> None:
    users = [ada, *(colleague(ada, str(number)) for number in range(4))]
    store = ChannelTokenStore(DawdlingClient(client))
    for _ in range(15):
        racing = random.choices(users, k=6)
        await asyncio.gather(*(store.register(user, KIND, SAME, 1) for user in racing))
        holding = [user.id for user in users if await tokens(client, user)]
        assert holding == await holders(client, ada.project_id)
        assert len(holding) == 1


async def test_unregistering_while_others_register_leaves_the_token_with_one_at_most(
    client: InspectedClient, ada: User, bob: User
) -> None:
    store = ChannelTokenStore(DawdlingClient(client))
    for _ in range(15):
        await asyncio.gather(
            store.register(ada, KIND, SAME, 1),
            store.discard_same(ada, KIND, SAME, 9),
            store.register(bob, KIND, SAME, 1),
            store.discard_same(ada, KIND, SAME, 9),
        )
        holding = [user.id for user in (ada, bob) if await tokens(client, user)]
        assert len(holding) <= 1
        assert set(holding) <= set(await holders(client, ada.project_id))


async def test_a_late_registration_of_the_same_user_does_not_replace_the_newer_one(
    client: InspectedClient, store: ChannelTokenStore, ada: User
) -> None:
    functions, field = UserFunctions(client), field_of(KIND, SAME)

    async def put(claim: int) -> Any:
        call = PUT_TOKEN(KIND.path, field, claim, claim, b'{"fields":{"device_token":"token"}}', 0, "")
        return await functions.call(ada, UNGUARDED, call)

    assert await put(2) == [b"2", b"0", [], []]
    assert await put(1) == [b"2", b"0", [], []]
    for claim in (1, 2):
        assert len(await tokens(client, ada)) == 1
        await functions.call(ada, UNGUARDED, REMOVE_TOKEN(KIND.path, field, claim, 0, ""))
    assert await tokens(client, ada) == set()


async def known_tokens(client: InspectedClient, project_id: ProjectId) -> int:
    """Return the number of tokens in the project's slot. One field is the last claim."""
    return await client.redis.hlen(keys.token_holders(project_id)) - 1


# ---- what is stored


@pytest.mark.parametrize("kind", TOKEN_KINDS, ids=lambda kind: kind.path)
async def test_a_token_is_returned_as_it_was_registered_and_keeps_its_id_and_creation(
    store: ChannelTokenStore, ada: User, kind: TokenKind
) -> None:
    first = await register(store, ada, kind, kind.example, 5000)
    again = await register(store, ada, kind, kind.example, 6000)
    assert (first.created_ms, first.updated_ms, first.discarded_ms) == (5000, 0, 0)
    assert again == first._replace(updated_ms=6000)
    assert await store.get(ada, kind, first.id) == again
    assert await listed(store, ada, kind) == [again]
    shown = {name: value for name, value in again.record.fields.items() if name != kind.credential}
    assert shown == {name: value for name, value in kind.example.items() if name != kind.credential}


async def test_absent_fields_are_not_stored(store: ChannelTokenStore, ada: User) -> None:
    oauth = {"channel_id": "C1", "installation_id": "T1", "scope": None}
    token = await register(store, ada, slack.TOKEN, {"oauth": oauth, "webhook": None}, 1)
    assert token.record.fields == {"oauth": {"channel_id": "C1", "installation_id": "T1"}}


async def test_the_same_text_of_two_kinds_is_two_tokens(store: ChannelTokenStore, ada: User, bob: User) -> None:
    await register(store, ada, KIND, SAME, 1)
    await register(store, bob, apns.TOKEN, SAME, 1)
    assert [len(await listed(store, ada, kind)) for kind in (KIND, apns.TOKEN)] == [1, 0]


async def test_an_id_names_one_token_of_one_user_and_kind(store: ChannelTokenStore, ada: User, bob: User) -> None:
    token = await register(store, ada, KIND, SAME, 5)
    other_time = UUID(int=token.id.int + (1 << 80))
    assert await store.get(bob, KIND, token.id) is None
    assert await store.get(ada, apns.TOKEN, token.id) is None
    for token_id in (other_time, uuid4()):
        assert await store.get(ada, KIND, token_id) is None
        assert await store.discard(ada, KIND, token_id, 9) is None
    assert await store.discard(bob, KIND, token.id, 9) is None
    assert await store.get(ada, KIND, token.id) == token


# ---- discarding


async def test_a_discarded_token_is_kept_and_becomes_live_again_when_it_is_registered(
    store: ChannelTokenStore, client: InspectedClient, ada: User
) -> None:
    token = await register(store, ada, KIND, SAME, 1)
    assert await store.discard(ada, KIND, token.id, 7) == 7
    assert await store.discard(ada, KIND, token.id, 8) == 7
    assert await listed(store, ada) == []
    assert await listed(store, ada, live_only=False) == [token._replace(discarded_ms=7)]
    assert await register(store, ada, KIND, SAME, 9) == token._replace(updated_ms=9)
    assert await listed(store, ada) == [token._replace(updated_ms=9)]


async def test_a_discarded_token_moves_to_the_next_user_that_registers_it(
    store: ChannelTokenStore, client: InspectedClient, ada: User, bob: User
) -> None:
    await register(store, ada, KIND, SAME, 1)
    await store.discard_same(ada, KIND, SAME, 2)
    await register(store, bob, KIND, SAME, 3)
    assert await listed(store, ada, live_only=False) == []
    assert await holders(client, ada.project_id) == [bob.id]


async def test_the_live_token_registered_longest_ago_is_discarded_to_make_room(
    store: ChannelTokenStore, client: InspectedClient, ada: User
) -> None:
    for number in range(MAX_LIVE):
        await register(store, ada, KIND, values(str(number)), 1000 + number)
    await register(store, ada, KIND, values("0"), 3000)
    await register(store, ada, KIND, SAME, 10)  # by a clock that is behind
    assert await tokens(client, ada) == {*map(str, range(MAX_LIVE)), "token"} - {"1"}
    (discarded,) = [one for one in await listed(store, ada, live_only=False) if one.discarded_ms]
    assert discarded.record.fields == values("1")
    again = await store.register(ada, KIND, values("1"), 4000)
    assert [(one.user_id, one.reason) for one in again.ended] == [(ada.id, DiscardReason.TOO_MANY)]
    assert await tokens(client, ada) == {*map(str, range(MAX_LIVE)), "token"} - {"2"}


async def test_the_discarded_token_registered_longest_ago_is_removed_if_there_are_too_many(
    store: ChannelTokenStore, client: InspectedClient, ada: User
) -> None:
    count = MAX_LIVE + MAX_DISCARDED + 5
    for number in range(count):
        await register(store, ada, KIND, values(f"{number}"), 1 + number)
    kept = {one.record.fields["device_token"] for one in await listed(store, ada, live_only=False)}
    assert kept == {*map(str, range(5, count))}
    assert await tokens(client, ada) == {*map(str, range(count - MAX_LIVE, count))}
    assert await known_tokens(client, ada.project_id) == len(kept)


async def test_pages_go_both_ways_and_survive_the_end_of_the_entry_that_they_follow(
    store: ChannelTokenStore, ada: User
) -> None:
    for number in range(9):
        await register(store, ada, KIND, values(f"{number}"), 1000 + number // 3)
    every = await listed(store, ada)
    assert [one.created_ms for one in every] == sorted((one.created_ms for one in every), reverse=True)
    middle = str(every[4].id)
    assert await store.page(ada, KIND, 2, middle, None, True) == (every[5:7], True, True)
    assert await store.page(ada, KIND, 2, None, middle, True) == (every[2:4], True, True)
    assert await store.page(ada, KIND, 9, None, middle, True) == (every[:4], False, True)
    await store.discard(ada, KIND, every[4].id, 2000)
    assert await store.page(ada, KIND, 2, middle, None, True) == (every[5:7], True, True)
    assert await store.page(ada, KIND, 2, None, middle, True) == (every[2:4], True, True)
    assert await store.page(ada, KIND, 2, str(UUID(int=0)), None, True) == ([], True, False)


async def test_a_token_that_cannot_be_read_is_left_out_and_replaced_when_it_is_registered(
    store: ChannelTokenStore, client: InspectedClient, ada: User
) -> None:
    token = await register(store, ada, KIND, SAME, 1)
    key = keys.user(ada.project_id, ada.id) + keys.USER_SUFFIXES["CHANNEL_TOKENS"] + KIND.path
    field: Any = field_of(KIND, SAME)
    await client.redis.hset(key, field, "?")
    await client.redis.hset(keys.token_holders(ada.project_id), field, "?")
    assert await listed(store, ada, live_only=False) == []
    assert await store.discard(ada, KIND, token.id, 2) is None
    with pytest.raises(StoreDataError):
        await store.get(ada, KIND, token.id)
    assert (await register(store, ada, KIND, SAME, 3)).created_ms == 3


async def test_the_project_forgets_the_tokens_of_a_deleted_user(
    client: InspectedClient, store: ChannelTokenStore, ada: User, bob: User
) -> None:
    for kind in TOKEN_KINDS:
        await register(store, ada, kind, kind.example, 1)
    await register(store, ada, KIND, SAME, 1)
    await register(store, bob, KIND, SAME, 2)
    await UserDeletion(client).delete(ada)
    assert await known_tokens(client, ada.project_id) == 1
    assert await tokens(client, bob) == {"token"}
    assert [key async for key in client.redis.scan_iter(match=f"*{ada.id}*:*")] == []


# ---- tokens that open live connections

SECRET = "k" * 60 + "last"


async def test_of_a_credential_only_a_digest_is_stored(
    store: ChannelTokenStore, client: InspectedClient, ada: User
) -> None:
    token = await register(store, ada, inbox.TOKEN, {"token": SECRET}, 1, authenticated_by="proof")
    assert token.record.fields == {"token": "…last"}
    assert token.record.authenticated_by == "proof"
    async for name in client.redis.scan_iter(match=f"*{ada.project_id}*", _type="hash"):
        stored = await client.redis.hgetall(name)
        assert SECRET[:32].encode() not in b"".join(map(bytes, [*stored.keys(), *stored.values()]))  # type: ignore[arg-type] # bytes, undecoded


async def test_a_credential_is_found_with_its_user_even_if_it_is_discarded(
    store: ChannelTokenStore, ada: User, bob: User
) -> None:
    token = await register(store, ada, inbox.TOKEN, {"token": SECRET}, 1)
    assert await store.find_credential(ada.project_id, inbox.TOKEN, SECRET) == (_unnamed(ada), token)
    assert await store.find_credential(ada.project_id, inbox.TOKEN, SECRET + "x") is None
    assert await store.find_credential(new_user().project_id, inbox.TOKEN, SECRET) is None
    await store.discard(ada, inbox.TOKEN, token.id, 2)
    found = await store.find_credential(ada.project_id, inbox.TOKEN, SECRET)
    assert found is not None
    assert found[1].discarded_ms == 2
    await register(store, bob, inbox.TOKEN, {"token": SECRET}, 3)
    found = await store.find_credential(ada.project_id, inbox.TOKEN, SECRET)
    assert found is not None
    assert found[0].id == bob.id


def _unnamed(user: User) -> User:
    return User(user.project_id, user.id, None, None)


async def test_a_credential_whose_owner_has_no_record_is_not_found(
    store: ChannelTokenStore, client: InspectedClient, ada: User
) -> None:
    with pytest.raises(StoreUnavailableError):  # after it claimed the token
        await ChannelTokenStore(FailingClient(client, 2)).register(ada, inbox.TOKEN, {"token": SECRET}, 1)
    assert await store.find_credential(ada.project_id, inbox.TOKEN, SECRET) is None


async def test_the_end_of_a_credential_is_published_and_its_holder_is_refused(
    store: ChannelTokenStore, client: InspectedClient, ada: User, bob: User
) -> None:
    functions = UserFunctions(client)
    held = Guard(None, connection_token_id(SECRET))
    async with client.redis.pubsub() as subscriber:
        await subscriber.execute_command("SSUBSCRIBE", keys.user(ada.project_id, ada.id))
        assert (await subscriber.parse_response())[0] == b"ssubscribe"

        async def assert_ended() -> None:
            assert (await subscriber.parse_response())[2] == b"!revoked " + held.token_id.encode()
            with pytest.raises(TokenRevokedError):
                await functions.call(ada, held, USE())

        token = await register(store, ada, inbox.TOKEN, {"token": SECRET}, 1)
        await functions.call(ada, held, USE())
        await store.discard(ada, inbox.TOKEN, token.id, 2)
        await assert_ended()
        await register(store, ada, inbox.TOKEN, {"token": SECRET}, 3)
        await functions.call(ada, held, USE())
        await register(store, bob, inbox.TOKEN, {"token": SECRET}, 4)
        await assert_ended()
        await register(store, ada, inbox.TOKEN, {"token": SECRET}, 5)
        for number in range(MAX_LIVE):
            await register(store, ada, inbox.TOKEN, {"token": f"{number:0>64}"}, 6)
        await assert_ended()


# ---- devices from before channel tokens


async def store_device(client: InspectedClient, user: User, token: str, claim: int, platform: str = "ios") -> None:
    """Store a device as gateways before channel tokens did."""
    device = {"id": str(uuid4()), "token": token, "platform": platform, "app_bundle_id": "com.example"}
    key = keys.user(user.project_id, user.id)
    packed = f"{claim} {1000 + claim} ".encode() + msgspec.json.encode(device)
    await client.redis.hset(key + keys.USER_SUFFIXES["DEVICES"], token, packed)
    await client.redis.hset(key, "format", keys.FORMAT)
    held = msgspec.json.encode([[user.id, claim]])
    await client.redis.hset(keys.token_holders(user.project_id), mapping={"": claim, token: held})


async def left_devices(client: InspectedClient, user: User) -> list[Any]:
    names = await client.redis.hkeys(keys.user(user.project_id, user.id) + keys.USER_SUFFIXES["DEVICES"])
    holding = await client.redis.hkeys(keys.token_holders(user.project_id))
    return [*names, *(name for name in holding if name and not name.startswith(b"\0"))]  # type: ignore[arg-type] # bytes


async def test_former_devices_become_tokens_with_the_first_operation(
    store: ChannelTokenStore, client: InspectedClient, ada: User
) -> None:
    await store_device(client, ada, "on android", 1, "android")
    await store_device(client, ada, "on ios", 2)
    await store_device(client, ada, "in safari", 3, "safari")
    (token,) = await listed(store, ada, apns.TOKEN)
    assert (token.record.fields, token.created_ms) == ({"device_token": "on ios", "app_id": "com.example"}, 1002)
    assert [each.record.fields for each in await listed(store, ada, fcm.TOKEN)] == [values("on android")]
    assert len(await listed(store, ada, web_push.SAFARI_TOKEN)) == 1
    assert await left_devices(client, ada) == []


async def test_a_former_device_can_be_discarded_and_moves_to_the_next_user(
    store: ChannelTokenStore, client: InspectedClient, ada: User, bob: User
) -> None:
    await store_device(client, ada, "one", 1)
    await store_device(client, ada, "two", 2)
    assert await store.discard_same(ada, apns.TOKEN, values("one"), 5)
    assert not await store.discard_same(ada, apns.TOKEN, values("one"), 5)
    await store_device(client, ada, "three", 7)  # by an old gateway, during the upgrade
    await register(store, bob, apns.TOKEN, values("three"), 6)
    await register(store, bob, apns.TOKEN, values("two"), 6)
    assert len(await listed(store, bob, apns.TOKEN)) == 2
    assert await listed(store, ada, apns.TOKEN) == []
    assert await left_devices(client, ada) == []


async def test_a_former_device_that_cannot_be_read_becomes_a_token_all_the_same(
    store: ChannelTokenStore, client: InspectedClient, ada: User
) -> None:
    await store_device(client, ada, "one", 1)
    key = keys.user(ada.project_id, ada.id) + keys.USER_SUFFIXES["DEVICES"]
    for number, broken in enumerate((b"", b"1 2 {}", b"1 2 []", b'1 x {"platform":"ios"}', b"1 2 {")):
        await client.redis.hset(key, f"broken {number}", broken)
    await client.redis.hset(key, b"\xff", b"1 2 {}")
    assert len(await listed(store, ada, apns.TOKEN)) == 1
    assert len(await listed(store, ada, fcm.TOKEN)) == 6
    assert await left_devices(client, ada) == []


async def test_devices_that_cannot_be_converted_fail_the_operation(
    client: InspectedClient, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ChannelTokenStore(client)

    async def nothing_happens(*_: Any) -> None:
        return None

    await store_device(client, ada, "one", 1)
    monkeypatch.setattr(store, "_register", nothing_happens)
    with pytest.raises(StoreDataError):
        await listed(store, ada)
