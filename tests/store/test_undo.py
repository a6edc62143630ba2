"""Each function fails at each of its commands in turn, and what it wrote by then is undone.

A story calls every function of the library. Before a call does its work it is made to fail at its first command, then
at its second, and so on: after each of them everything is as it was, or, of the functions in COMPLETED, a repetition
ends as if nothing had happened.
"""

import copy
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from gateway.channels import apns, github, inbox
from gateway.domain.delivery import (
    Claim,
    DeliveryState,
    EntryRecord,
    EntryResult,
    Lane,
    OutboxPlan,
    Route,
    UserResults,
)
from gateway.domain.guard import Allowance, RateKind
from gateway.domain.ids import ProjectId
from gateway.domain.new_user_limits import NewUserLimits
from gateway.domain.notification import BulkCommand, Command, Filter, ItemId
from gateway.domain.preferences import Channel, Status
from gateway.domain.principal import Identity, User
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.domain.retention import ItemRetention
from gateway.domain.webhook import HEALTHY, Attempt, MessageState, message_id
from gateway.store import channel_tokens, jobs, keys, tokens, webhook_messages
from gateway.store.activity import ActiveUsers
from gateway.store.admin_limits import AdminLimits
from gateway.store.categories import CategoryStore
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.contents import Content, ContentStore, NotificationFields
from gateway.store.deletion import UserDeletion
from gateway.store.deliveries import Delivery, Outcome
from gateway.store.delivery_configs import DeliveryConfigStore, SavedConfig
from gateway.store.directory import Directory
from gateway.store.event_log import LogRetention, Moment
from gateway.store.idempotency import IdempotencyStore
from gateway.store.inbox import InboxStore
from gateway.store.installations import InstallationStore
from gateway.store.integrations import IntegrationStore
from gateway.store.job_queue import JobQueue, Step
from gateway.store.jobs import JobKind, JobStore
from gateway.store.lanes import LaneStore
from gateway.store.library import LIBRARY
from gateway.store.outbox import OutboxStore
from gateway.store.overrides import OverrideStore
from gateway.store.preferences import PreferenceStore
from gateway.store.profiles import ProfileStore
from gateway.store.project_deletion import ProjectDeletion
from gateway.store.project_event_log import EventRetention, ProjectEventLog
from gateway.store.project_event_log import packed as packed_event
from gateway.store.project_records import ProjectChange
from gateway.store.projects import ProjectStore
from gateway.store.redis.functions import FunctionCall
from gateway.store.redis.library import Library
from gateway.store.redis.problems import StoreDataError, StoreRefusedError, StoreUnavailableError
from gateway.store.redis.protocol import ReplyError
from gateway.store.subscriptions import SubscriptionStore
from gateway.store.tokens import Token, TokenStore
from gateway.store.trimming import ItemTrimmer
from gateway.store.webhook_endpoints import WebhookEndpointStore
from gateway.store.webhook_messages import NewMessage, WebhookMessageStore
from gateway.store.workspaces import WorkspaceStore
from tests.servers import SERVER_BINARIES, RedisServer, running_redis
from tests.store.conftest import InspectedClient, new_user
from tests.store.test_webhook_endpoints import endpoint as webhook_endpoint

COMPLETED = {
    "delete_user": "it is deleted, and a repetition publishes that",
    "discard_channel_token": "it is discarded, and a repetition publishes that",
    "remove_channel_token": "it is removed, and a repetition publishes that",
    "discard_token": "it is discarded, and a repetition publishes that",
    "discard_tokens_before": "they are discarded, and a repetition publishes that",
    "list_job": "it is listed, and a repetition removes old jobs",
    "add_active": "they are counted, and a repetition gives the key its lifetime",
    "add_to_lane": "the lane is looked at, and a repetition adds the user",
    "park_lane": "the reason is written, and a repetition parks the lane",
    "unpark_lane": "the lane's failures are forgotten, and a repetition serves it again",
    "delete_lanes": "some are deleted, and a repetition deletes the others",
    "trim": "some items are removed, each with its event, and a repetition removes the others",
}
"""Functions that may keep a part of their writes, and the effect of a repetition."""

