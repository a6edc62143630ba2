"""Projects and their API secrets, which are encrypted at rest."""

import asyncio
import base64
import contextlib
import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from gateway.domain.credential_rules import is_weak
from gateway.domain.principal import DEFAULT_WORKSPACE, Project, ProjectId, WorkspaceId
from gateway.domain.retention import DEFAULT
from gateway.domain.signing import NO_PROOF, PublicKey, secret_id
from gateway.store import keys
from gateway.store.errors import ForeignSecretKeyError, KeyTakenError, TooManyProjectsError, UnknownWorkspaceError
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.problems import (
    StoreDataError,
    StoreEmptyError,
    StoreFormatError,
    StoreUnavailableError,
    StoreWritesRefusedError,
)
from gateway.store.state import StoreState, read_state
from gateway.telemetry.logs import log

CACHE_SECONDS = 5.0
"""How long a project is remembered, while this node hears of changes; it hears of them at once."""

KEYS_PER_READ = 500

MOST_KNOWN = 10_000
"""Projects of which it is remembered in which store they were."""

CONTROL_PROJECT = "project"
"""First word of the control message that names the API key of a project to forget."""

CONTROL_PROJECT_DELETED = "project_deleted"
"""First word of the control message that names the API key and the id of a project that is no more."""

DEFAULT_WORKSPACE_TITLE = "Default"

_LAST_PROJECT = keys.PROJECTS + keys.PROJECT_SUFFIXES["LAST_PROJECT"]
_DELETED = keys.PROJECTS + keys.PROJECT_SUFFIXES["DELETED_PROJECTS"]


MAX_PROJECTS = 10_000
"""Of one workspace. Nodes look through all projects now and then, which takes some 5 µs for each."""

DECRYPTED_IN_ONE_GO = 50
"""Projects of a list, before others get their turn: 2 ms."""


class _Secret(msgspec.Struct, frozen=True):
    """One slot: the encrypted secret and the unix second after which it no longer counts, None for never."""

    encrypted: str
    until: int | None = None


class _Record(msgspec.Struct, frozen=True):
    """A project as stored. `secrets`: the current one, then the one it replaced while the overlap lasts.

    `keys` are its public keys as JWKs.
    """

    id: str
    name: str
    api_key: str
    hmac_enabled: bool
    secrets: list[_Secret]
    keys: list[dict[str, str]] = []
    workspace_id: str = DEFAULT_WORKSPACE
    allowed_origins: list[str] = []
    item_retention_count: int | None = None
    item_retention_seconds: int | None = None
    strict: bool = False
    format: str = ""


class _Format(msgspec.Struct, frozen=True):
    """All that is known of a project of another format."""

    format: Any = ""


@dataclass(frozen=True, slots=True)
class _Cached:
    until: float
    project: Project | None


@dataclass(frozen=True, slots=True)
class ProjectChange:
    """What is to change of a project; None leaves it."""

    name: str | None = None
    hmac_enabled: bool | None = None
    allowed_origins: Sequence[str] | None = None
    item_retention_count: int | str | None = None
    item_retention_seconds: int | str | None = None
    """A bound, or DEFAULT to follow the settings."""
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class ProjectAudit:
    """What a look at every stored project found; the tuples hold API keys."""

    projects: int
    without_hmac: tuple[str, ...]
    unreadable: tuple[str, ...]
    """Their current secret was encrypted with another secret key."""
    broken: tuple[str, ...]
    """What is stored is no project."""
    weak: tuple[str, ...] = ()
    """Their API secret can be guessed."""


