"""The job that imports users. Each row creates or updates a user as `POST /users` does."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4, uuid5

import msgspec

from gateway.domain.guard import UserDeletedError
from gateway.domain.ids import ProjectId
from gateway.domain.principal import User
from gateway.sending.command import UserFields
from gateway.sending.errors import InvalidRowError
from gateway.sending.imports import PORTION_ROWS, RowReader
from gateway.store.directory import Directory
from gateway.store.errors import IdentityConflictError
from gateway.store.job_queue import Job, JobQueue, Step
from gateway.store.profiles import ProfileStore


class Importer:
    """Performs import jobs. A step is a portion of the rows. The cursor is the number of completed portions."""

    def __init__(self, queue: JobQueue, directory: Directory, profiles: ProfileStore, read_row: RowReader):
        self._queue = queue
        self._directory = directory
        self._profiles = profiles
        self._read_row = read_row

    async def work(self, job: Job) -> AsyncGenerator[Step, None]:
        """Import the remaining portions, and yield each step."""
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
                # The directory still has the names of a deleted user. The next attempt creates a new user.
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

    `valid` holds the rows that can be imported. Each other row has an entry in `errors`. `new_ids` has the id
    for the user of each valid row, in case it is new.
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
                # The id is the same at every attempt, so a repeated step recognises the users that it created before.
                self.new_ids[row] = str(uuid5(UUID(job_id), str(row)))

    def profile(self, row: int, user: User) -> dict[str, Any]:
        """Return the attributes that a row sets, with the user's present names."""
        return {"external_id": user.external_id, "email": user.email, **self.valid[row].attributes}

    def refuse(self, row: int, reason: str) -> None:
        """Remove a valid row, and add an error for it."""
        self.errors.append({"row": row, "message": f"Param 'import.users[{row}]' {reason}"})
        del self.valid[row]

    def renew_ids(self, rows: Sequence[int]) -> None:
        """Replace the ids of the users that rows create, because a deleted user's id must not be reused."""
        for row in rows:
            self.new_ids[row] = str(uuid4())
