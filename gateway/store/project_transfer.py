"""The export of a project into a file, and its import into this or another store, under a new id.

The file has what the project consists of: its settings and keys, users with their inboxes, contents, preferences,
topics, tokens, integrations, delivery configs, endpoints of webhooks. It has nothing that only happened: no event logs,
deliveries, jobs, statistics, audit, idempotency records. Clients that connect to the imported project with a position
get a reset.

Secrets are bound to the project and to INBOX_SECRET_KEY. In the file they are encrypted with a passphrase, bound to the
former project, or left out.
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from gateway.domain.ids import ProjectId, WorkspaceId
from gateway.domain.principal import Project
from gateway.store import keys
from gateway.store.backup import StoreBackup
from gateway.store.backup_copies import UserCopy
from gateway.store.backup_file import BackupWriter, Document, Group, Part, Record
from gateway.store.errors import KeyTakenError, UnsuitableBackupError
from gateway.store.integrations import new_id
from gateway.store.jobs import JobStore
from gateway.store.project_contents import CHECK, KEPT, LEFT_OF_USERS, PLACES, PROJECT, Json, Place
from gateway.store.project_records import ProjectRecord, StoredSecret, decode_record
from gateway.store.project_secrets import SecretCipher
from gateway.store.projects import ProjectStore
from gateway.store.redis.client import CALLS_AT_ONCE, Argument, FunctionClient
from gateway.store.restoration import batches_of, group_commands, new_groups, part_commands
from gateway.store.sealing import Sealer

SALT_BYTES = 16
_CHECKED = b"the passphrase is right"


def key_of_passphrase(passphrase: str, salt: str) -> str:
    """Return the key with which the secrets of a file are encrypted: scrypt, 0.1 s and 32 MB."""
    digest = hashlib.scrypt(
        passphrase.encode(), salt=bytes.fromhex(salt), n=2**15, r=8, p=1, maxmem=64 * 1024 * 1024, dklen=32
    )
    return digest.hex()


class ProjectExport(StoreBackup):
    """Copies a project into a file. `file_key` encrypts the secrets; without it they are left out."""

    def __init__(
        self,
        projects: ProjectStore,
        secret_key: str,
        writer: BackupWriter,
        project: Project,
        file_key: str,
        on_progress: Callable[[], None] = lambda: None,
    ):
        super().__init__(projects.client, writer, on_progress)
        self._project = project
        self._secrets = _Resealing(secret_key, file_key)
        self._file_key = file_key

    async def run(self) -> None:
        """Copy the project, and end the file. Raises StoreUnavailableError."""
        project_id = self._project.id
        if self._file_key:
            sealed = Sealer(self._file_key).seal(_CHECKED, CHECK)
            self.writer.add(Document(CHECK, msgspec.json.encode(sealed)))
        await self.copy_users(keys.user(project_id, "*"))  # type: ignore[arg-type] # a pattern
        await self.copy_matching(keys.all_of_project(project_id), self._is_exported)
        await self.copy_directory(keys.directory(project_id).encode())
        for name, key in (
            ("integrations", keys.integrations(project_id)),
            ("webhook_endpoints", keys.webhook_endpoints(project_id)),
        ):
            await self._add_sealed(name, key, "", PLACES[name])
        raw = await self.client.command("HGET", keys.PROJECTS, self._project.api_key)
        record = decode_record(self._project.api_key, raw)
        kept = msgspec.structs.replace(record, secrets=self._secrets.api_secrets(record.secrets))
        self.writer.add(Document(PROJECT, msgspec.json.encode(kept)))
        self.writer.finish()

    def _is_exported(self, name: str) -> bool:
        return KEPT.fullmatch(name.removeprefix(keys.PREFIX)) is not None

    async def add_user(self, user: UserCopy) -> None:
        """Add the copy of a user to the file, without what only happened."""
        record = user.copies[0].name
        kept = [each for each in user.copies if not each.name[len(record) :].startswith(LEFT_OF_USERS)]
        await super().add_user(UserCopy(user.has_log, "", kept))
        user_id = record.decode().rpartition(":")[2].removesuffix("}")
        installed = record.decode() + keys.USER_SUFFIXES["INSTALLATIONS"]
        if any(each.name == installed.encode() for each in user.copies):
            await self._add_sealed("installations", installed, user_id, PLACES["installations"])

    async def _add_sealed(self, name: str, key: str, user_id: str, place: "Place") -> None:
        flat = await self.client.command("HGETALL", key)
        found: Json = {}
        for field, raw in zip(flat[::2], flat[1::2], strict=True):
            of = place(self._project.id, user_id, field.decode())
            found[field.decode()] = self._secrets.reseal(msgspec.json.decode(raw), of, of)
        if found:
            self.writer.add(Document(name, msgspec.json.encode(found), user_id))


class ProjectImport:
    """Creates a project from a file. `file_key` is the key that encrypted the secrets, "" if they are left out."""

    def __init__(
        self,
        projects: ProjectStore,
        secret_key: str,
        former_id: str,
        file_key: str,
        on_progress: Callable[[int], None] = lambda keys: None,
    ):
        self._projects = projects
        self._client: FunctionClient = projects.client
        self._former_id = former_id
        self._secrets = _Resealing(file_key, secret_key)
        self._file_key = file_key
        self._on_progress = on_progress
        self._record: ProjectRecord | None = None
        self.imported = 0

    async def run(self, records: Iterable[Record], workspace_id: WorkspaceId, new_keys: bool) -> Project:
        """Create the project, and return it. Raises StoreUnavailableError, UnsuitableBackupError and KeyTakenError.

        Nothing refers to the new project before it is complete. What an import that failed has written is deleted.
        """
        project_id = await self._projects.new_id()
        try:
            for batch in batches_of(records):
                await self._restore(batch, project_id)
                self._on_progress(self.imported)
            if self._record is None:
                raise UnsuitableBackupError("the file has no project")
            return await self._projects.add(self._renewed(self._record, project_id, workspace_id, new_keys))
        except BaseException:
            await JobStore(self._client).enqueue_project_deletion(project_id)
            raise

    async def check_key(self, api_key: str) -> None:
        """Raise KeyTakenError if a project has this API key."""
        if await self._client.command("HEXISTS", keys.PROJECTS, api_key):
            raise KeyTakenError(api_key)

    async def _restore(self, batch: Sequence[Record], project_id: ProjectId) -> None:
        commands: list[tuple[Argument, ...]] = []
        groups = [self._renamed_group(each, project_id) for each in batch if isinstance(each, Group)]
        for group in await new_groups(self._client, groups):
            commands += group_commands(group)
            self.imported += len(group.keys)
        for record in batch:
            if isinstance(record, Part):
                commands += part_commands(msgspec.structs.replace(record, key=self._renamed(record.key, project_id)))
            elif isinstance(record, Document):
                commands += self._commands_of(record, project_id)
        for first in range(0, len(commands), CALLS_AT_ONCE):
            await self._client.commands(*commands[first : first + CALLS_AT_ONCE])

    def _commands_of(self, document: Document, project_id: ProjectId) -> list[tuple[Argument, ...]]:
        content = msgspec.json.decode(document.content)
        if document.name == CHECK:
            if self._file_key and Sealer(self._file_key).open(content, CHECK) != _CHECKED:
                raise UnsuitableBackupError("the passphrase is not the one with which the project was exported")
            return []
        if document.name == PROJECT:
            self._record = msgspec.convert(content, ProjectRecord)
            return []
        place, commands = PLACES[document.name], list[tuple[Argument, ...]]()
        for field, record in content.items():
            before = place(ProjectId(self._former_id), document.user_id, field)
            after = place(project_id, document.user_id, field)
            moved = self._secrets.reseal(record, before, after)
            if document.name == "integrations":  # the id contains that of the project
                moved["id"] = new_id(project_id, int(time.time()))
            key = _KEYS[document.name](project_id, document.user_id)
            commands.append(("HSET", key, field, msgspec.json.encode(moved)))
        return commands

    def _renamed_group(self, group: Group, project_id: ProjectId) -> Group:
        renamed = [(self._renamed(name, project_id), expires_ms, value) for name, expires_ms, value in group.keys]
        return msgspec.structs.replace(group, keys=renamed)

    def _renamed(self, name: bytes, project_id: ProjectId) -> bytes:
        former = f"{keys.PREFIX}{{{self._former_id}".encode()
        if not name.startswith(former):
            raise UnsuitableBackupError("the file has keys of another project")
        return f"{keys.PREFIX}{{{project_id}".encode() + name[len(former) :]

    def _renewed(
        self, record: ProjectRecord, project_id: ProjectId, workspace_id: WorkspaceId, new_keys: bool
    ) -> ProjectRecord:
        cipher = self._projects.cipher
        kept = [] if new_keys else self._secrets.api_secrets(record.secrets)
        api_key = "key_" + secrets.token_urlsafe(18) if new_keys else record.api_key
        return msgspec.structs.replace(
            record,
            id=project_id,
            api_key=api_key,
            secrets=kept or [cipher.encrypt(secrets.token_urlsafe(30))],
            workspace_id=workspace_id,
        )


class _Resealing:
    """Encrypts secrets with another key. Without one of the keys, or if the first is not theirs, they are left out."""

    def __init__(self, before: str, after: str):
        self._keys = (before, after) if before and after else None
        if self._keys:
            self._opening, self._sealing = Sealer(before), Sealer(after)
            self._decrypting, self._encrypting = SecretCipher(before, time.time), SecretCipher(after, time.time)

    def reseal(self, record: Json, before: str, after: str) -> Json:
        """Return a record whose secrets, in `sealed`, are encrypted with the other key and bound to another place."""
        moved = dict(record)
        sealed = moved.pop("sealed", "")
        opened = self._opening.open(sealed, before) if self._keys and sealed else None
        if opened is not None:
            moved["sealed"] = self._sealing.seal(opened, after)
        elif "created_ms" in moved:  # an endpoint of webhooks, which has this field always
            moved["sealed"] = ""
        return moved

    def api_secrets(self, stored: Sequence[StoredSecret]) -> list[StoredSecret]:
        """Return API secrets encrypted with the other key."""
        if not self._keys:
            return []
        found = []
        for each in stored:
            if (plain := self._decrypting.decrypt(each)) is not None:
                found.append(msgspec.structs.replace(self._encrypting.encrypt(plain), until=each.until))
        return found


_KEYS: dict[str, Callable[[ProjectId, str], str]] = {
    "integrations": lambda project_id, user_id: keys.integrations(project_id),
    "installations": lambda project_id, user_id: (
        f"{keys.of_users(project_id)}{user_id}}}{keys.USER_SUFFIXES['INSTALLATIONS']}"
    ),
    "webhook_endpoints": lambda project_id, user_id: keys.webhook_endpoints(project_id),
}
