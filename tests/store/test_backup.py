"""A backup and its restoration: the data of the golden file, large keys, and what changes meanwhile."""

import io
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import redis

from gateway.domain.delivery import Route
from gateway.domain.ids import ProjectId
from gateway.domain.principal import Identity, User
from gateway.settings import Settings
from gateway.store import backup as backup_module
from gateway.store import keys
from gateway.store.backup import StoreBackup, server_version
from gateway.store.backup_copies import COPY_USER
from gateway.store.backup_file import VERSION, BackupFileError, BackupReader, BackupWriter, Group, Header
from gateway.store.contents import ContentStore
from gateway.store.deletion import UserDeletion
from gateway.store.directory import Directory
from gateway.store.errors import StoreChangedError, StoreInUseError, StoreNotEmptyError, UnsuitableBackupError
from gateway.store.event_log import LogRetention
from gateway.store.formats import check_format
from gateway.store.inbox import InboxStore
from gateway.store.lanes import LaneStore
from gateway.store.library import LIBRARY
from gateway.store.nodes import NodeReport, NodeStore
from gateway.store.projects import ProjectStore
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.problems import StoreFormatError
from gateway.store.redis.topology import Topology
from gateway.store.restoration import RESTORED_LIFE, StoreRestoration, check_empty, check_unused, check_values
from tests.cluster import running_cluster
from tests.golden.data import Entry, load, read_all, read_file
from tests.servers import RedisServer, running_redis, wait_for
from tests.store.conftest import InspectedClient
from tests.store.test_inbox import send

ENDPOINT = "0197a3e2-0000-7000-8000-000000000001"

PROJECT = ProjectId("1")

HEADER = Header(VERSION, "1.0", "2026-01-01T00:00:00+00:00", keys.FORMAT, "Valkey 9")


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncIterator[InspectedClient]:
    """A client of an empty server."""
    client = InspectedClient(redis_server.url)
    await client.redis.flushall()
    await client.load()
    yield client
    await client.aclose()


async def backed_up(client: InspectedClient) -> bytes:
    """Return a backup of a server."""
    file = io.BytesIO()
    await StoreBackup(client, BackupWriter(file, HEADER)).run()
    return file.getvalue()


async def restore(client: InspectedClient, file: bytes) -> StoreRestoration:
    """Restore a backup."""
    restoration = StoreRestoration(client)
    await restoration.run(BackupReader(io.BytesIO(file)).records(), keys.FORMAT)
    return restoration


def content_of(server: RedisServer) -> dict[str, Any]:
    """Return what a server has by key, without what a restoration changes on purpose."""
    with redis.Redis(port=server.port) as admin:
        entries = [entry for entry in read_all(admin) if not _is_renewed(entry["key"]) and not _is_deleted(entry)]
    return {entry["key"]: _compared(entry) for entry in entries}


def _is_renewed(key: str) -> bool:
    claims = keys.JOB_QUEUE + keys.JOB_SUFFIXES["CLAIMS"]
    unkept = (keys.NODES, keys.LIBRARIES, keys.GENERATION, keys.PREFIX + "{deliveries:", f"{keys.ADMINS}:session")
    return key.startswith(unkept) or key == claims or key.endswith(("}:storage", "}:live")) or ":rate:" in key


def _is_deleted(entry: Entry) -> bool:
    return entry["type"] == "hash" and [name for name, _ in entry["value"]] == ["deleted"]


def _compared(entry: Entry) -> Any:
    if entry["type"] == "hash":
        return [pair for pair in entry["value"] if pair[0] != "life"]
    return entry["type"], entry["value"]


async def test_all_data_of_the_golden_file_is_restored(client: InspectedClient, redis_server: RedisServer) -> None:
    with redis.Redis(port=redis_server.port) as admin:
        load(admin, read_file()["entries"])
    before = content_of(redis_server)
    assert len(before) > 100
    file = await backed_up(client)
    await client.redis.set("somebody's", "else")
    await client.redis.hset(keys.PREFIX + "{9:a-later-user}", "format", keys.FORMAT)
    restored = await restore(client, file)
    after = content_of(redis_server)
    assert after.pop("somebody's") is not None
    assert {key: value for key, value in after.items() if before.get(key) != value} == {}
    assert before.keys() - after.keys() == set()
    assert restored.leftovers == 0
    assert BackupReader(io.BytesIO(file)).header == HEADER