_PASSING = ("read_log", "read_subscribers", "add_active", "count_active")
WRITING = {
    function.name
    for function in LIBRARY.functions.values()
    if function.traits.kind.writes
    and function.name == function.lua_name
    and (function.traits.durable or function.name in _PASSING)
}
"""All functions that may write. Servers refuse writes of the others. (`note_generation` is one command; `use` stays
counted.)"""

APPENDING = (
    *("create", "create_each", "create_sent", "create_each_sent"),
    "change",
    "change_all",
    "delete",
    "trim",
    "set_preferences",
)

TRIES_OF_ONE = 3
"""How many calls of the same function are made to fail."""

_BEGIN_CALL = """local function begin_call()
  call, try = redis.call, redis.pcall
end"""

_IF_NEEDED = "if not call then begin_call() end"

_FAILING_BEGIN_CALL = """local fail_at, commands, failed = 0, 0, 0
local function begin_call()
  commands, failed = 0, 0
  call, try = function(...)
    commands = commands + 1
    if commands == fail_at then
      failed = 1
      error({ err = 'ERR a failure on purpose' })
    end
    return redis.call(...)
  end, redis.pcall
end
redis.register_function('fail_at', function(keys, args) fail_at = tonumber(args[1]) return failed end)"""


def failing_library() -> Library:
    """Return a library whose commands can be made to fail."""
    assert _BEGIN_CALL in LIBRARY.code
    failing = copy.copy(LIBRARY)
    code = LIBRARY.code.replace(_BEGIN_CALL, _FAILING_BEGIN_CALL).replace(_IF_NEEDED, "begin_call()")
    failing.name, failing.code = "failing", code.replace(LIBRARY.name, "failing")
    return failing


State = Mapping[bytes, tuple[str, Any, bool]]


class FailingClient(InspectedClient):
    """A client that makes each function fail before it lets it succeed."""

    def __init__(self, server: RedisServer):
        super().__init__(server.url, failing_library())
        self.armed = False
        self.failures: Counter[str] = Counter()
        """Return how often each function failed."""
        self._tried: Counter[str] = Counter()

    async def call(self, call: FunctionCall[Any]) -> Any:
        """Run one function."""
        return await self._call_one(call)

    async def call_many(self, calls: Sequence[FunctionCall[Any]]) -> list[Any]:
        """Run some functions, one after another."""
        return [await self._call_one(call) for call in calls]

    async def call_each(self, calls: Sequence[FunctionCall[Any]]) -> list[Any]:
        """Run some functions, one after another."""
        return await self.call_many(calls)

    async def _call_one(self, call: FunctionCall[Any]) -> Any:
        function = call.function.name
        self._tried[function] += self.armed
        if self.armed and function in WRITING and self._tried[function] <= TRIES_OF_ONE:
            return await self._fail_everywhere(function, call)
        return (await super().call_many([call]))[0]

    async def _fail_everywhere(self, function: str, call: FunctionCall[Any]) -> Any:
        """Make a call fail at each of its commands, then let it succeed, and return its reply."""
        before = await self._digest()
        saved = await self._save() if function in COMPLETED or function in APPENDING else []
        for command in itertools.count(1):
            await self.redis.execute_command("FCALL", "fail_at", 0, command)
            try:
                answer = (await super().call_many([call]))[0]
                # A function of several users has an error in place of the result of each user.
                refused = isinstance(answer, list) and any(isinstance(each, ReplyError) for each in answer)
            except StoreUnavailableError:
                refused = True
            if not await self.redis.execute_command("FCALL", "fail_at", 0, 0):
                return answer
            self.failures[function] += 1
            if await self._digest() == before:
                continue  # so a repetition does what this call would have done
            if refused:
                assert function in COMPLETED, f"{function}, command {command}"
                await super().call_many([call])
                repeated = await self.state()
                await self._restore(saved)
                await super().call_many([call])
                assert await self.state() == repeated, f"{function}, command {command}"
            else:
                assert function in APPENDING, f"{function}, command {command}"  # its log is trimmed another time
            await self._restore(saved)
        raise AssertionError("unreachable")

    async def _digest(self) -> bytes:
        """Return a digest of the data and of which keys expire. It is equal for servers with equal data."""
        found: bytes = await self.redis.execute_command("DEBUG", "DIGEST")
        return found

    async def state(self) -> State:
        """Return all stored data except times of the clock."""
        names = sorted(map(_bytes, await self.redis.keys("*")))
        async with self.redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.type(name)
                pipe.ttl(name)
            answers = await pipe.execute()
            types = [kind.decode() for kind in answers[::2]]
            for name, kind in zip(names, types, strict=True):
                _READ[kind](pipe, name)
            values = await pipe.execute()
        return {
            name: (kind, _timeless(name, value), ttl > 0)
            for name, kind, value, ttl in zip(names, types, values, answers[1::2], strict=True)
        }

    async def _save(self) -> list[tuple[bytes, int, bytes]]:
        names = [_bytes(name) for name in await self.redis.keys("*")]
        async with self.redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.pttl(name)
                pipe.dump(name)
            answers = await pipe.execute()
        return [(name, max(0, ttl), value) for name, ttl, value in zip(names, answers[::2], answers[1::2], strict=True)]

    async def _restore(self, saved: list[tuple[bytes, int, bytes]]) -> None:
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.flushall()
            for name, ttl, value in saved:
                pipe.restore(name, ttl, value)
            await pipe.execute()