class ProjectStore:
    """All projects, with a short-lived cache in front. Methods raise StoreUnavailableError.

    A change compares with what it read, so that two at once both count.

    `secret_key` is the setting: any string; the encryption key is derived from it.
    """

    def __init__(
        self,
        client: FunctionClient,
        secret_key: str,
        monotonic: Callable[[], float] = time.monotonic,
        unix: Callable[[], float] = time.time,
    ):
        digest = hashlib.sha256(b"inbox-gateway api secrets\0" + secret_key.encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(digest))
        self._secret_key_id = hashlib.sha256(b"inbox-gateway secret key id\0" + digest).hexdigest()[:16]
        self.client = client
        self._monotonic = monotonic
        self._unix = unix
        self._cache: dict[str, _Cached] = {}
        self._changes = 0
        self._known: dict[str, str] = {}
        self._store_name = ""
        self.hears_changes: Callable[[], bool] = lambda: True
        """Say whether other nodes' changes are heard here now; while they are not, nothing is remembered."""

    @property
    def changes(self) -> int:
        """How many changes of projects this worker has heard of; for those who remember what they read."""
        return self._changes

    async def by_api_key(self, api_key: str) -> Project | None:
        """Give the project with this key. Raises StoreDataError for a broken one, StoreEmptyError for a lost one."""
        cached = self._cache.get(api_key)
        if cached is not None and cached.until > self._monotonic() and self.hears_changes():
            return cached.project
        found = (await self._read([api_key]))[api_key]
        if isinstance(found, StoreUnavailableError):
            raise found
        return found

    async def by_api_keys(self, api_keys: Iterable[str]) -> dict[str, Project | None]:
        """Give the projects with these keys as they are stored now, but those that are broken or lost."""
        found = await self._read(list(api_keys))
        return {key: project for key, project in found.items() if not isinstance(project, StoreUnavailableError)}

    async def _read(self, api_keys: Sequence[str]) -> dict[str, Project | StoreUnavailableError | None]:
        found: dict[str, Project | StoreUnavailableError | None] = {}
        for first in range(0, len(api_keys), KEYS_PER_READ):
            some = api_keys[first : first + KEYS_PER_READ]
            before = self._changes
            stored = await self._get_many(some)
            # Who asks is told apart from who asks an empty store, at the cost of a second question.
            state = await read_state(self.client) if None in stored else None
            for api_key, raw in zip(some, stored, strict=True):
                found[api_key] = project = self._absent(api_key, state) if raw is None else self._present(api_key, raw)
                # What was read before a change may be heard of after it.
                if self._changes == before and not isinstance(project, StoreUnavailableError):
                    self._remember(api_key, project)
        return found

    def _present(self, api_key: str, raw: bytes) -> Project | StoreDataError:
        try:
            project = self._decrypt(_decoded(api_key, raw))
        except StoreDataError as problem:
            return problem
        if len(self._known) < MOST_KNOWN:
            self._known[api_key] = self._store_name
        return project

    def _absent(self, api_key: str, state: StoreState | None) -> StoreEmptyError | None:
        """Return why a project is not there: it was lost, or there is none."""
        if state is None:
            return None
        if state.is_lost:
            return StoreEmptyError()
        # "" is where it was seen before the store's name was known here: it was there, and nobody deleted it.
        known_in = self._known.get(api_key)
        if known_in is not None and known_in != state.name:
            return StoreEmptyError("The store has lost this project")
        return None

    def _remember(self, api_key: str, project: Project | None) -> None:
        if len(self._cache) >= 10_000:
            self._cache.clear()  # wrong keys are cached too, so the bound is needed
        seconds = CACHE_SECONDS
        for until in project.valid_credentials.values() if project else ():
            if until is not None:
                seconds = min(seconds, until - self._unix())
        self._cache[api_key] = _Cached(self._monotonic() + seconds, project)

    async def prepare(self) -> None:
        """Create what a new store lacks: its format, its name, and the default workspace."""
        name = secrets.token_hex(8)
        await self.client.call("prepare_projects", keys.PROJECTS, DEFAULT_WORKSPACE, DEFAULT_WORKSPACE_TITLE, name)

    async def audit(self) -> ProjectAudit:
        """Look at every stored project, whatever is wrong with some of them."""
        without_hmac: list[str] = []
        unreadable: list[str] = []
        broken: list[str] = []
        weak: list[str] = []
        count, cursor = 0, b"0"
        while True:
            cursor, found = await self.client.command("HSCAN", keys.PROJECTS, cursor, "COUNT", KEYS_PER_READ)
            for raw_key, raw in zip(found[::2], found[1::2], strict=True):
                api_key = raw_key.decode(errors="replace")
                count += 1
                try:
                    record = msgspec.json.decode(raw, type=_Record)
                    if record.format != keys.FORMAT:
                        broken.append(api_key)
                        continue
                    if is_weak(self._fernet.decrypt(record.secrets[0].encrypted.encode()).decode()):
                        weak.append(api_key)
                except (msgspec.DecodeError, IndexError):
                    broken.append(api_key)
                    continue
                except InvalidToken:
                    unreadable.append(api_key)
                if not record.hmac_enabled:
                    without_hmac.append(api_key)
            if int(cursor) == 0:
                return ProjectAudit(count, tuple(without_hmac), tuple(unreadable), tuple(broken), tuple(weak))

    async def owns_secret_key(self, found: ProjectAudit) -> bool:
        """Return whether this node's secret key is that of the store, or that of nobody yet."""
        if found.projects > len(found.broken):
            return not found.unreadable
        return await self.client.command("GET", keys.SECRET_KEY_ID) in (None, self._secret_key_id.encode())

    async def check_secret_key(self, found: ProjectAudit) -> None:
        """Raise ForeignSecretKeyError if this node's secret key is not that of the store; `found` is of just now.

        A store without projects belongs to the secret key of the first node that looks, so that the second one with a
        key of its own is refused before there is anything that it cannot read.
        """
        if found.unreadable:
            if len(found.unreadable) + len(found.broken) == found.projects:
                raise ForeignSecretKeyError
            return  # some can be read and some cannot: neither key is the right one for all
        stored, ours = await self.client.command("GET", keys.SECRET_KEY_ID), self._secret_key_id.encode()
        if stored == ours:
            return
        if found.projects > len(found.broken):
            # It reads every secret, so it is the right one, whether or not that can be noted now.
            with contextlib.suppress(StoreWritesRefusedError):
                await self.client.command("SET", keys.SECRET_KEY_ID, ours)
        elif stored or not await self.client.command("SET", keys.SECRET_KEY_ID, ours, "NX"):
            raise ForeignSecretKeyError

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
    ) -> Project:
        """Create a project, with random keys unless they are given.

        Raises KeyTakenError, UnknownWorkspaceError and TooManyProjectsError.
        """
        secret = api_secret or secrets.token_urlsafe(30)
        number = await self.client.command("INCR", _LAST_PROJECT)
        record = _Record(
            id=str(number),
            name=name,
            # A key that began with a dash would be taken for an option on the command line.
            api_key=api_key or "key_" + secrets.token_urlsafe(18),
            hmac_enabled=hmac_enabled,
            secrets=[self._encrypt(secret)],
            workspace_id=workspace_id,
            allowed_origins=list(allowed_origins),
            item_retention_count=item_retention_count,
            item_retention_seconds=item_retention_seconds,
            strict=strict,
            format=keys.FORMAT,
        )
        if not await self._put(record, b""):
            raise KeyTakenError(record.api_key)
        return self._decrypt(record)

    async def keep(self, name: str, api_key: str, api_secret: str, hmac_enabled: bool) -> Project:
        """Create a project with this key and secret unless there is one with this key, which is not changed.

        Return the project as it is stored. Raises ForeignSecretKeyError when its secrets cannot be read here.
        """
        while True:
            raw = await self._get(api_key)
            if raw is not None:
                kept = self._decrypt(_decoded(api_key, raw))
                if not kept.secrets:
                    raise ForeignSecretKeyError
                return kept
            with contextlib.suppress(KeyTakenError):  # another node has just made it
                return await self.create(name, hmac_enabled, api_key, api_secret)

    async def update(self, api_key: str, change: ProjectChange) -> Project | None:
        """Change what is given; None: no such project."""
        given: dict[str, Any] = {
            name: value
            for name, value in (
                ("name", change.name),
                ("hmac_enabled", change.hmac_enabled),
                ("allowed_origins", None if change.allowed_origins is None else list(change.allowed_origins)),
                ("item_retention_count", change.item_retention_count),
                ("item_retention_seconds", change.item_retention_seconds),
                ("strict", change.strict),
            )
            if value is not None
        }
        for name in ("item_retention_count", "item_retention_seconds"):
            if given.get(name) == DEFAULT:
                given[name] = None
        return await self._change(api_key, lambda record: msgspec.structs.replace(record, **given))

    async def rotate_secret(self, api_key: str, overlap_seconds: int) -> Project | None:
        """Give a project a new secret; the old one counts for `overlap_seconds` more. None: no such project."""

        def change(record: _Record) -> _Record:
            old = msgspec.structs.replace(record.secrets[0], until=int(self._unix()) + overlap_seconds)
            new = [self._encrypt(secrets.token_urlsafe(30)), *([old] if overlap_seconds else [])]
            return msgspec.structs.replace(record, secrets=new)

        return await self._change(api_key, change)

    async def set_keys(self, api_key: str, public_keys: Sequence[PublicKey]) -> Project | None:
        """Replace a project's public keys. None: no such project."""
        stored = [{"kid": key.id, **key.members} for key in public_keys]
        return await self._change(api_key, lambda record: msgspec.structs.replace(record, keys=stored))

    async def delete(self, project: Project) -> bool:
        """Refuse a project's keys from now on, on every node; False when it was gone.

        Its data is still there: have it removed, then call `forget_deleted`.
        """
        deleted = await self.client.call("delete_project", keys.PROJECTS, project.id, project.workspace_id)
        self.forget_deleted_key(project.api_key)
        await self._tell(project.api_key, f"{CONTROL_PROJECT_DELETED} {project.api_key} {project.id}")
        return bool(deleted)

    async def deleted(self) -> dict[ProjectId, WorkspaceId]:
        """Give the projects that were deleted and whose data nobody is known to remove, with their workspaces."""
        notes = [note.decode(errors="replace") for note in await self.client.command("HGETALL", _DELETED)]
        return dict(zip(map(ProjectId, notes[::2]), map(WorkspaceId, notes[1::2]), strict=True))

    async def forget_deleted(self, project_id: ProjectId) -> None:
        """Take note that the data of a deleted project is removed, or certain to be."""
        await self.client.command("HDEL", _DELETED, project_id)

    async def find(self, workspace_id: WorkspaceId, project_id: str) -> Project | None:
        """Give a project of a workspace, past the cache."""
        project = await self.by_id(ProjectId(project_id))
        return project if project is not None and project.workspace_id == workspace_id else None

    async def by_id(self, project_id: ProjectId) -> Project | None:
        """Give a project, past the cache."""
        raw = await self.client.call("find_project", keys.PROJECTS, project_id)
        return self._decrypt(_decoded(f"of project {project_id}", raw)) if raw else None

    async def of_workspace(self, workspace_id: WorkspaceId, rank: int, limit: int) -> tuple[int, list[Project]]:
        """Give how many projects a workspace has, and at most `limit` of them from `rank` on, oldest first."""
        total, *raw = await self.client.call("list_projects", keys.PROJECTS, workspace_id, rank, limit)
        found: list[Project] = []
        for first in range(0, len(raw), DECRYPTED_IN_ONE_GO):
            some = raw[first : first + DECRYPTED_IN_ONE_GO]
            found += self._readable((f"in workspace {workspace_id}", record) for record in some)
            await asyncio.sleep(0)
        return total, found

    async def all(self) -> list[Project]:
        """Give every project whose record can be read."""
        stored = await self.client.command("HGETALL", keys.PROJECTS)
        return self._readable(zip(map(_text, stored[::2]), stored[1::2], strict=True))

    async def discard(self, api_key: str) -> list[ProjectId]:
        """Remove a record whatever it holds; give the projects that were found by it, whose data is to be removed."""
        ids = [ProjectId(_text(each)) for each in await self.client.call("discard_project", keys.PROJECTS, api_key)]
        for project_id in ids:
            await self._tell(api_key, f"{CONTROL_PROJECT_DELETED} {api_key} {project_id}")
        await self._tell(api_key, f"{CONTROL_PROJECT} {api_key}")
        self.forget_deleted_key(api_key)
        return ids

    async def discard_of(self, workspace_id: WorkspaceId, project_id: str) -> bool:
        """Remove the record of a workspace's project whatever it holds; False when the workspace has none of this id.

        As with `delete`, its data is still there.
        """
        listed = keys.PROJECTS + keys.PROJECT_SUFFIXES["WORKSPACE_PROJECTS"] + workspace_id
        api_key, since = await self.client.commands(
            ("HGET", keys.PROJECTS + keys.PROJECT_SUFFIXES["PROJECT_IDS"], project_id), ("ZSCORE", listed, project_id)
        )
        if api_key is None or since is None:
            return False
        await self.discard(_text(api_key))
        return True

    def _readable(self, records: Iterable[tuple[str, bytes | None]]) -> list[Project]:
        """Decode records, without those that cannot be: these are named in the log."""
        projects = []
        for name, raw in records:
            with contextlib.suppress(StoreDataError):
                projects.append(self._decrypt(_decoded(name, raw or b"")))
        return projects

    async def read_item_retentions(self) -> AsyncIterator[dict[ProjectId, tuple[int | None, int | None]]]:
        """Read what every project says about the count and the age of items, some projects at a time."""
        cursor = b"0"
        while True:
            cursor, flat = await self.client.command("HSCAN", keys.PROJECTS, cursor, "COUNT", KEYS_PER_READ)
            found = {}
            for raw in flat[1::2]:
                with contextlib.suppress(msgspec.DecodeError):  # of a broken record nothing is known
                    record = msgspec.json.decode(raw, type=_Record)
                    if record.format != keys.FORMAT:
                        continue
                    found[ProjectId(record.id)] = (record.item_retention_count, record.item_retention_seconds)
            yield found
            if cursor == b"0":
                return

    def forget_all(self) -> None:
        """Drop the cache: any of it may be wrong."""
        self._changes += 1
        self._cache.clear()

    def forget_cached(self, api_key: str) -> None:
        """Drop what the cache knows of one project."""
        self._changes += 1
        self._cache.pop(api_key, None)

    def forget_deleted_key(self, api_key: str) -> None:
        """Take note that a project was deleted: it is not lost when it is not there."""
        self.forget_cached(api_key)
        self._known.pop(api_key, None)

    async def learn_known(self, store_name: str) -> None:
        """Take note of the projects that a store has, by its name: in another one they are lost, not deleted."""
        self._store_name = store_name
        cursor = b"0"
        while len(self._known) < MOST_KNOWN:
            cursor, names = await self.client.command("HSCAN", keys.PROJECTS, cursor, "COUNT", KEYS_PER_READ)
            self._known |= dict.fromkeys(map(_text, names[::2]), store_name)
            if int(cursor) == 0:
                return

    async def _get(self, api_key: str) -> bytes | None:
        return (await self._get_many([api_key]))[0]

    async def _get_many(self, api_keys: Sequence[str]) -> list[bytes | None]:
        found: list[bytes | None] = await self.client.command("HMGET", keys.PROJECTS, *api_keys)
        return found

    async def _change(self, api_key: str, change: Callable[[_Record], _Record]) -> Project | None:
        """Edit a record as nobody else has changed it meanwhile, so that no change undoes another. None: none such."""
        while (raw := await self._get(api_key)) is not None:
            before = _decoded(api_key, raw)
            after = change(before)
            if after is before or await self._put(after, raw):
                return self._decrypt(after)
        return None

    async def _put(self, record: _Record, before: bytes) -> bool:
        """Write a record; False when it is not as it was read before; `before` is empty for a new one."""
        encoded, now_ms = msgspec.json.encode(record), int(self._unix() * 1000)
        written = await self.client.call(
            "put_project",
            keys.PROJECTS,
            *(record.api_key, before, encoded, record.id, record.workspace_id, now_ms, MAX_PROJECTS),
        )
        if written == -2:
            raise TooManyProjectsError(MAX_PROJECTS)
        if written == -1 and record.workspace_id == DEFAULT_WORKSPACE:
            await self.prepare()  # a store that nobody has prepared yet, or that was emptied
            return await self._put(record, before)
        if written == -1:
            raise UnknownWorkspaceError(record.workspace_id)
        if written:
            await self._tell(record.api_key, f"{CONTROL_PROJECT} {record.api_key}")
        return bool(written)

    async def _tell(self, api_key: str, message: str) -> None:
        """Have every node forget a project that has changed, this one at once."""
        self.forget_cached(api_key)
        await self.client.publish(keys.CONTROL, message.encode())

    def _encrypt(self, secret: str) -> _Secret:
        return _Secret(self._fernet.encrypt(secret.encode()).decode())

    def _decrypt(self, record: _Record) -> Project:
        now = self._unix()
        valid = [slot for slot in record.secrets if slot.until is None or slot.until > now]
        plain: list[str] = []
        valid_credentials: dict[str, int | None] = {} if record.hmac_enabled else {NO_PROOF: None}
        for slot in valid:
            try:
                plain.append(self._fernet.decrypt(slot.encrypted.encode()).decode())
                valid_credentials.setdefault(secret_id(plain[-1]), slot.until)
            except InvalidToken:
                log.error(
                    "secret_cannot_be_decrypted",
                    project=record.id,
                    suggestion="start every node with the INBOX_SECRET_KEY that the project was created with",
                )
        public_keys = tuple(
            PublicKey(jwk["kid"], {name: value for name, value in jwk.items() if name != "kid"}) for jwk in record.keys
        )
        valid_credentials.update((key.credential_id, None) for key in public_keys)
        return Project(
            ProjectId(record.id),
            record.name,
            record.api_key,
            record.hmac_enabled,
            tuple(plain),
            public_keys,
            valid_credentials,
            WorkspaceId(record.workspace_id),
            tuple(record.allowed_origins),
            record.item_retention_count,
            record.item_retention_seconds,
            record.strict,
        )


def _decoded(name: str, raw: bytes) -> _Record:
    """Decode a record. Raises StoreDataError for one that is none or of another format, and names it in the log."""
    try:
        written_as = msgspec.json.decode(raw, type=_Format).format
        if written_as != keys.FORMAT:
            log.error("project_of_another_format", api_key=name, format=written_as)
            raise StoreFormatError(detail=f"project {name} is of format {written_as or 'unknown'}")
        record = msgspec.json.decode(raw, type=_Record)
        if not record.secrets or any("kid" not in jwk for jwk in record.keys):
            raise ValueError("a secret or the name of a key is missing")
        return record
    except (msgspec.DecodeError, ValueError) as problem:
        log.error("project_record_broken", api_key=name, problem=str(problem))
        raise StoreDataError("The record of this project cannot be read", f"project {name}: {problem}") from None


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")
