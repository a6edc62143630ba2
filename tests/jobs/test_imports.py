"""Import jobs: rows create or update users, and invalid rows are reported, even after interruptions."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest

from gateway.api.v1.imports import read_row
from gateway.domain.ids import ProjectId
from gateway.domain.principal import Identity, User
from gateway.jobs.imports import Importer
from gateway.sending import imports as imports_module
from gateway.sending.imports import portions_of
from gateway.store import keys
from gateway.store.deletion import UserDeletion
from gateway.store.directory import Directory
from gateway.store.job_queue import JobQueue, Step
from gateway.store.jobs import JobKind, JobRecord, JobStore
from gateway.store.profiles import ProfileStore
from tests.jobs.test_runner import queue, running, soon
from tests.sending import recorded
from tests.store.conftest import InspectedClient, new_user

__all__ = ["queue", "soon"]


@dataclass
class Office:
    """A project and the importer of its users."""

    client: InspectedClient
    queue: JobQueue

    def __post_init__(self) -> None:
        self.project_id: ProjectId = new_user().project_id
        self.directory = Directory(self.client, lambda: 0.0)
        self.profiles = ProfileStore(self.client)
        self.jobs = JobStore(self.client)
        self.importer = Importer(self.queue, self.directory, self.profiles, read_row)

    async def enqueue(self, *rows: Any) -> str:
        job_id = str(uuid4())
        await self.jobs.enqueue(JobKind.IMPORT, self.project_id, job_id, b"", 1_800_000_000_000, portions_of(rows))
        return job_id

    async def finish(self, job_id: str) -> JobRecord:
        async with running(self.queue, self.importer.work), asyncio.timeout(20):
            while (record := await self.jobs.read(JobKind.IMPORT, self.project_id, job_id)) is None or (
                record.status != "processed"
            ):
                await asyncio.sleep(0.01)
        return record

    async def run(self, *rows: Any) -> JobRecord:
        return await self.finish(await self.enqueue(*rows))

    async def user(self, external_id: str) -> User:
        user = await self.directory.find(self.project_id, f"x:{external_id}")
        assert user is not None
        return user


@pytest.fixture
def office(client: InspectedClient, queue: JobQueue) -> Office:
    return Office(client, queue)


def counts(total: int, created: int = 0, updated: int = 0, failures: int = 0) -> Mapping[str, int]:
    return {"total": total, "created": created, "updated": updated, "failures": failures}


async def test_a_row_creates_or_updates_a_user(office: Office) -> None:
    joe = await office.directory.resolve(office.project_id, Identity("joe"))
    record = await office.run({"external_id": "ada", "first_name": "Ada"}, {"external_id": "joe", "last_name": "Doe"})
    assert record.counts == counts(2, created=1, updated=1)
    ada = await office.user("ada")
    first, second = await office.profiles.read_many([ada, joe])
    assert first["first_name"] == "Ada"
    assert second["last_name"] == "Doe"


async def test_bad_rows_are_reported_by_number_and_the_others_are_imported(office: Office) -> None:
    await office.directory.resolve_many(office.project_id, [Identity("two"), Identity(None, "users@example.com")])
    record = await office.run(
        {"external_id": "ada"}, None, {"email": "nobody"}, {"external_id": "two", "email": "users@example.com"}
    )
    assert record.counts == counts(4, created=1, failures=3)
    assert json.loads(record.errors) == [
        {"row": 1, "message": "Param 'import.users[1]' is missing"},
        {"row": 2, "message": "Param 'import.users[2].email' must be an email address"},
        {"row": 3, "message": "Param 'import.users[3]' has the external_id of one user and the email of another"},
    ]


async def test_rows_are_numbered_over_all_portions(office: Office) -> None:
    rows: list[Any] = [{"external_id": f"u{number}"} for number in range(imports_module.PORTION_ROWS)]
    record = await office.run(*rows, {"first_name": "nameless"})
    assert record.counts == counts(len(rows) + 1, created=len(rows), failures=1)
    assert json.loads(record.errors)[0]["row"] == len(rows)


async def test_a_step_that_is_done_again_counts_the_users_that_it_created_before(office: Office) -> None:
    job_id = await office.enqueue({"external_id": "ada"}, {"external_id": "joe"})
    # The state after the death of a worker that had not saved the step.
    new_ids = [str(uuid5(UUID(job_id), str(row))) for row in range(2)]
    await office.directory.resolve_or_create(office.project_id, [Identity("ada"), Identity("joe")], new_ids)
    assert (await office.finish(job_id)).counts == counts(2, created=2)


async def test_a_row_whose_user_was_deleted_creates_a_new_user(office: Office) -> None:
    gone = await office.directory.resolve(office.project_id, Identity("gone"))
    await UserDeletion(office.client).delete(gone)  # and the directory still has the user's names
    record = await office.run({"external_id": "gone", "first_name": "New"}, {"external_id": "ada"})
    assert record.counts == counts(2, created=2)
    new = await office.user("gone")
    assert new.id != gone.id
    assert (await office.profiles.read_many([new]))[0]["first_name"] == "New"


async def test_an_import_that_was_accepted_before_plans_had_versions_is_done(office: Office) -> None:
    job_id = str(uuid4())
    key = keys.job(office.project_id, job_id)
    record = {
        "format": "1",
        "kind": "import",
        "payload": "{}",
        "created_ms": "1795961054928",
        "status": "enqueued",
        "cursor": "",
        "steps": "0",
        "claim": "0",
        "attempts": "0",
    }
    await office.client.redis.hset(key, mapping=record)  # type: ignore[arg-type] # wider than its own type
    await office.client.redis.rpush(key + keys.JOB_SUFFIXES["PORTIONS"], *recorded.IMPORT_PORTIONS)
    await office.client.redis.zadd(keys.JOB_QUEUE, {f"{office.project_id} {job_id}": 1795961054928})
    assert (await office.finish(job_id)).counts == counts(2, created=2)


async def test_portions_that_are_done_are_not_imported_again(office: Office) -> None:
    rows = [{"external_id": f"u{number}"} for number in range(imports_module.PORTION_ROWS + 1)]
    job_id = await office.enqueue(*rows)
    claim = await office.queue.claim()
    assert claim is not None
    job = await office.queue.start(claim)
    assert job is not None
    await office.queue.save(job, 1, Step("1", {"total": imports_module.PORTION_ROWS}))
    await office.queue.release(claim)
    assert (await office.finish(job_id)).counts["created"] == 1
