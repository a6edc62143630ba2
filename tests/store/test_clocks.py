"""Times written by a clock that was 40 days ahead delay nothing for more than seconds once the clock is right."""

import time
from uuid import uuid4

import msgspec
import pytest

from gateway.domain.guard import Allowance, Guard, RateKind, RateLimitedError, TokenRevokedError
from gateway.domain.ids import ProjectId
from gateway.domain.notification import Filter
from gateway.domain.principal import Identity, User
from gateway.store import keys
from gateway.store.admin_limits import AdminLimits
from gateway.store.contents import Content, ContentStore, NotificationFields
from gateway.store.deliveries import Delivery
from gateway.store.directory import Directory
from gateway.store.event_log import LogRetention, Moment
from gateway.store.inbox import InboxStore
from gateway.store.job_queue import JobQueue
from gateway.store.jobs import JobKind, JobStore
from gateway.store.tokens import Token, TokenStore
from tests.store.conftest import InspectedClient, new_user

AHEAD = 40 * 24 * 3600
RETENTION = LogRetention(events=1000, seconds=3600)


def now() -> int:
    return int(time.time())


def moment(seconds: float) -> Moment:
    return Moment(int(seconds * 1000), "e")


def content() -> Content:
    return Content.encode(str(uuid4()), NotificationFields(title="t", category="a", topic="x"))


def user_key(user: User) -> str:
    return keys.user(user.project_id, user.id)


def allowance(limit: int) -> Allowance:
    return Allowance(RateKind.WRITES, limit)


@pytest.mark.parametrize("admin", [False, True], ids=["user", "admin"])
@pytest.mark.parametrize("ends_in", [AHEAD, -1], ids=["far", "never"])
async def test_a_rate_window_ends_within_a_minute(
    store: InboxStore, client: InspectedClient, admin: bool, ends_in: int
) -> None:
    user = new_user()

    async def use(limit: int) -> Allowance:
        counted = allowance(limit)
        await (AdminLimits(client).count(user.project_id, counted) if admin else store.use(user, Guard(counted)))
        return counted

    await use(2)
    key = (keys.admin_rate(user.project_id) if admin else user_key(user)) + ":rate:writes"
    await (client.redis.expire(key, ends_in) if ends_in > 0 else client.redis.persist(key))
    await use(2)
    with pytest.raises(RateLimitedError) as limited:
        await use(2)
    assert 0 < limited.value.retry_after_seconds <= 60
    assert 0 < await client.redis.ttl(key) <= 60


async def test_an_item_is_sent_now_though_one_before_it_was_sent_in_the_future(store: InboxStore) -> None:
    user, this_moment = new_user(), now()
    await store.create(content(), [Delivery(user)], moment(this_moment + AHEAD), remember=False)
    await store.create(content(), [Delivery(user)], moment(this_moment), remember=False)
    newest, _ = (await store.list_page(user, Filter(), 1, 10)).items
    assert msgspec.json.decode(newest)["sent_at"] == this_moment


async def test_a_log_that_is_written_to_goes_on_living(client: InspectedClient) -> None:
    user, store = new_user(), InboxStore(client, RETENTION, ContentStore(client))
    await store.create(content(), [Delivery(user)], moment(now() + AHEAD), remember=False)
    log = user_key(user) + keys.USER_SUFFIXES["LOG"]
    await client.redis.expire(log, 5)
    await store.create(content(), [Delivery(user)], moment(now()), remember=False)
    assert await client.redis.ttl(log) > RETENTION.seconds


async def test_a_clock_that_is_ahead_does_not_make_events_old(client: InspectedClient) -> None:
    user, store = new_user(), InboxStore(client, RETENTION, ContentStore(client))
    start = (await store.read_log(user, None, "e")).end
    for _ in range(15):
        await store.create(content(), [Delivery(user)], moment(now()), remember=False)
    await store.create(content(), [Delivery(user)], moment(now() + AHEAD), remember=False)
    page = await store.read_log(user, start, "e")
    assert (page.reset_reason, len(page.events)) == ("", 16)


