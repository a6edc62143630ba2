"""Imports: many users at once, row by row, as `POST /users` would take each."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4, uuid5

import msgspec

from gateway.api.v1.identity import ATTRIBUTES, NAMES, NamedUser
from gateway.api.v1.imports import PORTION_ROWS
from gateway.domain.guard import UserDeletedError
from gateway.domain.principal import Identity, ProjectId, User, normalize_email
from gateway.store.directory import Directory, IdentityConflictError
from gateway.store.jobs import Job, JobQueue, Step
from gateway.store.profiles import ProfileStore

_ROW = NamedUser(required=True, fields={**NAMES, **ATTRIBUTES})


class Importer:
    """The work of import jobs. A step is a portion of the rows; the cursor is the number of portions done."""

    def __init__(self, queue: JobQueue, directory: Directory, profiles: ProfileStore):
        self._queue = queue
        self._directory = directory
        self._profiles = profiles

    async def work(self, job: Job) -> AsyncGenerator[Step, None]:
        """Import what is left."""
        done = int(job.cursor or 0)
        while (portion := await self._queue.read_portion(job, done)) is not None:
            rows = _Rows(job.id, done * PORTION_ROWS, msgspec.json.decode(portion))
            done += 1
            yield await self._import(job.project_id, rows, str(done))

    async def _import(self, project_id: ProjectId, rows: "_Rows", cursor: str) -> Step:
        while True:
            users = await self._resolve(project_id, rows)
            profiles = [(user, rows.profile(row, user)) for row, user in users.items()]
            try:
                await self._profiles.set_many(profiles)
            except UserDeletedError as deleted:
                # Whom the directory still names is gone: the row makes a new user.
                await self._directory.forget(deleted.user)
                rows.renew_id_of([row for row, user in users.items() if user.id == deleted.user.id])
                continue
            created = sum(user.id == rows.new_ids[row] for row, user in users.items())
            return Step(
                cursor,
                {
                    "total": rows.count,
                    "created": created,
                    "updated": len(users) - created,
                    "failures": rows.count - len(users),
                },
                rows.errors,
            )

    async def _resolve(self, project_id: ProjectId, rows: "_Rows") -> dict[int, User]:
        """Give the user of each row that is well-formed and contradicts no other."""
        while True:
            numbers = list(rows.values)
            if not numbers:
                return {}
            identities = [rows.identity(row) for row in numbers]
            try:
                users = await self._directory.take_in(project_id, identities, [rows.new_ids[row] for row in numbers])
            except IdentityConflictError as conflict:
                for index in conflict.indexes:
                    rows.refuse(numbers[index], "has the external_id of one user and the email of another")
                continue
            return dict(zip(numbers, users, strict=True))


class _Rows:
    """A portion's rows by number, counted from 0 over the whole import; those that are refused leave."""

    def __init__(self, job_id: str, first: int, rows: Sequence[Any]):
        self.count = len(rows)
        self.errors: list[Mapping[str, Any]] = []
        self.values: dict[int, Mapping[str, Any]] = {}
        self.new_ids: dict[int, str] = {}
        for row, value in enumerate(rows, first):
            problems: list[str] = []
            values = _ROW.read(value, f"import.users[{row}]", problems)
            if problems:
                self.errors += [{"row": row, "message": problem} for problem in problems]
            else:
                self.values[row] = values
                # Always the same, so that a step that is done again knows whom it created the first time.
                self.new_ids[row] = str(uuid5(UUID(job_id), str(row)))

    def identity(self, row: int) -> Identity:
        values = self.values[row]
        email = values["email"]
        return Identity(values["external_id"] or None, normalize_email(email) if email else None)

    def profile(self, row: int, user: User) -> dict[str, Any]:
        given = {name: self.values[row][name] for name in ATTRIBUTES if self.values[row][name] is not None}
        return {"external_id": user.external_id, "email": user.email, **given}

    def refuse(self, row: int, reason: str) -> None:
        self.errors.append({"row": row, "message": f"Param 'import.users[{row}]' {reason}"})
        del self.values[row]

    def renew_id_of(self, rows: Sequence[int]) -> None:
        """Give rows other ids: a deleted user's must not be used again."""
        for row in rows:
            self.new_ids[row] = str(uuid4())
