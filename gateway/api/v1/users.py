"""Users, as a backend administers them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import Response

from gateway.api.core.body import Body
from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.idempotency import Idempotency
from gateway.api.core.operation import Operation
from gateway.api.core.responses import encode, json_response, no_content
from gateway.api.core.schema import Hash, ResponseSpec, Uuid
from gateway.api.v1.identity import ATTRIBUTES, NAMES, NamedUser, find_user, names_of, user_not_found
from gateway.domain import principal
from gateway.domain.errors import ErrorCode, invalid
from gateway.domain.objects import Object
from gateway.domain.principal import Identity
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.store.deletion import UserDeletion
from gateway.store.directory import Directory
from gateway.store.errors import IdentityConflictError, NameTakenError
from gateway.store.profiles import ProfileStore
from gateway.store.project_events import ProjectEvents

_EXAMPLE = {"external_id": "ada", "email": "ada@example.com", "first_name": "Ada"}

NEW_USER = Body(
    "user",
    NamedUser(
        required=True,
        name="NewUser",
        description="`external_id`, `email` or both are needed.",
        fields={**NAMES, **ATTRIBUTES},
    ),
    example=_EXAMPLE,
    refusals=(ErrorCode.USER_LIMIT_REACHED,),
)

USER_CHANGE = Body("user", Object(required=True, name="UserChange", fields={**NAMES, **ATTRIBUTES}), example=_EXAMPLE)


class User(msgspec.Struct):
    """A user with its attributes, null for each that is not set."""

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


CREATED = ResponseSpec(201, "The user", UserAnswer)
USER = ResponseSpec(200, "The user", UserAnswer)


@dataclass(frozen=True, slots=True)
class UsersResource:
    """The operations on users, with the stores that they use."""

    directory: Directory
    profiles: ProfileStore
    deletion: UserDeletion
    idempotency: Idempotency
    events: ProjectEvents

    async def create(self, call: ProjectCall) -> Response:
        """Create a user, or update the user who has this external id or email.

        Users are also created when a notification is sent to them or when they first connect. This operation is needed
        only to set their attributes.
        """
        body = await call.body()
        values = call.fields(body)
        identity = Identity(*names_of(values))

        async def work(plan: bytes, repeatable: bool) -> bytes:
            try:
                user = await self.directory.resolve(call.project.id, identity)
            except IdentityConflictError:
                raise invalid("Param 'user' has the external_id of one user and the email of another") from None
            return encode({"user": await self._saved(user, values)})

        return await self.idempotency.once(call, body, b"", work)

    async def update(self, call: ProjectCall) -> Response:
        """Update a user. Fields that the body leaves out keep their values. The inbox is not changed."""
        values = call.fields(await call.body())
        user = await find_user(self.directory, call.project.id, call.text("user"))
        external_id, email = names_of(values)
        try:
            renamed = await self.directory.rename(user, external_id or user.external_id, email or user.email)
        except NameTakenError as taken:
            raise invalid(f"Param 'user.{taken.name}' belongs to another user") from None
        if renamed is None:
            raise user_not_found()
        return json_response({"user": await self._saved(renamed, values)})

    async def delete(self, call: ProjectCall) -> Response:
        """Delete a user with everything that is stored about them, and close their live connections."""
        user = await find_user(self.directory, call.project.id, call.text("user"))
        # The inbox is deleted first. If the process dies in between, the names still resolve to the inbox's tombstone,
        # and the next call that finds it completes the deletion.
        await self.deletion.delete(user)
        await self.directory.forget(user)
        await self.events.write(call.project.id, ProjectEvent(ProjectEventType.USER_DELETED, user.id))
        return no_content()

    async def _saved(self, user: principal.User, values: Mapping[str, Any]) -> dict[str, Any]:
        given = {name: values[name] for name in ATTRIBUTES if values[name] is not None}
        names = {"external_id": user.external_id, "email": user.email}
        attributes = await self.profiles.set(user, {**names, **given})
        return {"id": user.id, **names, **attributes}


OPERATIONS = [
    Operation("POST", "/users", PROJECT, UsersResource.create, "Create a user", CREATED, NEW_USER, idempotent=True),
    Operation("PUT", "/users/{user}", PROJECT, UsersResource.update, "Update a user", USER, USER_CHANGE),
    Operation("DELETE", "/users/{user}", PROJECT, UsersResource.delete, "Delete a user"),
]
