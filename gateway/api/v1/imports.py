"""Imports: many users in one request, taken in afterwards, row by row; who has bad rows learns which."""

from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from gateway.api.core.idempotency import once, planned
from gateway.api.core.operation import Call, Operation, Scope, encode, raw_json_response
from gateway.api.core.params import Anything, Array, Body, Object
from gateway.api.core.schema import Answer, Uuid
from gateway.api.v1.identity import ATTRIBUTES, NAMES, NamedUser
from gateway.api.v1.jobs import job_id, not_found
from gateway.sending.command import UserFields
from gateway.sending.errors import InvalidRowError
from gateway.sending.imports import portions_of
from gateway.sending.plans import ImportPlan
from gateway.store.jobs import JobKind

MAX_ROWS = 10_000

_ROW = Object(fields={**NAMES, **ATTRIBUTES})

_READ_ROW = NamedUser(required=True, fields={**NAMES, **ATTRIBUTES})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows(Array):
    """A list whose items are checked later, each for itself."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check type and length."""
        if isinstance(value, list) and self.min_items <= len(value) <= self.max_items:
            for index, row in enumerate(value):
                if isinstance(row, dict) and not row.keys() <= _ROW.fields.keys():
                    _ROW.note_unknown(row, f"{path}[{index}].", problems)
            return value
        return Array.check(self, value, path, problems)


BODY = Body(
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
                description="Users as `POST /users` takes them. A row that is not right is an error of the import.",
            )
        },
    ),
    example={"users": [{"external_id": "ada", "email": "ada@example.com"}, {"external_id": "joe"}]},
    max_bytes=None,
)
"""What `POST /imports` takes."""


class ImportSummary(msgspec.Struct, omit_defaults=True):
    """The rows done so far, by what became of them; empty in the answer to the import."""

    total: int | UnsetType = UNSET
    created: int | UnsetType = UNSET
    updated: int | UnsetType = UNSET
    failures: int | UnsetType = UNSET


class ImportProblem(msgspec.Struct, omit_defaults=True):
    """Why a row was not taken in, counted from 0; without a row, why the import ended."""

    message: str
    row: int | UnsetType = UNSET


class Import(msgspec.Struct):
    """An import and how far it is."""

    id: Uuid
    status: Literal["processing", "processed"]
    summary: ImportSummary
    errors: list[ImportProblem]


class ImportAnswer(msgspec.Struct, rename={"import_": "import"}):
    """One import."""

    import_: Import


IMPORTING = Answer(201, "Accepted", ImportAnswer)
IMPORT = Answer(200, "The import", ImportAnswer)


def read_row(row: Any, path: str) -> UserFields:
    """Return the user that a row of an import describes; `path` names the row in messages. Raises InvalidRowError."""
    problems: list[str] = []
    values = _READ_ROW.read(row, path, problems)
    if problems:
        raise InvalidRowError(problems)
    return msgspec.convert(values, UserFields)


async def create(call: Call) -> Response:
    """Import 1 to 10,000 users: unknown ones are created, the others updated. It is done soon after."""
    body = await call.body()
    rows = (await call.large_fields(body))["users"]
    plan = encode(ImportPlan(str(uuid4()), call.services.moment().now_ms))

    async def run(encoded_plan: bytes, remember: bool) -> bytes:
        plan = planned(encoded_plan, ImportPlan)
        await call.services.jobs.enqueue(JobKind.IMPORT, call.project.id, plan.id, b"", plan.now_ms, portions_of(rows))
        return encode({"import": {"id": plan.id, "status": "processing", "summary": {}, "errors": []}})

    return await once(call, body, plan, run)


async def get(call: Call) -> Response:
    """Return the progress of an import, and the first 1,000 rows that could not be imported."""
    wanted = job_id(call, "import_id", "Import")
    found = await call.services.jobs.read(JobKind.IMPORT, call.project.id, wanted)
    if found is None:
        raise not_found("Import")
    status = "processed" if found.status == "processed" else "processing"
    view = {"id": wanted, "status": status, "summary": found.counts, "errors": msgspec.Raw(found.errors)}
    return raw_json_response(encode({"import": view}))


OPERATIONS = [
    Operation("POST", "/imports", Scope.ADMIN, create, "Import users", IMPORTING, BODY, idempotent=True),
    Operation("GET", "/imports/{import_id}", Scope.ADMIN, get, "Fetch an import", IMPORT),
]
