"""Revoking all tokens of a user."""

import time
from dataclasses import dataclass

import msgspec
from starlette.responses import Response

from gateway.api.core.body import Body
from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import Operation
from gateway.api.core.responses import json_response
from gateway.api.core.schema import ResponseSpec, Seconds
from gateway.api.v1.identity import find_user
from gateway.domain.errors import invalid
from gateway.domain.objects import Object
from gateway.domain.params import Integer
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.store.directory import Directory
from gateway.store.project_events import ProjectEvents
from gateway.store.tokens import TokenStore

REVOCATION = Body(
    "",
    Object(
        required=True,
        name="TokenRevocation",
        fields={
            "issued_before": Integer(
                least=0,
                most=2**53,
                description="Unix seconds, not in the future. By default the end of the current second.",
            )
        },
    ),
    example={},
)


class RevokedTokens(msgspec.Struct):
    """The user's tokens that were issued before this are refused."""

    issued_before: Seconds


REVOKED = ResponseSpec(200, "Revoked", RevokedTokens)


@dataclass(frozen=True, slots=True)
class RevocationsResource:
    """The operation that revokes tokens, with the stores that it uses."""

    tokens: TokenStore
    directory: Directory
    events: ProjectEvents

    async def revoke(self, call: ProjectCall) -> Response:
        """Revoke all tokens of a user that were issued before a point in time, and close their live connections.

        This applies to tokens that the gateway issued and to those that your backend signed. A token without an `iat`
        claim counts as issued before any time. HMACs are not tokens: they are valid as long as the API secret is.

        A token that the gateway issues afterwards is accepted at once. One that your backend signs needs an `iat` of
        the returned `issued_before` or later.
        """
        values = call.fields(await call.body() or b"{}")
        now = int(time.time())
        before = values["issued_before"]
        if before is not None and before > now + 1:
            raise invalid("Param 'issued_before' must not be in the future")
        user = await find_user(self.directory, call.project.id, call.text("user"))
        revoked_before = await self.tokens.discard_before(user, now + 1 if before is None else before, now)
        event = ProjectEvent(ProjectEventType.JWT_REVOKED_BEFORE, user.id, {"issued_before": revoked_before})
        await self.events.write(call.project.id, event)
        return json_response({"issued_before": revoked_before})


OPERATIONS = [
    Operation(
        "POST",
        "/users/{user}/revoke_tokens",
        PROJECT,
        RevocationsResource.revoke,
        "Revoke a user's tokens",
        REVOKED,
        REVOCATION,
        strict=True,
    ),
]