async def test_large_keys_are_copied_in_parts(
    client: InspectedClient, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_module, "MOST_ENTRIES", 3)
    monkeypatch.setattr(backup_module, "PART_ENTRIES", 10)
    with redis.Redis(port=redis_server.port) as admin:
        load(admin, read_file()["entries"])
    await Directory(client, time.monotonic).resolve_many(
        PROJECT, [Identity(f"x{number}", f"{number}@example.com") for number in range(500)]
    )
    before = content_of(redis_server)
    await restore(client, await backed_up(client))
    assert content_of(redis_server) == before


async def inbox_of(client: InspectedClient) -> tuple[InboxStore, User]:
    """Return the inboxes of a store with a project, and a user of it."""
    projects = ProjectStore(client, "x" * 32)
    await projects.prepare()
    project = await projects.create("Shop", False)
    (resolved,) = await Directory(client, time.monotonic).resolve_many(project.id, [Identity("joe", None)])
    return InboxStore(client, LogRetention(events=1000, seconds=1000), ContentStore(client)), resolved.user


async def test_a_position_of_after_the_backup_is_reset(client: InspectedClient) -> None:
    store, user = await inbox_of(client)
    await send(store, user, 2)
    kept = (await store.read_log(user, None, "e1")).end
    file = await backed_up(client)
    await send(store, user, 1)
    lost = (await store.read_log(user, None, "e1")).end
    await restore(client, file)
    assert (await store.read_log(user, lost, "e2")).reset_reason == "position_unknown"
    assert (await store.read_log(user, kept, "e2")).reset_reason == ""
    await send(store, user, 1)
    for position in (kept, lost):
        assert (await store.read_log(user, position, "e2")).reset_reason == "epoch_changed"
    assert await client.redis.hget(keys.user(user.project_id, user.id), "life") != RESTORED_LIFE.encode()


async def test_a_server_that_was_promoted_does_not_take_up_the_former_generation(tmp_path: Path) -> None:
    for name in ("primary", "replica"):
        (tmp_path / name).mkdir()
    with running_redis("valkey", tmp_path / "replica") as server:
        with running_redis("valkey", tmp_path / "primary") as primary, redis.Redis(port=server.port) as admin:
            admin.replicaof("127.0.0.1", str(primary.port))
            wait_for(lambda: admin.info("replication")["master_link_status"] == "up", "the replica", 30)
            admin.replicaof("NO", "ONE")
        client = InspectedClient(server.url)
        await client.load()
        store, user = await inbox_of(client)
        await send(store, user, 1)
        promoted = await client.redis.get(keys.GENERATION)
        file = await backed_up(client)
        await send(store, user, 1)
        lost = (await store.read_log(user, None, "e1")).end
        await restore(client, file)
        await send(store, user, 1)
        began = await client.redis.get(keys.GENERATION)  # although Redis still says that it was promoted
        assert (str(began) != str(promoted), str(began)[-9:]) == (True, str(promoted)[-9:])
        assert (await store.read_log(user, lost, "e2")).reset_reason == "epoch_changed"
        await client.aclose()


async def test_users_and_projects_deleted_during_the_backup_are_removed(client: InspectedClient) -> None:
    store, user = await inbox_of(client)
    await send(store, user, 1)
    copied = await client.call(COPY_USER(keys.user(user.project_id, user.id)))
    assert copied is not None
    await UserDeletion(client).delete(user)
    await Directory(client, time.monotonic).forget(user)
    assert await client.call(COPY_USER(keys.user(user.project_id, user.id))) is None
    file = io.BytesIO()
    writer = BackupWriter(file, HEADER)
    group = [(copy.name, copy.expires_ms, copy.value or b"") for copy in copied.copies]
    writer.add(Group(group, True, copied.has_log, copied.routes))
    other = [(name.replace(b"{1:", b"{77:"), expires_ms, value) for name, expires_ms, value in group]
    writer.add(Group(other, True, copied.has_log, copied.routes))
    await StoreBackup(client, writer).run()
    restored = await restore(client, file.getvalue())
    assert restored.leftovers == 1
    assert await client.redis.hkeys(keys.user(user.project_id, user.id)) == [b"deleted"]
    assert await client.redis.hget(keys.job(ProjectId("77"), "deletion"), "status") == b"enqueued"


