"""Users, as a backend administers them: create, update and delete, by id, `email:…` or `external_id:…`."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from gateway.api.core.idempotency import once
from gateway.api.core.operation import Call, Operation, Scope, encode, json_response, no_content
from gateway.api.core.params import Body, Object
from gateway.api.core.schema import Answer, Hash, Uuid
from gateway.api.v1.identity import ATTRIBUTES, NAMES, NamedUser
from gateway.domain import principal
from gateway.domain.errors import ErrorCode, api_error, invalid
from gateway.domain.principal import Identity, normalize_email
from gateway.store.errors import IdentityConflictError, NameTakenError

_EXAMPLE = {"external_id": "ada", "email": "ada@example.com", "first_name": "Ada"}

_NAMED = "`external_id`, `email` or both are needed."

CREATED = Body(
    "user",
    NamedUser(required=True, name="NewUser", description=_NAMED, fields={**NAMES, **ATTRIBUTES}),
    example=_EXAMPLE,
)
"""What `POST /users` takes, with the contract's limits."""

UPDATED = Body("user", Object(required=True, name="UserChange", fields={**NAMES, **ATTRIBUTES}), example=_EXAMPLE)
"""What `PUT /users/{id}` takes: only what is to change."""


class User(msgspec.Struct):
    """A user, as a backend administers it."""

    id: Uuid
    external_id: str | None
    email: str | None
    first_name: str | None
    last_name: str | None
    custom_attributes: Hash | None
    phone_numbers: list[str] | None


class UserAnswer(msgspec.Struct):
    """One user."""

    user: User


CREATED_USER = Answer(201, "The user", UserAnswer)
USER = Answer(200, "The user", UserAnswer)


async def create(call: Call) -> Response:
    """Create a user, or update the one that has these names."""
    body = await call.body()
    values = call.fields(body)
    external_id, email = _names(values)

    async def run(plan: bytes, remember: bool) -> bytes:
        try:
            user = await call.services.directory.resolve(call.project.id, Identity(external_id, email))
        except IdentityConflictError:
            raise invalid("Param 'user' has the external_id of one user and the email of another") from None
        return encode({"user": await _saved(call, user, values)})

    return await once(call, body, b"", run)


async def update(call: Call) -> Response:
    """Update the given fields of a user; the inbox and its open connections stay."""
    values = call.fields(await call.body())
    user = await find_user(call)
    external_id, email = _names(values)
    try:
        renamed = await call.services.directory.rename(user, external_id or user.external_id, email or user.email)
    except NameTakenError as taken:
        raise invalid(f"Param 'user.{taken.name}' belongs to another user") from None
    if renamed is None:
        raise _not_found()
    return json_response({"user": await _saved(call, renamed, values)})


async def delete(call: Call) -> Response:
    """Delete a user and everything of theirs, and close their open inboxes."""
    user = await find_user(call)
    # The inbox first: should we die in between, its tombstone leads whoever finds the names to finish the rest.
    await call.services.user_deletion.delete(user)
    await call.services.directory.forget(user)
    return no_content()


async def _saved(call: Call, user: principal.User, values: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: values[name] for name in ATTRIBUTES if values[name] is not None}
    names = {"external_id": user.external_id, "email": user.email}
    attributes = await call.services.profiles.set(user, {**names, **given})
    return {"id": user.id, **names, **attributes}


async def find_user(call: Call, part: str = "user") -> principal.User:
    """Find the user that a part of the path names: by id, `email:…` or `external_id:…`. Raises ApiError 404."""
    name = call.text(part)
    kind, separator, rest = name.partition(":")
    if separator and kind == "email":
        wanted = f"e:{normalize_email(rest)}"
    else:
        wanted = f"x:{rest}" if separator and kind == "external_id" else f"u:{name}"
    user = await call.services.directory.find(call.project.id, wanted)
    if user is None:
        raise _not_found()
    return user


def _names(values: Mapping[str, Any]) -> tuple[str | None, str | None]:
    email = values["email"]
    return values["external_id"] or None, normalize_email(email) if email else None


def _not_found() -> Exception:
    named = "Name the user by id, or as `external_id:…` or `email:…`."
    return api_error(ErrorCode.NOT_FOUND, "User not found", suggestion=named)


OPERATIONS = [
    Operation("POST", "/users", Scope.ADMIN, create, "Create a user", CREATED_USER, CREATED, idempotent=True),
    Operation("PUT", "/users/{user}", Scope.ADMIN, update, "Update a user", USER, UPDATED),
    Operation("DELETE", "/users/{user}", Scope.ADMIN, delete, "Delete a user"),
]
