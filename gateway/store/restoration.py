"""The restoration of a backup into a store that no process of the gateway uses. docs/adr/0017-backup-by-slot.md.

While it runs, the store has the format RESTORING, which no gateway knows. So a gateway that is started meanwhile, or
after a restoration that was interrupted, uses nothing of it.

Clients keep positions of the time after the backup. So the data gets a new generation, and the record of each user a
mark that no generation equals, whatever becomes of the generation. The next event begins a new epoch, and a client with
another position gets `reset`.
"""

import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from uuid import UUID

from gateway.domain.delivery import ROUTES_BY_CODE, Lane
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.backup import SCANNED_KEYS, is_user
from gateway.store.backup_contents import decode_directory
from gateway.store.backup_file import Group, Part, Record
from gateway.store.deletion import UserDeletion
from gateway.store.errors import StoreInUseError, StoreNotEmptyError, UnsuitableBackupError
from gateway.store.formats import RESTORING
from gateway.store.jobs import JobStore
from gateway.store.lanes import SHARDS, LaneStore
from gateway.store.nodes import NodeStore
from gateway.store.redis.client import CALLS_AT_ONCE, Argument, FunctionClient
from gateway.store.redis.generation import note_generation
from gateway.store.redis.problems import StoreUnavailableError

RESTORED_LIFE = "restored"
"""What the field `life` of a restored user has. A generation is a hexadecimal number, so it never equals this."""

SKIPPED_CLAIMS = 1_000_000
"""How many numbers of claims are left out: more than were assigned while the backup was made. A number that a record
has already must not be assigned again."""

BATCH_BYTES = 1024 * 1024

_INDEX_PART = 65_536

_PROBE = keys.PREFIX + "{restore}:probe"

_FINISHED = (b"processed", b"cancelled")


async def check_unused(client: FunctionClient) -> None:
    """Raise StoreInUseError if a process of the gateway runs on a store. Raises StoreUnavailableError."""
    running = await NodeStore(client).all()
    if running:
        names = ", ".join(sorted({f"{each.kind} {each.pid} on {each.host}" for each in running}))
        raise StoreInUseError(f"{len(running)} processes of the gateway are running on the store: {names}; stop them")


async def check_empty(client: FunctionClient) -> None:
    """Raise StoreNotEmptyError if a store has data of the gateway. Raises StoreUnavailableError."""
    if await client.command("GET", keys.STORE_FORMAT) == RESTORING.encode():
        raise StoreNotEmptyError("the restoration of a backup was interrupted: run it again with --replace")
    async for names in _scan(client, keys.PREFIX + "*"):
        if any(not name.startswith(_UNIMPORTANT) and not name.endswith(b"}:life") for name in names):
            raise StoreNotEmptyError("the store is not empty: --replace deletes all data that the gateway has in it")


_UNIMPORTANT = tuple(name.encode() for name in (keys.LIBRARIES, keys.NODES, keys.GENERATION))


async def check_values(client: FunctionClient, samples: Iterable[bytes]) -> None:
    """Raise UnsuitableBackupError if a server cannot read these values. Raises StoreUnavailableError."""
    for sample in samples:
        try:
            await client.command("RESTORE", _PROBE, 60_000, sample, "REPLACE")
        except StoreUnavailableError as problem:
            if "payload version" in problem.detail or "Bad data format" in problem.detail:
                raise UnsuitableBackupError(
                    "the server cannot read values of the server that the backup was made of: "
                    "use the same kind of server in the same version, or a newer one"
                ) from None
            raise
        await client.command("UNLINK", _PROBE)


