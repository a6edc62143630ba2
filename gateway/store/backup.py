"""A backup of the whole store while it is in use. docs/adr/0017-backup-by-slot.md has the reasons.

All keys of a user are copied in one call, so that a user's state, counts and event log are as of one moment. What is in
other slots is copied in an order in which it cannot contradict the users:

    lanes, the queue, jobs, idempotency records   before the users: what was under way is continued, and may be repeated
    users                                         each as of one moment
    contents, subscribers, holders of tokens, …   after the users, so that they have all that a user refers to
    directories, places of events, projects       last, for the same reason

So after a restore nothing refers to what is missing. Users and projects that were deleted meanwhile may be left over:
the restore removes them. Keys that only running processes need are left out, and so are the sessions of admins.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

from gateway.store import keys
from gateway.store.backup_copies import COPY_KEYS, COPY_USER, MOST_ENTRIES, Copy, UserCopy
from gateway.store.backup_file import BackupWriter, Group, Part
from gateway.store.errors import StoreChangedError
from gateway.store.redis.client import FunctionClient

SCANNED_KEYS = 1000
"""How many keys one step scans: about 0.3 ms of Redis."""

CALLS_AT_ONCE = 16
"""How many users are copied in one round trip (some 1.5 ms of Redis), so that requests run in between."""

NAMES_AT_ONCE = 200

PART_ENTRIES = 5000
"""How many entries of a large key are read at once."""

_INDEX_PART = 65_536

_UNKEPT = (
    *(keys.NODES, keys.LIBRARIES, keys.GENERATION),
    *(f"{keys.ADMINS}:{part}" for part in ("session:", "sessions:", "link:", "tries:", "lock")),
)
"""The beginnings of keys that are not copied."""

_UNKEPT_ENDS = ("}:life", "}:live", "}:storage", "}:sweep_look")

_EARLY = (keys.PREFIX + "{deliveries:*}*", keys.JOB_QUEUE + "*")

_JOB_ENDS = tuple(suffix.encode() for suffix in keys.JOB_SUFFIXES.values())

_ENDPOINT = ":webhooks:"
_CONTENT = ":content:"
_OUTCOME = "}" + keys.USER_SUFFIXES["OUTCOME"]


class StoreBackup:
    """Copies a store into a file. `on_progress` is called after each step."""

    def __init__(self, client: FunctionClient, writer: BackupWriter, on_progress: Callable[[], None] = lambda: None):
        self.client = client
        self.writer = writer
        self._on_progress = on_progress
        self.directories: list[bytes] = []
        self._places: list[bytes] = []

    async def run(self) -> None:
        """Copy the store, and end the file. Raises StoreUnavailableError and StoreChangedError."""
        moved: list[bool] = []
        self.client.topology.on_change.append(lambda: moved.append(True))
        before = await server_runs(self.client)
        moved.clear()
        for pattern in _EARLY:
            await self.copy_matching(pattern, is_kept)
        await self._copy_jobs()
        await self.copy_matching(keys.PREFIX + "{*}:idempotency:*", is_kept)
        await self.copy_users()
        await self.copy_matching(keys.PREFIX + "*", self.is_other)
        for directory in self.directories:
            await self.copy_directory(directory)
        await self._copy_names(self._places)
        for pattern in (keys.ADMINS + "*", keys.PROJECTS + "*"):
            await self._copy_together(pattern)
        await self.client.topology.refresh()
        if moved or await server_runs(self.client) != before:
            raise StoreChangedError("a server was restarted or replaced, or slots of the cluster moved meanwhile")
        self.writer.finish()

    async def _scan(self, pattern: str) -> AsyncIterator[Sequence[bytes]]:
        cursor = 0
        while True:
            cursor, found = await self.client.scan(cursor, pattern, SCANNED_KEYS)
            if found:
                yield found
            self._on_progress()
            if not cursor:
                return

    async def copy_users(self, pattern: str = keys.PREFIX + "{*:*}") -> None:
        """Copy the users whose records match."""
        async for found in self._scan(pattern):
            users = [name for name in found if is_user(name)]
            for first in range(0, len(users), CALLS_AT_ONCE):
                calls = [COPY_USER(name.decode()) for name in users[first : first + CALLS_AT_ONCE]]
                for user in await self.client.call_many(calls):
                    if user is not None:
                        await self.add_user(user)
                self._on_progress()

    async def add_user(self, user: UserCopy) -> None:
        """Add the copy of a user to the file."""
        self.writer.add(Group(_triples(user.copies), True, user.has_log, user.routes))

    async def _copy_jobs(self) -> None:
        async for found in self._scan(keys.PREFIX + "{*}:job:*"):
            records = [name for name in found if not name.endswith(_JOB_ENDS)]
            await self._copy_groups([_with_suffixes(name, keys.JOB_SUFFIXES) for name in records])

    async def copy_matching(self, pattern: str, is_wanted: Callable[[str], bool]) -> None:
        """Copy the keys that match, each as of a moment of its own, and webhook endpoints with all that they have."""
        async for found in self._scan(pattern):
            await self._copy_names([name for name in found if is_wanted(name.decode("latin-1"))])

    async def _copy_names(self, names: Sequence[bytes]) -> None:
        endpoints = {_slot_key(name) for name in names if _ENDPOINT.encode() in name[: name.find(b"}")]}
        await self._copy_groups([_with_suffixes(name, keys.WEBHOOK_SUFFIXES) for name in sorted(endpoints)])
        by_slot: dict[bytes, list[bytes]] = defaultdict(list)
        for name in names:
            if _slot_key(name) not in endpoints:
                by_slot[_slot_key(name)].append(name)
        groups = [
            some[first : first + NAMES_AT_ONCE]
            for some in by_slot.values()
            for first in range(0, len(some), NAMES_AT_ONCE)
        ]
        for copies in await self._read_groups(groups):
            for copy in copies:
                await self._add_one(copy)

    async def _copy_groups(self, groups: Sequence[Sequence[bytes]]) -> None:
        for copies in await self._read_groups(groups):
            if copies and all(copy.value is not None for copy in copies):
                self.writer.add(Group(_triples(copies)))
            else:  # a job or an endpoint whose keys are too large to be copied at once
                for copy in copies:
                    await self._add_one(copy)

    async def _copy_together(self, pattern: str) -> None:
        """Copy all keys of one slot as of one moment, however large they are."""
        names = [name async for found in self._scan(pattern) for name in found if is_kept(name.decode("latin-1"))]
        if names:
            self.writer.add(Group(_triples(await self._read(names, 2**53))))

    async def copy_directory(self, name: bytes) -> None:
        """Copy a directory together with the index of users."""
        users = int(await self.client.command("HGET", name, "n") or 0)
        suffix = keys.DIRECTORY_SUFFIXES["USER_INDEX"]
        parts = [name + f"{suffix}{part}".encode() for part in range(users // _INDEX_PART + 2)]
        first, *rest = await self._read([name, *parts], MOST_ENTRIES)
        if first.value is not None:
            self.writer.add(Group(_triples([first, *rest])))
        else:
            await self._add_parts(first, directory=True)
        self._on_progress()

    async def _read_groups(self, groups: Sequence[Sequence[bytes]]) -> list[Sequence[Copy]]:
        found: list[Sequence[Copy]] = []
        for first in range(0, len(groups), CALLS_AT_ONCE):
            calls = [_copy_call(names, MOST_ENTRIES) for names in groups[first : first + CALLS_AT_ONCE]]
            found += await self.client.call_many(calls)
        return found

    async def _read(self, names: Sequence[bytes], most_entries: int) -> Sequence[Copy]:
        return await self.client.call(_copy_call(names, most_entries))

    async def _add_one(self, copy: Copy) -> None:
        if copy.value is None:
            await self._add_parts(copy)
        else:
            self.writer.add(Group(_triples([copy])))

    async def _add_parts(self, copy: Copy, directory: bool = False) -> None:
        """Copy a large key in parts. Entries depend on no other entries, except on counters, which come last."""
        self.writer.count_key()
        command, counters = _SCANS[copy.kind]
        cursor: Any = 0
        while True:
            cursor, entries = await self.client.command(command, copy.name, cursor, "COUNT", PART_ENTRIES)
            self._add_part(copy, entries, directory)
            if not int(cursor):
                break
        again: list[bytes] = []
        for field in counters:
            value = await self.client.command("HGET" if copy.kind == "hash" else "ZSCORE", copy.name, field)
            again += [] if value is None else [field.encode(), value]
        self._add_part(copy, again, directory)

    def _add_part(self, copy: Copy, entries: list[bytes], directory: bool) -> None:
        if directory:
            pairs = zip(entries[::2], entries[1::2], strict=True)
            entries = [word for field, value in pairs if field[:2] not in (b"x:", b"e:") for word in (field, value)]
        elif copy.kind == "zset":
            entries = [word for pair in zip(entries[1::2], entries[::2], strict=True) for word in pair]
        if entries:
            self.writer.add(Part(copy.name, copy.kind, copy.expires_ms, entries, directory))
        self._on_progress()

    def is_other(self, name: str) -> bool:
        """Return whether a key is copied after the users. Note the keys that are copied last."""
        tag, _, rest = name.removeprefix(keys.PREFIX + "{").partition("}")
        if not is_kept(name) or tag in ("jobs", "projects", "admins") or tag.startswith("deliveries:"):
            return False
        if ":" in tag:
            return _ENDPOINT in f"{tag}:" or _CONTENT in tag or _OUTCOME in name
        if rest == ":users":
            self.directories.append(name.encode("latin-1"))
        elif rest == ":events":
            self._places.append(name.encode("latin-1"))
        elif not rest.startswith((":job:", ":idempotency:", f":users{keys.DIRECTORY_SUFFIXES['USER_INDEX']}")):
            return True
        return False


_SCANS: Mapping[str, tuple[str, Sequence[str]]] = {
    "hash": ("HSCAN", ("", "n", "format")),
    "zset": ("ZSCAN", ("",)),
    "set": ("SSCAN", ()),
}
"""The command that reads a key in parts, and the entries that count the others."""


def is_kept(name: str) -> bool:
    """Return whether a backup of the whole store has a key of the gateway."""
    return not name.startswith(_UNKEPT) and not name.endswith(_UNKEPT_ENDS) and name != keys.STORE_FORMAT


async def server_runs(client: FunctionClient) -> list[tuple[str, str]]:
    """Return the name of each server, and the id of its present run. Raises StoreUnavailableError."""
    found = []
    for node in await client.nodes():
        information = await client.run_on(node, "INFO", "server")
        found.append((node.name, _field(information, "run_id")))
    return sorted(found)


async def server_version(client: FunctionClient) -> str:
    """Return the name and the version of the store's server. Raises StoreUnavailableError."""
    node = (await client.nodes())[0]
    information = await client.run_on(node, "INFO", "server")
    if version := _field(information, "valkey_version"):
        return f"Valkey {version}"
    return f"Redis {_field(information, 'redis_version')}"


def _field(information: bytes, name: str) -> str:
    lines = information.decode(errors="replace").splitlines()
    return next((line.partition(":")[2] for line in lines if line.startswith(f"{name}:")), "")


def _copy_call(names: Sequence[bytes], most_entries: int) -> Any:
    return COPY_KEYS(_slot_key(names[0]).decode(), most_entries, names)


def _slot_key(name: bytes) -> bytes:
    """Return the part of a name that decides its slot."""
    return name[: name.find(b"}") + 1]


def is_user(name: bytes) -> bool:
    tag = name.removeprefix((keys.PREFIX + "{").encode()).partition(b"}")[0]
    return tag.count(b":") == 1 and not tag.startswith(b"deliveries:") and not tag.startswith((b"answers:", b"probe:"))


def _with_suffixes(name: bytes, suffixes: Mapping[str, str]) -> list[bytes]:
    return [name, *(name + suffix.encode() for suffix in suffixes.values())]


def _triples(copies: Iterable[Copy]) -> list[tuple[bytes, int, bytes]]:
    return [(copy.name, copy.expires_ms, copy.value) for copy in copies if copy.value is not None]