async def test_an_item_deleted_while_the_clock_was_ahead_is_not_created_again(store: InboxStore) -> None:
    user, item = new_user(), content()
    await store.create(item, [Delivery(user)], moment(now()), remember=True)
    await store.delete(user, item.id, None, moment(now() + AHEAD))
    await store.create(item, [Delivery(user)], moment(now()), remember=True)
    assert (await store.list_page(user, Filter(), 1, 10)).total == 0


async def test_a_token_issued_after_the_clock_is_right_counts_and_older_ones_stay_revoked(
    store: InboxStore, client: InspectedClient
) -> None:
    user = new_user()
    await store.read_log(user, None, "e")
    await client.redis.hset(user_key(user), "revoked_before", str(now() + AHEAD))
    before = now() - 100
    with pytest.raises(TokenRevokedError):
        await store.use(user, Guard(None, "old", before))
    await store.use(user, Guard(None, "new", now() + 1))
    with pytest.raises(TokenRevokedError):
        await store.use(user, Guard(None, "old", before))
    assert int(await client.redis.hget(user_key(user), "revoked_before") or 0) <= now()


async def test_a_gateway_whose_clock_is_ahead_revokes_no_tokens_of_the_future(
    store: InboxStore, client: InspectedClient
) -> None:
    user = new_user()
    assert await TokenStore(client).discard_before(user, now() + AHEAD, now() + AHEAD) <= now()
    await store.use(user, Guard(None, "new", now() + 1))


async def test_a_clock_that_is_ahead_makes_no_discarded_token_count_again(
    store: InboxStore, client: InspectedClient
) -> None:
    user, tokens = new_user(), TokenStore(client)
    discarded = Token(str(uuid4()), now(), now() + 3600, None, "")
    await tokens.issue(user, discarded)
    await tokens.discard(user, discarded.id, now())
    later = Token(str(uuid4()), now() + AHEAD, now() + AHEAD + 3600, None, "")
    await tokens.issue(user, later)
    with pytest.raises(TokenRevokedError):
        await store.use(user, Guard(None, discarded.id, now()))


async def test_a_name_whose_user_was_deleted_in_the_future_lets_its_next_user_in(client: InspectedClient) -> None:
    project = ProjectId(f"p-{uuid4()}")
    directory = Directory(client, lambda: 0.0)
    first = await directory.resolve(project, Identity("ada", "ada@example.com"))
    await directory.forget(first)
    gone = keys.directory(project) + keys.DIRECTORY_SUFFIXES["DELETED_NAMES"]
    for member in await client.redis.zrange(gone, 0, -1):
        assert isinstance(member, bytes)
        await client.redis.zadd(gone, {member: now() + AHEAD})
    second = await directory.resolve(project, Identity("ada", "ada@example.com"))
    assert second.id != first.id
    assert 0 < max(second.external_id_deleted_at, second.email_deleted_at) <= now()

    entry = keys.directory(project)
    record = msgspec.json.decode(await client.redis.hget(entry, f"u:{second.id}") or b"")
    await client.redis.hset(entry, f"u:{second.id}", msgspec.json.encode({**record, "gone_x": str(now() + AHEAD)}))
    found = await directory.find(project, "x:ada")
    assert found is not None
    assert found.external_id_deleted_at <= now()


async def test_a_job_that_was_to_rest_until_a_moment_far_away_is_done(client: InspectedClient) -> None:
    project = ProjectId(f"p-{uuid4()}")
    await client.redis.unlink(keys.JOB_QUEUE)
    ahead = JobStore(client, unix=lambda: time.time() + AHEAD)
    await ahead.enqueue(JobKind.IMPORT, project, "job", b"{}", 1)
    claim = await JobQueue(client).claim()
    assert claim is not None
    assert claim.job_id == "job"
    await client.redis.unlink(keys.JOB_QUEUE)