class StoreRestoration:
    """Restores a backup. `on_progress` is called after each step with how many keys are restored."""

    def __init__(self, client: FunctionClient, on_progress: Callable[[int], None] = lambda keys: None):
        self._client = client
        self._on_progress = on_progress
        self._lanes = LaneStore(client)
        self._large_keys: set[bytes] = set()
        self.restored = 0
        """How many keys are restored so far."""
        self.leftovers = 0
        """How many users were removed, because they were deleted while the backup was made."""

    async def run(self, records: Iterable[Record], store_format: str) -> None:
        """Replace all data of the gateway by these records. Raises StoreUnavailableError and what `records` raises."""
        await self._client.command("SET", keys.STORE_FORMAT, RESTORING)
        await self._delete_all()
        await self._begin_generation()
        for batch in batches_of(records):
            await self._restore(batch)
            self._on_progress(self.restored)
        await self._skip_claims()
        await self._enqueue_jobs()
        await self._remove_leftovers()
        await self._client.command("SET", keys.STORE_FORMAT, store_format)

    async def _delete_all(self) -> None:
        async for names in _scan(self._client, keys.PREFIX + "*"):
            doomed = [name for name in names if name != keys.STORE_FORMAT.encode()]
            for first in range(0, len(doomed), CALLS_AT_ONCE):
                await self._client.commands(*(("UNLINK", name) for name in doomed[first : first + CALLS_AT_ONCE]))

    async def _begin_generation(self) -> None:
        for node in await self._client.nodes():
            generation = secrets.token_hex(4) + _promotion_of(await self._client.run_on(node, "INFO", "replication"))
            names = self._client.topology.generation_keys(node)
            for first in range(0, len(names), CALLS_AT_ONCE):
                some = names[first : first + CALLS_AT_ONCE]
                await self._client.commands(*(("SET", name, generation) for name in some))
            await note_generation(self._client, node)  # functions otherwise know the former one for a second

    async def _restore(self, batch: Sequence[Record]) -> None:
        groups = await new_groups(self._client, [each for each in batch if isinstance(each, Group)])
        commands: list[tuple[Argument, ...]] = []
        for group in groups:
            commands += group_commands(group)
            self.restored += len(group.keys)
        for part in batch:
            if isinstance(part, Part):
                commands += part_commands(part)
                self.restored += part.key not in self._large_keys
                self._large_keys.add(part.key)
        for first in range(0, len(commands), CALLS_AT_ONCE):
            await self._client.commands(*commands[first : first + CALLS_AT_ONCE])
        for group in groups:
            await self._make_due(group)

    async def _make_due(self, group: Group) -> None:
        """Have the processes that deliver look at a user, or at an endpoint of webhooks, that has something due."""
        name = group.keys[0][0]
        if group.user and group.routes:
            project_id, user_id = _ids_of(name)
            for code in group.routes:
                if (route := ROUTES_BY_CODE.get(code)) is not None:
                    await self._lanes.add(Lane(project_id, route), user_id)
        elif b":webhooks:" in name[: name.find(b"}")]:
            tag = name.decode("latin-1").removeprefix(keys.PREFIX + "{").partition("}")[0]
            project, _, endpoint_id = tag.partition(":webhooks:")
            await self._lanes.add(Lane(ProjectId(project), ROUTES_BY_CODE["w"]), UserId(endpoint_id))

    async def _skip_claims(self) -> None:
        counters = [(keys.lanes(shard), "claim") for shard in range(SHARDS)]
        counters.append((keys.JOB_QUEUE + keys.JOB_SUFFIXES["CLAIMS"], ""))
        known = await self._client.commands(*(("EXISTS", name) for name, _ in counters))
        for (name, field), exists in zip(counters, known, strict=True):
            if exists:
                await self._client.command("HINCRBY", name, field, SKIPPED_CLAIMS)

    async def _enqueue_jobs(self) -> None:
        """Enqueue the jobs that are not finished, if they are not in the queue."""
        async for names in _scan(self._client, keys.PREFIX + "{*}:job:*"):
            records = [name for name in names if not name.endswith(_JOB_ENDS)]
            statuses = await self._client.commands(*(("HGET", name, "status") for name in records)) if records else []
            for name, status in zip(records, statuses, strict=True):
                if status is not None and status not in _FINISHED:
                    tag, _, job_id = name.decode().removeprefix(keys.PREFIX + "{").partition("}:job:")
                    await self._client.command("ZADD", keys.JOB_QUEUE, "NX", 0, f"{tag} {job_id}")

    async def _remove_leftovers(self) -> None:
        """Remove the users and the projects that were deleted while the backup was made."""
        projects = set(await self._client.command("HKEYS", keys.PROJECT_IDS))
        unknown: set[ProjectId] = set()
        async for names in _scan(self._client, keys.PREFIX + "{*:*}"):
            by_project: dict[ProjectId, list[UserId]] = defaultdict(list)
            for name in filter(is_user, names):
                project_id, user_id = _ids_of(name)
                by_project[project_id].append(user_id)
            for project_id, users in by_project.items():
                if project_id.encode() not in projects:
                    unknown.add(project_id)
                    continue
                await self._remove_unlisted(project_id, users)
        for project_id in unknown:
            await JobStore(self._client).enqueue_project_deletion(project_id)

    async def _remove_unlisted(self, project_id: ProjectId, users: Sequence[UserId]) -> None:
        found = await self._client.command("HMGET", keys.directory(project_id), *(f"u:{user_id}" for user_id in users))
        gone = [user_id for user_id, each in zip(users, found, strict=True) if each is None]
        deletion = UserDeletion(self._client)
        for user_id in gone:
            await deletion.delete(User(project_id, user_id, None, None))
        self.leftovers += len(gone)


