"""Issued tokens in the store: bounds, order, and removal after they expire."""

import secrets
import time
from uuid import UUID

import pytest
from redis.asyncio import Redis

from gateway.domain.guard import UNGUARDED, Guard, TokenRevokedError
from gateway.domain.ids import ProjectId
from gateway.domain.principal import User
from gateway.store import keys, tokens
from gateway.store.deletion import UserDeletion
from gateway.store.errors import TooManyTokensError
from gateway.store.inbox import InboxStore
from gateway.store.tokens import Owner, Token, TokenStore
from tests.store.conftest import InspectedClient, new_user

NOW = int(time.time())
"""A time that is not in the future, because the functions correct times far in the future."""


def new_token(number: int, created: int = NOW, seconds: int = 6000) -> Token:
    return Token(str(UUID(int=number)), created, created + seconds, None, f"number {number}")


def owners() -> tuple[User, ProjectId]:
    return new_user(), ProjectId(f"p-{secrets.token_hex(4)}")


async def ids(store: TokenStore, owner: Owner, now: int = NOW) -> list[int]:
    page = await store.page(owner, 100, None, None, now)
    return [UUID(token.id).int for token in page.tokens]


def keys_of(owner: Owner) -> tuple[str, ...]:
    base = keys.user(owner.project_id, owner.id) if isinstance(owner, User) else keys.project(owner)
    return (f"{base}:tokens", f"{base}:token")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the bounds small."""
    monkeypatch.setattr(tokens, "MAX_TOKENS", 3)
    monkeypatch.setattr(tokens, "MAX_REVOKED", 4)


@pytest.fixture
def store_of_tokens(client: InspectedClient) -> TokenStore:
    return TokenStore(client)


@pytest.mark.parametrize("which", [0, 1], ids=["user", "project"])
async def test_an_issued_token_is_listed_until_it_expires(store_of_tokens: TokenStore, which: int) -> None:
    owner = owners()[which]
    token = new_token(1)
    await store_of_tokens.issue(owner, token)
    await store_of_tokens.issue(owner, token)
    assert (await store_of_tokens.page(owner, 100, None, None, NOW + 5999)).tokens == [token]
    assert await ids(store_of_tokens, owner, NOW + 6000) == []
    assert await store_of_tokens.discard(owner, token.id, NOW + 6000) is None


@pytest.mark.parametrize("which", [0, 1], ids=["user", "project"])
async def test_its_keys_expire_with_the_last_token(
    store_of_tokens: TokenStore, client: InspectedClient, which: int
) -> None:
    owner = owners()[which]
    redis: Redis = client.redis
    for number, seconds in ((1, 50), (2, 5000), (3, 5)):
        await store_of_tokens.issue(owner, new_token(number, seconds=seconds))
    for key in keys_of(owner):
        assert await redis.execute_command("EXPIRETIME", key) == NOW + 5000


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("which", [0, 1], ids=["user", "project"])
async def test_more_valid_tokens_than_allowed_are_refused_and_discarded_ones_make_room(
    store_of_tokens: TokenStore, which: int
) -> None:
    owner = owners()[which]
    for number in (1, 2, 3):
        await store_of_tokens.issue(owner, new_token(number))
    with pytest.raises(TooManyTokensError):
        await store_of_tokens.issue(owner, new_token(4))
    assert await ids(store_of_tokens, owner) == [3, 2, 1]
    assert await store_of_tokens.discard(owner, new_token(2).id, NOW + 1) == NOW + 1
    await store_of_tokens.issue(owner, new_token(4))
    assert await ids(store_of_tokens, owner) == [4, 3, 1]


@pytest.mark.usefixtures("few")
async def test_the_ids_of_discarded_tokens_are_bounded_and_expire_with_the_tokens(
    store_of_tokens: TokenStore, store: InboxStore, client: InspectedClient
) -> None:
    user = new_user()
    revoked = keys.user(user.project_id, user.id) + ":revoked"
    for number in range(4):
        await store_of_tokens.issue(user, new_token(number))
        await store_of_tokens.discard(user, new_token(number).id, NOW)
        with pytest.raises(TokenRevokedError):
            await store.use(user, Guard(None, new_token(number).id, NOW))
    with pytest.raises(TooManyTokensError):
        await store_of_tokens.issue(user, new_token(4))
    assert await client.redis.execute_command("EXPIRETIME", revoked) == NOW + 6060
    for number in range(4):
        await client.redis.zadd(revoked, {new_token(number).id: NOW - 1})
    await store_of_tokens.issue(user, new_token(5))
    assert await client.redis.zcard(revoked) == 0


async def test_discarding_all_at_once_needs_no_ids(
    store_of_tokens: TokenStore, store: InboxStore, client: InspectedClient
) -> None:
    user = new_user()
    for number in range(3):
        await store_of_tokens.issue(user, new_token(number, created=NOW + number))
    await store_of_tokens.discard(user, new_token(0).id, NOW + 3)
    assert await store_of_tokens.discard_before(user, NOW + 2, NOW + 4) == NOW + 2
    assert await store_of_tokens.discard_before(user, NOW + 1, NOW + 5) == NOW + 2
    assert await client.redis.zcard(keys.user(user.project_id, user.id) + ":revoked") == 0
    page = await store_of_tokens.page(user, 100, None, None, NOW + 5)
    assert [token.discarded_at for token in page.tokens] == [None, NOW + 4, NOW + 3]
    for token in page.tokens[1:]:
        with pytest.raises(TokenRevokedError):
            await store.use(user, Guard(None, token.id, token.created_at))
    await store.use(user, Guard(None, page.tokens[0].id, page.tokens[0].created_at))


async def test_a_read_of_the_log_returns_which_of_its_readers_tokens_are_revoked(
    store_of_tokens: TokenStore, store: InboxStore
) -> None:
    user = new_user()
    token = new_token(1)
    await store_of_tokens.issue(user, token)
    readers = [(token.id, NOW), ("other", NOW), ("", 5), ("", NOW)]
    assert (await store.read_log(user, None, "e", tokens=readers)).revoked == frozenset()
    await store_of_tokens.discard(user, token.id, NOW)
    await store_of_tokens.discard_before(user, 6, NOW)
    assert (await store.read_log(user, None, "e", tokens=readers)).revoked == {readers[0], readers[2]}
    assert (await store.read_log(user, None, "e", UNGUARDED)).revoked == frozenset()


async def test_a_tokens_user_is_known_by_the_token(store_of_tokens: TokenStore) -> None:
    user = new_user()
    await store_of_tokens.issue(user, new_token(1))
    assert await store_of_tokens.owner(user.project_id, new_token(1).id) == user.id
    assert await store_of_tokens.owner(user.project_id, new_token(2).id) is None
    assert await store_of_tokens.owner(new_user().project_id, new_token(1).id) is None


async def test_a_deleted_users_tokens_are_removed(store_of_tokens: TokenStore, client: InspectedClient) -> None:
    user = new_user()
    await store_of_tokens.issue(user, new_token(1))
    await UserDeletion(client).delete(user)
    assert await client.redis.exists(*keys_of(user)) == 0
