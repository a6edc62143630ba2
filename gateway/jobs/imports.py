"""The job that imports users: row by row, as `POST /users` would create or update each."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4, uuid5

import msgspec

from gateway.domain.guard import UserDeletedError
from gateway.domain.principal import ProjectId, User
from gateway.sending.command import UserFields
from gateway.sending.errors import InvalidRowError
from gateway.sending.imports import PORTION_ROWS, RowReader
from gateway.store.directory import Directory
from gateway.store.errors import IdentityConflictError
from gateway.store.job_queue import Job, JobQueue, Step
from gateway.store.profiles import ProfileStore


class Importer:
    """Does import jobs. A step is a portion of the rows; the cursor is the number of portions that are done."""

    def __init__(self, queue: JobQueue, directory: Directory, profiles: ProfileStore, read_row: RowReader):
        self._queue = queue
        self._directory = directory
        self._profiles = profiles
        self._read_row = read_row

    async def work(self, job: Job) -> AsyncGenerator[Step, None]:
        """Import the portions that are left, step by step."""
        done = int(job.cursor or 0)
        while (portion := await self._queue.read_portion(job, done)) is not None:
            rows = _Rows(job.id, done * PORTION_ROWS, msgspec.json.decode(portion), self._read_row)
            done += 1
            yield await self._import(job.project_id, rows, str(done))

    async def _import(self, project_id: ProjectId, rows: "_Rows", cursor: str) -> Step:
        while True:
            users = await self._resolve(project_id, rows)
            profiles = [(user, rows.profile(row, user)) for row, user in users.items()]
            try:
                await self._profiles.set_many(profiles)
            except UserDeletedError as deleted:
                # The directory still named a user who was deleted: the row creates a new user.
                await self._directory.forget(deleted.user)
                rows.renew_ids([row for row, user in users.items() if user.id == deleted.user.id])
                continue
            created = sum(user.id == rows.new_ids[row] for row, user in users.items())
            counts = {
                "total": rows.count,
                "created": created,
                "updated": len(users) - created,
                "failures": rows.count - len(users),
            }
            return Step(cursor, counts, rows.errors)

    async def _resolve(self, project_id: ProjectId, rows: "_Rows") -> dict[int, User]:
        """Return the user of each row that is valid and does not name two users."""
        while True:
            numbers = list(rows.valid)
            if not numbers:
                return {}
            identities = [rows.valid[row].identity for row in numbers]
            try:
                users = await self._directory.resolve_or_create(
                    project_id, identities, [rows.new_ids[row] for row in numbers]
                )
            except IdentityConflictError as conflict:
                for index in conflict.indexes:
                    rows.refuse(numbers[index], "has the external_id of one user and the email of another")
                continue
            return dict(zip(numbers, users, strict=True))


class _Rows:
    """The rows of a portion by number, which counts from 0 over the whole import.

    `valid` holds those that can be imported; each other one has an entry in `errors`. `new_ids` are the ids that rows
    give to users they create.
    """

    def __init__(self, job_id: str, first: int, rows: Sequence[Any], read_row: RowReader):
        self.count = len(rows)
        self.errors: list[Mapping[str, Any]] = []
        self.valid: dict[int, UserFields] = {}
        self.new_ids: dict[int, str] = {}
        for row, value in enumerate(rows, first):
            try:
                self.valid[row] = read_row(value, f"import.users[{row}]")
            except InvalidRowError as invalid:
                self.errors += [{"row": row, "message": message} for message in invalid.messages]
            else:
                # The same at every attempt, so that a step that is done again knows which users it created before.
                self.new_ids[row] = str(uuid5(UUID(job_id), str(row)))

    def profile(self, row: int, user: User) -> dict[str, Any]:
        """Return what a row sets of its user, with the names that the user has now."""
        return {"external_id": user.external_id, "email": user.email, **self.valid[row].attributes}

    def refuse(self, row: int, reason: str) -> None:
        """Report a row as an error."""
        self.errors.append({"row": row, "message": f"Param 'import.users[{row}]' {reason}"})
        del self.valid[row]

    def renew_ids(self, rows: Sequence[int]) -> None:
        """Assign other ids to the users that rows create: a deleted user's id must not be used again."""
        for row in rows:
            self.new_ids[row] = str(uuid4())