def _promotion_of(information: bytes) -> str:
    """Return the name of the generation that the promotion of a server began, "" if it was never promoted.

    A generation that ends with it is not replaced by it (functions/log.lua).
    """
    fields = dict(line.partition(":")[::2] for line in information.decode(errors="replace").splitlines())
    if not fields.get("master_replid2", "0").strip("0"):
        return ""
    return fields["master_replid"][:8]


_JOB_ENDS = tuple(suffix.encode() for suffix in keys.JOB_SUFFIXES.values())


async def _scan(client: FunctionClient, pattern: str) -> AsyncIterator[Sequence[bytes]]:
    cursor = 0
    while True:
        cursor, names = await client.scan(cursor, pattern, SCANNED_KEYS)
        if names:
            yield names
        if not cursor:
            return


def batches_of(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield the records in batches, each of which is restored in some round trips."""
    batch: list[Record] = []
    size = 0
    for record in records:
        batch.append(record)
        size += sum(len(each[2]) for each in record.keys) if isinstance(record, Group) else BATCH_BYTES
        if size >= BATCH_BYTES or len(batch) >= CALLS_AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


async def new_groups(client: FunctionClient, groups: Sequence[Group]) -> list[Group]:
    """Return the groups that are not restored yet. A scan may return a key twice, and the first copy is kept."""
    first: dict[bytes, Group] = {}
    for group in groups:
        if group.keys:
            first.setdefault(group.keys[0][0], group)
    known = await client.commands(*(("EXISTS", name) for name in first)) if first else []
    return [group for group, exists in zip(first.values(), known, strict=True) if not exists]


def group_commands(group: Group) -> Iterator[tuple[Argument, ...]]:
    """Yield the commands that restore a group."""
    for name, expires_ms, value in group.keys:
        ttl = () if expires_ms < 0 else ("ABSTTL",)
        yield ("RESTORE", name, max(expires_ms, 0), value, "REPLACE", *ttl)
    if group.has_log:
        yield ("HSET", group.keys[0][0], "life", RESTORED_LIFE)


def part_commands(part: Part) -> Iterator[tuple[Argument, ...]]:
    """Yield the commands that restore a part."""
    yield (_ADDING[part.kind], part.key, *part.entries)
    if part.expires_ms >= 0:
        yield ("PEXPIREAT", part.key, part.expires_ms)
    if part.directory:
        yield from _index_commands(part)


def _index_commands(part: Part) -> Iterator[tuple[Argument, ...]]:
    """Yield what a directory has of each user besides the record: its names, and its place in the user index.

    They are derived from the record, so they agree with it, although a large directory is copied in parts.
    """
    names: list[Argument] = []
    for field, raw in zip(part.entries[::2], part.entries[1::2], strict=True):
        if not field.startswith(b"u:"):
            continue
        record, user_id = decode_directory(raw), field[2:]
        names += ("x:" + record.x, user_id) if record.x else ()
        names += ("e:" + record.e, user_id) if record.e else ()
        if record.n is not None:
            index = part.key + f"{keys.DIRECTORY_SUFFIXES['USER_INDEX']}{record.n // _INDEX_PART}".encode()
            yield ("SETRANGE", index, record.n % _INDEX_PART * 16, UUID(user_id.decode()).bytes)
    if names:
        yield ("HSET", part.key, *names)


_ADDING = {"hash": "HSET", "set": "SADD", "zset": "ZADD"}


def _ids_of(user_key: bytes) -> tuple[ProjectId, UserId]:
    project_id, _, user_id = user_key.decode().removeprefix(keys.PREFIX + "{").removesuffix("}").partition(":")
    return ProjectId(project_id), UserId(user_id)
