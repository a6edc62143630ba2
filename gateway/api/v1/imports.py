"""Imports: many users in one request, created or updated by a job. Rows that are not valid are reported one by one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from gateway.api.core.body import Body
from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.idempotency import Idempotency, planned
from gateway.api.core.operation import Operation
from gateway.api.core.problems import not_found
from gateway.api.core.responses import encode, raw_json_response
from gateway.api.core.schema import ResponseSpec, Uuid
from gateway.api.v1.identity import ATTRIBUTES, NAMES, NamedUser
from gateway.domain.errors import ErrorCode
from gateway.domain.objects import Array, Object
from gateway.domain.params import Anything
from gateway.domain.principal import Identity, normalize_email
from gateway.sending.command import UserFields
from gateway.sending.errors import InvalidRowError
from gateway.sending.imports import portions_of
from gateway.sending.plans import ImportPlan
from gateway.store.directory import Directory
from gateway.store.event_log import Moment
from gateway.store.jobs import JobKind, JobStore

MAX_ROWS = 10_000

_ROW = Object(fields={**NAMES, **ATTRIBUTES})

_READ_ROW = NamedUser(required=True, fields={**NAMES, **ATTRIBUTES})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows(Array):
    """A list whose items the job checks, each by itself."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check type and length, and note unknown fields of the rows."""
        if isinstance(value, list) and self.min_items <= len(value) <= self.max_items:
            for index, row in enumerate(value):
                if isinstance(row, dict) and not row.keys() <= _ROW.fields.keys():
                    _ROW.note_unknown(row, f"{path}[{index}].", problems)
            return value
        return Array.check(self, value, path, problems)


NEW_IMPORT = Body(
    "import",
    Object(
        required=True,
        name="NewImport",
        fields={
            "users": _Rows(
                required=True,
                item=Anything(),
                min_items=1,
                max_items=MAX_ROWS,
                description="Users with the fields of `POST /users`. An invalid row is an error of the import; "
                "the others are imported.",
            )
        },
    ),
    example={"users": [{"external_id": "ada", "email": "ada@example.com"}, {"external_id": "joe"}]},
    max_bytes=None,
    refusals=(ErrorCode.USER_LIMIT_REACHED,),
)


class ImportSummary(msgspec.Struct, omit_defaults=True):
    """The number of rows processed so far, by their outcome. Empty in the response to `POST /imports`."""

    total: int | UnsetType = UNSET
    created: int | UnsetType = UNSET
    updated: int | UnsetType = UNSET
    failures: int | UnsetType = UNSET


class ImportProblem(msgspec.Struct, omit_defaults=True):
    """Why a row was not imported; rows count from 0. Without a row, why the import failed."""

    message: str
    row: int | UnsetType = UNSET


class Import(msgspec.Struct):
    """An import with its progress. `errors` has the first 1,000."""

    id: Uuid
    status: Literal["processing", "processed"]
    summary: ImportSummary
    errors: list[ImportProblem]


class ImportAnswer(msgspec.Struct, rename={"import_": "import"}):
    """One import."""

    import_: Import


ACCEPTED = ResponseSpec(201, "Accepted", ImportAnswer)
IMPORT = ResponseSpec(200, "The import", ImportAnswer)


def read_row(row: Any, path: str) -> UserFields:
    """Return the user that a row of an import describes; `path` names the row in messages. Raises InvalidRowError."""
    problems: list[str] = []
    values = _READ_ROW.read(row, path, problems)
    if problems:
        raise InvalidRowError(problems)
    return msgspec.convert(values, UserFields)


def _named(rows: Sequence[Any]) -> Iterator[Identity]:
    """Yield the names in the rows that have some. Faults of rows are found when they are imported."""
    for row in rows:
        external_id, email = (
            row[name] if isinstance(row, dict) and isinstance(row.get(name), str) else "" for name in NAMES
        )
        if external_id or normalize_email(email):
            yield Identity(external_id, normalize_email(email))


@dataclass(frozen=True, slots=True)
class ImportsResource:
    """The operations on imports, with the stores that they use."""

    jobs: JobStore
    idempotency: Idempotency
    now: Callable[[], Moment]
    directory: Directory

    async def create(self, call: ProjectCall) -> Response:
        """Import up to 10,000 users. Users that do not exist yet are created, the others are updated.

        The import is accepted at once and processed soon after; `GET /imports/{import_id}` returns its progress.
        """
        body = await call.body()
        rows = (await call.large_fields(body))["users"]
        plan = encode(ImportPlan(str(uuid4()), self.now().now_ms))

        async def work(encoded_plan: bytes, repeatable: bool) -> bytes:
            plan = planned(encoded_plan, ImportPlan)
            if self.directory.is_full(call.project.id, len(rows)):
                await self.directory.require_room(call.project.id, list(_named(rows)))
            await self.jobs.enqueue(JobKind.IMPORT, call.project.id, plan.id, b"", plan.now_ms, portions_of(rows))
            return encode({"import": {"id": plan.id, "status": "processing", "summary": {}, "errors": []}})

        return await self.idempotency.once(call, body, plan, work)

    async def get(self, call: ProjectCall) -> Response:
        """Return an import with its progress and the first 1,000 rows that could not be imported."""
        import_id = str(call.uuid("import_id", "Import"))
        found = await self.jobs.read(JobKind.IMPORT, call.project.id, import_id)
        if found is None:
            raise not_found("Import")
        status = "processed" if found.status == "processed" else "processing"
        view = {"id": import_id, "status": status, "summary": found.counts, "errors": msgspec.Raw(found.errors)}
        return raw_json_response(encode({"import": view}))


_R = ImportsResource

OPERATIONS = [
    Operation("POST", "/imports", PROJECT, _R.create, "Import users", ACCEPTED, NEW_IMPORT, idempotent=True),
    Operation("GET", "/imports/{import_id}", PROJECT, _R.get, "Fetch an import", IMPORT),
]
