"""Sessions of admins: opened by a secret that is not stored, until they end."""

import pytest

from gateway.store import admin_sessions as module
from gateway.store import keys
from gateway.store.admin_sessions import IDLE_SECONDS, MAX_SECONDS, AdminSessionStore, SessionKind
from tests.store.conftest import InspectedClient

BROWSER, TOKEN = SessionKind.BROWSER, SessionKind.TOKEN


class Clock:
    """The time of a store, in unix seconds."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def sessions(client: InspectedClient, clock: Clock) -> AdminSessionStore:
    """A store without sessions."""
    for key in await client.redis.keys(f"{keys.ADMINS}:session*"):
        await client.redis.unlink(key)
    return AdminSessionStore(client, clock)


async def test_a_session_is_opened_by_its_secret_alone_which_is_not_stored(
    sessions: AdminSessionStore, client: InspectedClient
) -> None:
    new = await sessions.begin("ada", BROWSER, address="192.0.2.1", agent="Firefox" * 100)
    assert len(new.secret) == 43, "256 bits"
    assert await sessions.open(new.secret, BROWSER) == new.session
    assert await sessions.open(new.secret, TOKEN) is None
    assert await sessions.open(new.session.id, BROWSER) is None
    assert len(new.session.agent) == 255
    for key in await client.redis.keys(f"{keys.ADMINS}:session*"):
        assert new.secret.encode() not in key
        assert new.secret.encode() not in (await client.redis.dump(key) or b"")


async def test_a_session_ends_when_idle_or_too_old(
    sessions: AdminSessionStore, client: InspectedClient, clock: Clock
) -> None:
    new = await sessions.begin("ada", BROWSER)
    key = keys.admin_session(new.session.id)
    assert 0 < await client.redis.ttl(key) <= IDLE_SECONDS
    await client.redis.expire(key, 5)
    clock.now += 61
    assert await sessions.open(new.secret, BROWSER) is not None
    assert 5 < await client.redis.ttl(key) <= IDLE_SECONDS
    assert (await sessions.of_admin("ada"))[0].seen_at == int(clock.now)
    clock.now += MAX_SECONDS - 100
    assert await sessions.open(new.secret, BROWSER) is not None
    assert 0 < await client.redis.ttl(key) <= 39
    clock.now += 40
    assert await sessions.open(new.secret, BROWSER) is None
    assert not await sessions.is_open(new.session.id)


async def test_what_is_written_to_a_session_after_its_end_opens_nothing(
    sessions: AdminSessionStore, client: InspectedClient
) -> None:
    new = await sessions.begin("ada", TOKEN, seconds=100, confirmed_until=5)
    assert new.secret.startswith("inbox_admin_")
    await sessions.confirm(new.session.id, 7)
    opened = await sessions.open(new.secret, TOKEN)
    assert opened is not None
    assert opened.confirmed_until == 7
    assert await sessions.end("ada", new.session.id)
    assert not await sessions.end("ada", new.session.id)
    await sessions.confirm(new.session.id, 9)
    assert not await client.redis.exists(keys.admin_session(new.session.id))
    await client.redis.hset(keys.admin_session(new.session.id), "seen_at", 1)
    assert await sessions.open(new.secret, TOKEN) is None


async def test_an_admin_has_a_bounded_number_of_sessions_and_can_end_all(
    sessions: AdminSessionStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SESSIONS", 2)
    made = []
    for _ in range(3):
        clock.now += 1
        made.append(await sessions.begin("ada", BROWSER))
    other = await sessions.begin("grace", BROWSER)
    assert [session.id for session in await sessions.of_admin("ada")] == [made[2].session.id, made[1].session.id]
    assert await sessions.end_all("ada", but=made[1].session.id) == 1
    assert await sessions.end_all("ada") == 1
    assert await sessions.of_admin("ada") == []
    assert await sessions.open(other.secret, BROWSER) is not None
