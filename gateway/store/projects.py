"""The projects of the store: read through a cache, created and changed.

project_records.py has their encoding, project_secrets.py their API secrets, project_cache.py the cache, and
project_deletion.py their deletion.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

import msgspec

from gateway.domain.ids import ProjectId, WorkspaceId
from gateway.domain.limits import NO_LIMITS, ProjectLimits
from gateway.domain.principal import DEFAULT_WORKSPACE, Project
from gateway.domain.signing import PublicKey
from gateway.store import keys
from gateway.store.errors import ForeignSecretKeyError, KeyTakenError, TooManyProjectsError, UnknownWorkspaceError
from gateway.store.project_cache import ProjectCache
from gateway.store.project_records import ProjectChange, ProjectRecord, decode_record, peek_record, text_of
from gateway.store.project_secrets import SecretCipher
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import (
    Arguments,
    nothing,
    optional_bytes,
    reading_function,
    untouched,
    writing_function,
)
from gateway.store.redis.problems import (
    StoreDataError,
    StoreEmptyError,
    StoreUnavailableError,
)
from gateway.store.state import StoreState, read_state

KEYS_PER_READ = 500
"""How many projects one command reads."""

CONTROL_PROJECT = "project"
"""The first word of the control message that names the API key of a project to drop from the cache."""

DEFAULT_WORKSPACE_TITLE = "Default"

MAX_PROJECTS = 10_000
"""The maximum number of projects of a workspace. Nodes regularly read all projects, which takes about 5 µs for each."""

DECRYPTED_IN_ONE_GO = 50
"""How many projects of a list are decrypted (2 ms) before other tasks run."""


def _prepare(workspace_id: str, workspace_title: str, store_name: str) -> Arguments:
    return (workspace_id, workspace_title, store_name)


def _put(api_key: str, before: bytes, record: bytes, project_id: str, workspace_id: str, now_ms: int) -> Arguments:
    return (api_key, before, record, project_id, workspace_id, now_ms, MAX_PROJECTS)


def _find(project_id: str) -> Arguments:
    return (project_id,)


def _list(workspace_id: str, rank: int, limit: int) -> Arguments:
    return (workspace_id, rank, limit)


PREPARE_PROJECTS = writing_function("prepare_projects", "projects", _prepare, nothing)
PUT_PROJECT = writing_function("put_project", "projects", _put, int, frees_memory=True, repeatable=False)
FIND_PROJECT = reading_function("find_project", "projects", _find, optional_bytes)
LIST_PROJECTS = reading_function("list_projects", "projects", _list, untouched)


async def _do_nothing(projects: Sequence[Project]) -> None:
    pass


class ProjectStore:
    """All projects, with a short-lived cache in front. Methods raise StoreUnavailableError.

    A change is written only if the record has not changed since it was read, so that no concurrent change is lost.
    """

    def __init__(
        self,
        client: FunctionClient,
        secret_key: str,
        monotonic: Callable[[], float] = time.monotonic,
        unix: Callable[[], float] = time.time,
    ):
        self.client = client
        self.cipher = SecretCipher(secret_key, unix)
        self.cache = ProjectCache(monotonic, unix)
        self._unix = unix
        self.receives_changes: Callable[[], bool] = lambda: True
        """Returns whether changes by other nodes are received now. While they are not, the cache is not used."""
        self.on_read: Callable[[Project], None] = lambda project: None
        """Called with each project that is read."""
        self.before_use: Callable[[Sequence[Project]], Awaitable[None]] = _do_nothing
        """Awaited with the projects that are read, before they are cached and anything is done for them."""

    async def by_api_key(self, api_key: str) -> Project | None:
        """Return the project with this API key, None if there is none.

        Raises StoreDataError for a record that cannot be read, and StoreEmptyError for a project that the store lost.
        """
        cached = self.cache.get(api_key)
        if cached is not None and self.receives_changes():
            return cached.project
        found = (await self._read([api_key]))[api_key]
        if isinstance(found, StoreUnavailableError):
            raise found
        return found

    def cached(self, api_key: str) -> Project | None:
        """Return the project with this API key if it is cached, None if it is not or there is none."""
        cached = self.cache.get(api_key)
        return cached.project if cached is not None and self.receives_changes() else None

    async def by_api_keys(self, api_keys: Iterable[str]) -> dict[str, Project | None]:
        """Return the projects with these API keys as they are stored now, None for each unknown key.

        Projects whose record cannot be read, and projects that the store lost, are left out.
        """
        found = await self._read(list(api_keys))
        return {key: project for key, project in found.items() if not isinstance(project, StoreUnavailableError)}

    async def _read(self, api_keys: Sequence[str]) -> dict[str, Project | StoreUnavailableError | None]:
        found: dict[str, Project | StoreUnavailableError | None] = {}
        for first in range(0, len(api_keys), KEYS_PER_READ):
            some = api_keys[first : first + KEYS_PER_READ]
            before = self.cache.changes
            stored = await self._get_many(some)
            # A second round trip distinguishes an unknown API key from a store that has lost its projects.
            state = await read_state(self.client) if None in stored else None
            read = {
                api_key: self._absent(api_key, state) if raw is None else self._present(api_key, raw)
                for api_key, raw in zip(some, stored, strict=True)
            }
            await self.before_use([project for project in read.values() if isinstance(project, Project)])
            found |= read
            for api_key, project in read.items():
                # The message about a change may arrive after a reply that was sent before the change.
                if self.cache.changes == before and not isinstance(project, StoreUnavailableError):
                    self.cache.put(api_key, project)
        return found

    def _present(self, api_key: str, raw: bytes) -> Project | StoreDataError:
        try:
            project = self.cipher.open(decode_record(api_key, raw))
        except StoreDataError as problem:
            return problem
        self.cache.note_seen(api_key)
        self.on_read(project)
        return project

    def _absent(self, api_key: str, state: StoreState | None) -> StoreEmptyError | None:
        """Return the exception for a missing project that the store lost, None if it never existed or was deleted."""
        if state is None:
            return None
        if state.is_lost:
            return StoreEmptyError()
        if self.cache.is_lost(api_key, state.name):
            return StoreEmptyError("The store has lost this project")
        return None

    async def prepare(self) -> None:
        """Write the format, the name and the default workspace of a new store. An existing store is not changed."""
        name = secrets.token_hex(8)
        await self.client.call(
            PREPARE_PROJECTS(
                keys.PROJECTS, workspace_id=DEFAULT_WORKSPACE, workspace_title=DEFAULT_WORKSPACE_TITLE, store_name=name
            )
        )

    async def create(
        self,
        name: str,
        hmac_enabled: bool,
        api_key: str | None = None,
        api_secret: str | None = None,
        workspace_id: WorkspaceId = DEFAULT_WORKSPACE,
        allowed_origins: Sequence[str] = (),
        item_retention_count: int | None = None,
        item_retention_seconds: int | None = None,
        strict: bool = False,
        limits: ProjectLimits = NO_LIMITS,
        event_retention_count: int | None = None,
        event_retention_seconds: int | None = None,
    ) -> Project:
        """Create a project and return it. API key and secret are random unless they are given.

        Raises KeyTakenError, UnknownWorkspaceError and TooManyProjectsError.
        """
        secret = api_secret or secrets.token_urlsafe(30)
        number = await self.client.command("INCR", keys.LAST_PROJECT)
        record = ProjectRecord(
            id=str(number),
            name=name,
            # A key that began with a dash would be taken for an option on the command line.
            api_key=api_key or "key_" + secrets.token_urlsafe(18),
            hmac_enabled=hmac_enabled,
            secrets=[self.cipher.encrypt(secret)],
            workspace_id=workspace_id,
            allowed_origins=list(allowed_origins),
            item_retention_count=item_retention_count,
            item_retention_seconds=item_retention_seconds,
            strict=strict,
            format=keys.FORMAT,
            **limits._asdict(),
            event_retention_count=event_retention_count,
            event_retention_seconds=event_retention_seconds,
        )
        if not await self._put(record, b""):
            raise KeyTakenError(record.api_key)
        return self.cipher.open(record)

    async def add(self, record: ProjectRecord) -> Project:
        """Write the record of a project that has an id and secrets already, and return the project.

        Raises KeyTakenError, UnknownWorkspaceError and TooManyProjectsError.
        """
        if not await self._put(record, b""):
            raise KeyTakenError(record.api_key)
        return self.cipher.open(record)

    async def new_id(self) -> ProjectId:
        """Return an id that no project has."""
        return ProjectId(str(await self.client.command("INCR", keys.LAST_PROJECT)))

    async def ensure(self, name: str, api_key: str, api_secret: str, hmac_enabled: bool) -> Project:
        """Create a project with this API key and secret, unless a project has this key. That project is not changed.

        Return the project as it is stored. Raises ForeignSecretKeyError if its secrets cannot be decrypted here.
        """
        while True:
            raw = await self._get(api_key)
            if raw is not None:
                kept = self.cipher.open(decode_record(api_key, raw))
                if not kept.secrets:
                    raise ForeignSecretKeyError
                return kept
            with contextlib.suppress(KeyTakenError):  # another node has just created it
                return await self.create(name, hmac_enabled, api_key, api_secret)

    async def update(self, api_key: str, change: ProjectChange) -> Project | None:
        """Change the given fields of a project and return it, None if there is no such project."""
        return await self._change(api_key, change.applied_to)

    async def rotate_secret(self, api_key: str, overlap_seconds: int) -> Project | None:
        """Replace the API secret of a project and return the project, None if there is no such project.

        The old secret is accepted for `overlap_seconds` more.
        """

        def change(record: ProjectRecord) -> ProjectRecord:
            old = msgspec.structs.replace(record.secrets[0], until=int(self._unix()) + overlap_seconds)
            new = [self.cipher.encrypt(secrets.token_urlsafe(30)), *([old] if overlap_seconds else [])]
            return msgspec.structs.replace(record, secrets=new)

        return await self._change(api_key, change)

    async def end_former_secrets(self, api_key: str) -> Project | None:
        """Refuse all secrets but the current one, and return the project, None if there is no such project."""

        def change(record: ProjectRecord) -> ProjectRecord:
            kept = record.secrets[:1]
            return record if kept == record.secrets else msgspec.structs.replace(record, secrets=kept)

        return await self._change(api_key, change)

    async def set_keys(self, api_key: str, public_keys: Sequence[PublicKey]) -> Project | None:
        """Replace the public keys of a project and return the project, None if there is no such project."""
        stored = [{"kid": key.id, **key.members} for key in public_keys]
        return await self._change(api_key, lambda record: msgspec.structs.replace(record, keys=stored))

    async def find(self, workspace_id: WorkspaceId, project_id: str) -> Project | None:
        """Return a project of a workspace, without use of the cache; None if the workspace has no such project."""
        project = await self.by_id(ProjectId(project_id))
        return project if project is not None and project.workspace_id == workspace_id else None

    async def by_id(self, project_id: ProjectId) -> Project | None:
        """Return a project, without use of the cache; None if there is none. Raises StoreDataError."""
        raw = await self.client.call(FIND_PROJECT(keys.PROJECTS, project_id))
        return self.cipher.open(decode_record(f"of project {project_id}", raw)) if raw else None

    async def of_workspace(self, workspace_id: WorkspaceId, rank: int, limit: int) -> tuple[int, list[Project]]:
        """Return how many projects a workspace has, and at most `limit` of them from `rank` on, oldest first."""
        total, *raw = await self.client.call(LIST_PROJECTS(keys.PROJECTS, workspace_id, rank, limit))
        found: list[Project] = []
        for first in range(0, len(raw), DECRYPTED_IN_ONE_GO):
            some = raw[first : first + DECRYPTED_IN_ONE_GO]
            found += self._readable((f"in workspace {workspace_id}", record) for record in some)
            await asyncio.sleep(0)
        return total, found

    async def all(self) -> list[Project]:
        """Return every project whose record can be read."""
        stored = await self.client.command("HGETALL", keys.PROJECTS)
        return self._readable(zip(map(text_of, stored[::2]), stored[1::2], strict=True))

    def _readable(self, records: Iterable[tuple[str, bytes | None]]) -> list[Project]:
        """Return the projects of records. Records that cannot be read are logged and left out."""
        projects = []
        for name, raw in records:
            with contextlib.suppress(StoreDataError):
                projects.append(project := self.cipher.open(decode_record(name, raw or b"")))
                self.on_read(project)
        return projects

    async def read_item_retentions(self) -> AsyncIterator[dict[ProjectId, tuple[int | None, int | None]]]:
        """Yield all projects in batches: the bounds of the count and the age of items by project id, None if unset."""
        cursor = b"0"
        while True:
            cursor, flat = await self.client.command("HSCAN", keys.PROJECTS, cursor, "COUNT", KEYS_PER_READ)
            found = {}
            for raw in flat[1::2]:
                if (record := peek_record(raw)) is not None:
                    found[ProjectId(record.id)] = (record.item_retention_count, record.item_retention_seconds)
            yield found
            if cursor == b"0":
                return

    async def remember_all(self, store_name: str) -> None:
        """Record which projects a store has. One that is missing in a store of another name was lost, not deleted."""
        self.cache.begin_store(store_name)
        cursor, has_room = b"0", True
        while has_room:
            cursor, names = await self.client.command("HSCAN", keys.PROJECTS, cursor, "COUNT", KEYS_PER_READ)
            has_room = self.cache.note_all_seen(map(text_of, names[::2]))
            if int(cursor) == 0:
                return

    async def _get(self, api_key: str) -> bytes | None:
        return (await self._get_many([api_key]))[0]

    async def _get_many(self, api_keys: Sequence[str]) -> list[bytes | None]:
        found: list[bytes | None] = await self.client.command("HMGET", keys.PROJECTS, *api_keys)
        return found

    async def _change(self, api_key: str, change: Callable[[ProjectRecord], ProjectRecord]) -> Project | None:
        """Edit a record, again if it was changed meanwhile. Return the project, None if there is none."""
        while (raw := await self._get(api_key)) is not None:
            before = decode_record(api_key, raw)
            after = change(before)
            if after is before or await self._put(after, raw):
                return self.cipher.open(after)
        return None

    async def _put(self, record: ProjectRecord, before: bytes) -> bool:
        """Write a record. Return False if it has changed since it was read as `before` (empty for a new project)."""
        encoded, now_ms = msgspec.json.encode(record), int(self._unix() * 1000)
        written = await self.client.call(
            PUT_PROJECT(
                keys.PROJECTS,
                api_key=record.api_key,
                before=before,
                record=encoded,
                project_id=record.id,
                workspace_id=record.workspace_id,
                now_ms=now_ms,
            )
        )
        if written == -2:
            raise TooManyProjectsError(MAX_PROJECTS)
        if written == -1 and record.workspace_id == DEFAULT_WORKSPACE:
            await self.prepare()  # the store was never prepared, or was emptied
            return await self._put(record, before)
        if written == -1:
            raise UnknownWorkspaceError(record.workspace_id)
        if written:
            await self.publish_change(record.api_key, f"{CONTROL_PROJECT} {record.api_key}")
        return bool(written)

    async def publish_change(self, api_key: str, message: str) -> None:
        """Publish a change of a project to every node, and remove it from this node's cache at once."""
        self.cache.forget(api_key)
        await self.client.publish(keys.CONTROL, message.encode())