_READ: dict[str, Callable[[Any, bytes], Any]] = {
    "hash": lambda pipe, name: pipe.hgetall(name),
    "zset": lambda pipe, name: pipe.zrange(name, 0, -1, withscores=True),
    "set": lambda pipe, name: pipe.smembers(name),
    "list": lambda pipe, name: pipe.lrange(name, 0, -1),
    "string": lambda pipe, name: pipe.get(name),
    "stream": lambda pipe, name: pipe.xrange(name),
}


def _bytes(name: str | bytes) -> bytes:
    assert isinstance(name, bytes), "nothing is decoded"
    return name


def _timeless(name: bytes, value: Any) -> Any:
    """Return the stored data, without times of the server's clock. Those of lanes are everywhere."""
    if b"{deliveries:" in name:
        return list(value) if isinstance(value, dict) else [member for member, _ in value]
    if isinstance(value, dict):
        return {field: one for field, one in value.items() if field not in (b"lease_ms", b"settled_until")}
    if name.endswith(b":gone"):
        return [member for member, _ in value]
    return value


@pytest.fixture(scope="module", params=["valkey", "redis"])
def own_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server without other data."""
    if SERVER_BINARIES[request.param] is None:
        pytest.skip("redis-server is not installed")
    with running_redis(
        request.param, tmp_path_factory.mktemp(request.param), "--enable-debug-command", "yes"
    ) as server:
        yield server


@pytest.fixture
async def client(own_server: RedisServer) -> AsyncIterator[FailingClient]:
    """A client of a library whose commands can be made to fail."""
    client = FailingClient(own_server)
    await client.redis.flushall()
    # On a slow machine, keys with a lifetime of a minute would expire between two digests.
    await client.redis.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    await client.load()
    yield client
    await client.aclose()


def fields(category: str, topic: str) -> NotificationFields:
    return NotificationFields(title="t", category=category, topic=topic)


def text(number: int) -> str:
    """Return the id of the item with this number."""
    return str(UUID(int=number))


def packed(number: int) -> ItemId:
    """Return the same as it is stored."""
    return ItemId(UUID(int=number).bytes)


def moment() -> Moment:
    return Moment(int(time.time() * 1000), uuid4().hex[:8])


async def tell(client: FailingClient) -> None:
    """Call every function, most of them in several situations."""
    contents = ContentStore(client)
    inboxes = InboxStore(client, LogRetention(1000, 1000), contents)
    projects, workspaces = ProjectStore(client, "secret"), WorkspaceStore(client)
    await projects.prepare()
    workspace = await workspaces.create("A workspace")
    await workspaces.rename(workspace.id, "Another name")
    await workspaces.revoke_token("id", 60)
    project = await projects.create("A project", hmac_enabled=True)
    doomed = await projects.create("Another", hmac_enabled=True)
    await projects.update(project.api_key, ProjectChange(name="Renamed"))
    await ProjectDeletion(projects).delete(doomed)
    await ProjectDeletion(projects).discard((await projects.create("A third one", hmac_enabled=True)).api_key)

    users = await tell_of_the_directory(client, project.id)
    ada, ben = users
    await tell_of_inboxes(client, inboxes, contents, ada, ben)
    await tell_of_wishes(client, ada)
    await tell_of_devices_and_tokens(client, ada, ben)
    await tell_of_jobs(client, project.id, ada)
    await tell_of_lanes(client, project.id, ada)
    await tell_of_deliveries(client, ada)
    idempotency = IdempotencyStore(client)
    for key in ("a", "b"):
        await idempotency.begin(project.id, key, "f", b"plan")
        await idempotency.begin(project.id, key, "f", b"plan")
        await idempotency.renew()
    await idempotency.finish(project.id, "a", 201, b"answer")
    await idempotency.begin(project.id, "a", "f", b"plan")
    await idempotency.abandon(project.id, "b")
    active = ActiveUsers(client)
    active.seen(ada)
    await active.add()
    await active.count(project.id, active.month)
    events = ProjectEventLog(client, EventRetention(100, 60))
    for user_id in (ada.id, None, ben.id):
        stored = packed_event(ProjectEvent(ProjectEventType.STORED, user_id, {"notification_id": "1"}))
        await events.append([(project.id, [stored] * 2)])
    integrations = IntegrationStore(client, "secret")
    saved = await integrations.replace(project.id, github.INTEGRATION, github.INTEGRATION.example, None)
    await integrations.replace(project.id, github.INTEGRATION, github.INTEGRATION.example, saved)
    await integrations.delete(project.id, github.INTEGRATION)
    await tell_of_webhooks(client, ada)
    await AdminLimits(client).count(project.id, Allowance(RateKind.WRITES, 100))
    await UserDeletion(client).delete(ada)
    await contents.delete_all(project.id)


async def tell_of_webhooks(client: FailingClient, user: User) -> None:
    endpoints, messages = WebhookEndpointStore(client, "secret"), WebhookMessageStore(client)
    project_id, made = user.project_id, webhook_endpoint()
    await endpoints.save(project_id, made, None)
    now = 1_800_000_000_000
    old = now - webhook_messages.KEEP_MS - 1
    for ms in (old, now, now + 1):
        body = b"{}" * 10
        await messages.add(project_id, made.id, [NewMessage(message_id(ms, "a"), "user.created", body)], now)
    (taken, *_) = await messages.take(project_id, made.id, now, now + 1000, 10)
    attempt, failed = Attempt(now, 500, 1, "HTTP 500"), HEALTHY.failed(now)
    await messages.record(project_id, made.id, taken, attempt, MessageState.PENDING, 1, now + 5, failed)
    (taken,) = await messages.take(project_id, made.id, now + 5, now + 1000, 1)
    await messages.record(project_id, made.id, taken, attempt, MessageState.DELIVERED, 2, None, HEALTHY)
    await messages.retry(project_id, made.id, taken.id, now)
    await messages.resume(project_id, made.id)
    await messages.clear(project_id, made.id)
    await messages.note_events(project_id, user.id, 1)
    await endpoints.delete(project_id, made.id)


async def tell_of_the_directory(client: FailingClient, project_id: ProjectId) -> tuple[User, User]:
    directory = Directory(client, time.monotonic)
    identities = [Identity("ada", "ada@example.com"), Identity("ben"), Identity(None, "cat@example.com")]
    ada, ben, cat = (found.user for found in await directory.resolve_many(project_id, identities))
    directory.forget_all()
    await directory.resolve(project_id, Identity("ben", "ben@example.com"))
    await directory.rename(ben, "benjamin", None)
    await directory.rename(ben, None, "b@example.com")
    await directory.forget(cat)
    directory.forget_all()
    await directory.resolve(project_id, Identity("cat", "cat@example.com"))
    await directory.find(project_id, "x:ada")
    for number in range(3):
        await directory.resolve_limited(project_id, Identity(f"new {number}"), lambda: "::1", NewUserLimits(9, 9))
    return ada, ben


async def tell_of_inboxes(
    client: FailingClient, inboxes: InboxStore, contents: ContentStore, ada: User, ben: User
) -> None:
    await inboxes.read_log(ben, None, "e")
    items = [Content.encode(text(number + 1), fields("abc"[number % 3], "xy"[number % 2])) for number in range(9)]
    for number, item in enumerate(items):
        profile = {"first_name": "Ada"} if number == 1 else {}  # among the calls that are made to fail
        await inboxes.create(item, [Delivery(ada, profile), Delivery(ben)], moment(), remember=number % 2 == 0)
    await inboxes.create(items[0], [Delivery(ada)], moment(), remember=True)
    shared = Content.encode(text(100), fields("", ""))
    await contents.put(ada.project_id, shared)
    await OverrideStore(client).put(ada.project_id, shared.id_text, b"{}")
    await inboxes.create(shared.as_reference(), [Delivery(ada)], moment(), remember=True, subscribers_only=False)
    for number in range(3):
        one = Content.encode(str(UUID(int=300 + number)), fields("a", "xy"[number % 2]))
        await inboxes.create_each(one, [ben], moment(), remember=True)
    await inboxes.list_page(ada, Filter(), 1, 10)
    await inboxes.get(ada, packed(1))
    for command, number in ((Command.READ, 0), (Command.ARCHIVE, 1), (Command.SEEN, 2), (Command.UNREAD, 0)):
        await inboxes.change(ada, packed(number + 1), command, "tab", moment())
    some = Filter(categories=("a",))
    for matching, bulk in ((some, BulkCommand.READ_ALL), (Filter(topics=("x",)), BulkCommand.SEEN_ALL)):
        await inboxes.change_all(ada, matching, bulk, None, moment())
    await inboxes.change_all(ada, Filter(), BulkCommand.READ_ALL, None, moment())
    await inboxes.change_all(ben, Filter(), BulkCommand.SEEN_ALL, None, moment())
    await inboxes.delete(ada, packed(1), None, moment())
    await inboxes.delete(ada, packed(100), None, moment())
    await ProfileStore(client).set(ben, {"first_name": "Ben", "last_name": None, "phone_numbers": ["1"]})
    await ItemTrimmer(client, LogRetention(1000, 1000)).trim_each([ben], ItemRetention(6, 0), moment(), 20)
    one = Content.encode(text(200), fields("a", ""))
    await inboxes.create(one, [Delivery(ben)], moment(), remember=False, keep=ItemRetention(5, 0))


async def tell_of_wishes(client: FailingClient, ada: User) -> None:
    inboxes = InboxStore(client, LogRetention(1000, 1000), ContentStore(client))
    preferences, subscriptions = PreferenceStore(client, LogRetention(1000, 1000)), SubscriptionStore(client)
    categories = CategoryStore(client, time.monotonic)
    await categories.record(ada.project_id, "a")
    await categories.all(ada.project_id)
    configs = DeliveryConfigStore(client)
    await configs.put(ada.project_id, "a", SavedConfig(disabled=True))
    await configs.read(ada.project_id)
    await preferences.update(ada, {"a": {Channel.IN_APP: False}, "b": {Channel.EMAIL: False}}, None, moment())
    await preferences.read(ada)
    await inboxes.create(Content.encode(str(uuid4()), fields("a", "")), [Delivery(ada)], moment(), remember=True)
    await subscriptions.set(ada, "x", Status.SUBSCRIBED, {"*": "", "a": "why"})
    await subscriptions.set(ada, "y", Status.UNSUBSCRIBED, {"a": ""})
    await subscriptions.read_subscribers(ada.project_id, "x", None, 10)
    await subscriptions.delete(ada, "x")
    installations = InstallationStore(client, "secret")
    installed = await installations.replace(ada, "inbox", {"locale": "en"}, (), None)
    await installations.replace(ada, "inbox", {"locale": "de"}, (), installed)
    await installations.read(ada, "inbox")
    await subscriptions.delete(ada, "y")


async def tell_of_devices_and_tokens(client: FailingClient, ada: User, ben: User) -> None:
    registered = ChannelTokenStore(client)
    for kind, name in ((apns.TOKEN, "device_token"), (inbox.TOKEN, "token")):
        for number in range(6):
            await registered.register(ada, kind, {name: f"token {number % 5}"}, 1000 + number)
        await registered.register(ben, kind, {name: "token 4"}, 2000)
        await registered.discard_same(ada, kind, {name: "token 0"}, 3000)
        await registered.discard_same(ben, kind, {name: "token 4"}, 3000)
        await registered.register(ben, kind, {name: "token 4"}, 4000)
    key, device = keys.user(ben.project_id, ben.id), b'1 2 {"platform":"ios"}'
    await client.redis.hset(key + keys.USER_SUFFIXES["DEVICES"], "former", device)
    held = msgspec.json.encode([[ben.id, 1]])
    await client.redis.hset(keys.token_holders(ben.project_id), "former", held)
    await registered.page(ben, apns.TOKEN, 10, None, None, True)
    issued, now = TokenStore(client), int(time.time())
    for owner in (ada, ada.project_id):
        for number in range(5):
            token = Token(str(UUID(int=number)), now, now + 600 + number, None, "name")
            await issued.issue(owner, token)
            if number % 2:
                await issued.discard(owner, token.id, now)
    await issued.page(ada, 10, None, None, now)
    await issued.discard_before(ada, now + 1, now)


async def tell_of_jobs(client: FailingClient, project_id: ProjectId, ada: User) -> None:
    accepted, queue = JobStore(client), JobQueue(client)
    for number in range(3):
        portions = (b"[1]", b"[2]")
        await accepted.enqueue(JobKind.IMPORT, project_id, f"job-{number}", b"{}", number + 10**12, portions)
        claim = await queue.claim()
        assert claim is not None
        job = await queue.start(claim)
        assert job is not None
        await queue.save(job, 1, Step("1", {"total": 2, "failures": 1}, [{"message": "no"}], [ada.id]))
        await queue.save(job, 2, Step("2", {"total": 2}, [{"message": "no"}] * 2, [ada.id]))
        await queue.renew(claim)
        await queue.release(claim)
        claim = await queue.claim()
        assert claim is not None
        job = await queue.start(claim)
        assert job is not None
        await queue.finish(job, "given up" if number == 1 else "")
    await accepted.enqueue(JobKind.IMPORT, project_id, "job-3", b"{}", 10**12)
    await accepted.cancel(JobKind.IMPORT, project_id, "job-3")
    claim = await queue.claim()
    assert claim is not None
    job = await queue.start(claim)
    assert job is not None
    await queue.finish(job)
    await accepted.enqueue_project_deletion(project_id)
    claim = await queue.claim()
    assert claim is not None
    job = await queue.start(claim)
    assert job is not None
    await queue.finish(job)


async def tell_of_lanes(client: FailingClient, project_id: ProjectId, ada: User) -> None:
    lanes, lane = LaneStore(client), Lane(project_id, Route.EMAIL)
    await lanes.mark(project_id, [ada.id], [Route.EMAIL, Route.SMS])
    await lanes.add(lane, ada.id, 0)
    await lanes.add(lane, ada.id, int(time.time() * 1000) + 60_000)
    await lanes.park(lane, "config")
    await lanes.unpark(lane)
    await lanes.forget_project(project_id)


async def tell_of_deliveries(client: FailingClient, ada: User) -> None:
    contents, registered = ContentStore(client), ChannelTokenStore(client)
    retention = LogRetention(1000, 1000)
    inboxes, outbox = InboxStore(client, retention, contents), OutboxStore(client, contents, registered)
    await registered.register(ada, apns.TOKEN, {"device_token": "a dead one"}, 1000)
    await PreferenceStore(client, retention).update(ada, {"off": {Channel.IN_APP: False}}, None, moment())
    plan = OutboxPlan(((Route.APNS, 0), (Route.EMAIL, 0), (Route.SLACK, 0)))
    items = [
        Content.encode(str(UUID(int=400 + number)), fields(("off", "a", "")[number % 3], "")) for number in range(9)
    ]
    for item in items[:3]:
        await inboxes.send(item, [Delivery(ada)], moment(), True, plan)
    for item in items[3:]:
        await inboxes.send_each(item, [ada], moment(), True, plan)
    lane = Lane(ada.project_id, Route.APNS)
    for number in range(3):
        lease = int(time.time() * 1000) + 60_000
        claim = Claim(lane, [ada.id], number + 1, lease, "")
        (taken,) = await outbox.take(claim, 3)
        await outbox.extend(claim, claim._replace(lease_ms=lease + 1))
        results = [
            EntryResult(each.id, EntryRecord(DeliveryState.FAILED), lease if place else None)
            for place, each in enumerate(taken.entries)
        ]
        dead = [token.key for token in taken.tokens]
        await outbox.record([UserResults(taken, results, dead, {b"address": "no"})], 1)
    for item in items:
        found = await outbox.read(ada, item.id)
        for known in found.entries if found is not None else ():
            await outbox.retry(ada, item.id, known, EntryRecord())
        await outbox.cancel(ada, item.id, 1)
    await inboxes.delete(ada, items[2].id, None, moment())


async def test_a_function_that_fails_anywhere_leaves_everything_as_it_was(
    client: FailingClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_tokens, "MAX_LIVE", 2)
    monkeypatch.setattr(channel_tokens, "MAX_DISCARDED", 1)
    monkeypatch.setattr(tokens, "MAX_TOKENS", 4)
    monkeypatch.setattr(jobs, "MAX_LISTED", 1)
    client.armed = True
    await tell(client)
    missing = sorted(WRITING - client.failures.keys())
    assert not missing, f"{missing} were not called: add a call to the functions above"
    assert client.failures.keys() <= WRITING


@pytest.mark.parametrize("suffix", [":states", ":items", ":i0", ":c0:a", ":t0", ":log"])
async def test_an_item_is_not_created_where_one_of_its_keys_is_of_another_type(
    client: FailingClient, suffix: str
) -> None:
    user = new_user()
    inboxes = InboxStore(client, LogRetention(1000, 1000), ContentStore(client))
    await client.redis.set(keys.user(user.project_id, user.id) + suffix, "something else")
    await client.redis.hset(keys.user(user.project_id, user.id), "format", "1")
    before = await client.state()
    item = Content.encode(str(uuid4()), fields("a", "x"))
    with pytest.raises(StoreDataError):
        await inboxes.create(item, [Delivery(user)], moment(), remember=True)
    assert await client.state() == before


@pytest.mark.parametrize("command", ["hsetnx", "hset", "zadd", "xadd"])
async def test_an_item_is_not_created_where_the_access_list_refuses_a_command(
    client: FailingClient, command: str
) -> None:
    user = new_user()
    inboxes = InboxStore(client, LogRetention(1000, 1000), ContentStore(client))
    await inboxes.read_log(user, None, "e")
    before = await client.state()
    item = Content.encode(str(uuid4()), fields("a", "x"))
    await client.redis.execute_command("ACL", "SETUSER", "default", f"-{command}")
    try:
        with pytest.raises(StoreRefusedError):
            await inboxes.create(item, [Delivery(user)], moment(), remember=True)
        assert await client.state() == before
    finally:
        await client.redis.execute_command("ACL", "SETUSER", "default", f"+{command}")
    (outcome,) = await inboxes.create(item, [Delivery(user)], moment(), remember=True)
    assert outcome is Outcome.CREATED


async def test_an_event_that_may_not_be_published_is_kept_and_noted(client: FailingClient) -> None:
    user, unpublished = new_user(), list[str]()
    client.on_unpublished = unpublished.append
    inboxes = InboxStore(client, LogRetention(1000, 1000), ContentStore(client))
    item = Content.encode(str(uuid4()), fields("a", "x"))
    await client.redis.execute_command("ACL", "SETUSER", "default", "-spublish")
    try:
        (outcome,) = await inboxes.create(item, [Delivery(user)], moment(), remember=True)
        await inboxes.change(user, item.id, Command.READ, None, moment())
    finally:
        await client.redis.execute_command("ACL", "SETUSER", "default", "+spublish")
    assert outcome is Outcome.CREATED
    assert unpublished == [keys.user(user.project_id, user.id)] * 2
    assert (await inboxes.read_log(user, None, "x")).end.offset == 2