async def test_what_was_under_way_is_due_again(client: InspectedClient) -> None:
    _, user = await inbox_of(client)
    key = keys.user(user.project_id, user.id)
    await client.redis.hset(key, mapping={"format": keys.FORMAT, "webhooks_at": 1, "offset": 2, "outbox": "e"})
    await client.redis.zadd(key + keys.USER_SUFFIXES["OUTBOX"] + "e", {b"n" * 16: 1})
    job = keys.job(user.project_id, "j1")
    await client.redis.hset(job, mapping={"kind": "import", "status": "processing", "format": keys.FORMAT})
    await client.redis.hset(keys.job(user.project_id, "j2"), mapping={"kind": "import", "status": "processed"})
    await client.redis.rpush(job + keys.JOB_SUFFIXES["PORTIONS"], "a", "b")
    endpoint = keys.webhook_endpoint(user.project_id, ENDPOINT)
    await client.redis.hset(endpoint + keys.WEBHOOK_SUFFIXES["WEBHOOK_MESSAGES"], "m", "1")
    await restore(client, await backed_up(client))
    claims = [(claim.lane.route, claim.users) for claim in await LaneStore(client).claim(100, 1000)]
    assert {route: set(users) for route, users in claims} == {
        Route.EMAIL: {user.id},
        Route.WEBHOOKS: {user.id, ENDPOINT},
    }
    assert await client.redis.zrange(keys.JOB_QUEUE, 0, -1) == [f"{user.project_id} j1".encode()]
    assert await client.redis.lrange(job + keys.JOB_SUFFIXES["PORTIONS"], 0, -1) == [b"a", b"b"]


async def test_a_store_in_use_or_with_data_is_refused(client: InspectedClient) -> None:
    await check_empty(client)
    await check_unused(client)
    await NodeStore(client).report(NodeReport("n1", "worker", "1", "a", 7, 0, 0))
    with pytest.raises(StoreInUseError, match="worker 7 on a"):
        await check_unused(client)
    await check_empty(client)
    await inbox_of(client)
    with pytest.raises(StoreNotEmptyError, match="--replace"):
        await check_empty(client)


async def test_an_interrupted_restoration_leaves_a_store_that_no_gateway_uses(client: InspectedClient) -> None:
    await inbox_of(client)
    file = await backed_up(client)
    with pytest.raises(BackupFileError):
        await restore(client, file[:-1])
    with pytest.raises(StoreFormatError, match="interrupted"):
        await check_format(client)
    with pytest.raises(StoreNotEmptyError, match="interrupted"):
        await check_empty(client)
    await restore(client, file)
    await check_format(client)


async def test_values_of_a_newer_server_are_refused(client: InspectedClient) -> None:
    value = await client.redis.execute_command("DUMP", await _some_key(client))
    await check_values(client, [value])
    with pytest.raises(UnsuitableBackupError, match="the same kind of server"):
        await check_values(client, [value[:-10] + b"\xff\xff" + value[-8:]])
    assert await client.redis.keys("*probe*") == []


async def _some_key(client: InspectedClient) -> str:
    await client.redis.set("some", "value")
    return "some"


async def test_a_backup_during_which_a_server_was_replaced_fails(
    client: InspectedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await inbox_of(client)
    runs = iter("ab")

    async def other_run(_: object) -> str:
        return next(runs)

    monkeypatch.setattr(backup_module, "server_runs", other_run)
    with pytest.raises(StoreChangedError):
        await backed_up(client)


async def test_the_server_is_named_with_its_version(client: InspectedClient) -> None:
    kind, _, version = (await server_version(client)).partition(" ")
    assert kind in ("Valkey", "Redis")
    assert version.count(".") == 2


async def test_a_cluster_is_backed_up_and_restored(tmp_path: Path) -> None:
    with running_cluster(tmp_path) as cluster:
        client = FunctionClient(Topology(Settings(redis_url=cluster.url, redis_timeout_seconds=30)), LIBRARY)
        await client.load()
        projects = ProjectStore(client, "x" * 32)
        await projects.prepare()
        project = await projects.create("Shop", False)
        names = [Identity(f"u{number}", None) for number in range(50)]
        users = [each.user for each in await Directory(client, time.monotonic).resolve_many(project.id, names)]
        store = InboxStore(client, LogRetention(events=1000, seconds=1000), ContentStore(client))
        for user in users:
            await send(store, user, 1)
        file = io.BytesIO()
        await StoreBackup(client, BackupWriter(file, HEADER)).run()
        ends = [(await store.read_log(user, None, "e")).end for user in users]
        for user in users:
            await send(store, user, 1)
        file.seek(0)
        await StoreRestoration(client).run(BackupReader(file).records(), keys.FORMAT)
        assert [(await store.read_log(user, None, "e")).end for user in users] == ends
        await send(store, users[0], 1)
        assert (await store.read_log(users[0], ends[0], "e")).reset_reason == "epoch_changed"
        client.close()
