"""The admin's own account: name, password and sessions."""

from dataclasses import dataclass

import msgspec
from starlette.responses import Response

from gateway.api.admin.cookies import session_cookie
from gateway.api.admin.session import client_of
from gateway.api.admin.shapes import NAME, NEW_PASSWORD, TAG, AdminShown, SessionShown, shown_admin, shown_session
from gateway.api.core.body import Body
from gateway.api.core.call import ADMIN, AdminCall
from gateway.api.core.operation import Operation
from gateway.api.core.problems import not_found
from gateway.api.core.responses import json_response, no_content
from gateway.api.core.schema import ResponseSpec
from gateway.auth.admins import AdminAuthenticator
from gateway.auth.passwords import password_fault
from gateway.domain.errors import ErrorCode, api_error, invalid
from gateway.domain.objects import Object
from gateway.store.admin_sessions import MAX_SECONDS
from gateway.store.admins import AdminRecord

NAME_CHANGE = Body(
    "", Object(required=True, name="OwnAccountChange", fields={"name": NAME}), example={"name": "Ada Lovelace"}
)
PASSWORD_CHANGE = Body(
    "",
    Object(required=True, name="OwnPasswordChange", fields={"password": NEW_PASSWORD}),
    example={"password": "correct horse battery"},
)


class SessionList(msgspec.Struct):
    """The open sessions of the admin, the one that was used last first."""

    data: list[SessionShown]


ACCOUNT = ResponseSpec(200, "The admin", AdminShown)
SESSIONS = ResponseSpec(200, "The sessions", SessionList)


@dataclass(frozen=True, slots=True)
class OwnAccountResource:
    """The operations on the admin's own account."""

    authenticator: AdminAuthenticator

    async def rename(self, call: AdminCall) -> Response:
        """Change your own name."""
        name = call.fields(await call.body())["name"] or ""
        record = await self.authenticator.admins.change(
            call.principal.admin.id, lambda before: msgspec.structs.replace(before, name=name)
        )
        return json_response(shown_admin(_there(record)))

    async def change_password(self, call: AdminCall) -> Response:
        """Choose another password. All other sessions end, and this one gets another id."""
        password, admin = call.fields(await call.body())["password"], call.principal.admin
        if fault := password_fault(password, admin.email):
            raise invalid(f"Param 'password' {fault}")
        hashed = await self.authenticator.passwords.hash(password)
        record = _there(
            await self.authenticator.admins.change(
                admin.id, lambda before: msgspec.structs.replace(before, password=hashed)
            )
        )
        sessions = self.authenticator.sessions
        if call.principal.is_token:
            await sessions.end_all(admin.id, but=call.principal.session_id)
            return no_content()
        await sessions.end_all(admin.id)
        signed_in = await self.authenticator.begin(record, client_of(call), confirmed=True)
        return no_content({"Set-Cookie": session_cookie(call.forwarded, signed_in.new.secret, MAX_SECONDS)})

    async def sessions(self, call: AdminCall) -> Response:
        """Return your own sessions: those of browsers, and the tokens of scripts."""
        found = await self.authenticator.sessions.of_admin(call.principal.admin.id)
        return json_response({"data": [shown_session(each, call.principal.session_id) for each in found]})

    async def end_session(self, call: AdminCall) -> Response:
        """End one of your own sessions."""
        if not await self.authenticator.sessions.end(call.principal.admin.id, call.text("session_id")):
            raise not_found("Session")
        return no_content()

    async def end_other_sessions(self, call: AdminCall) -> Response:
        """End all of your own sessions but this one."""
        principal = call.principal
        call.note(ended=await self.authenticator.sessions.end_all(principal.admin.id, but=principal.session_id))
        return no_content()


def _there(record: AdminRecord | None) -> AdminRecord:
    if record is None:
        raise api_error(ErrorCode.SESSION_NEEDED)
    return record


_R = OwnAccountResource
_API = "/admin/api"

OPERATIONS: list[Operation[OwnAccountResource]] = [
    Operation("PATCH", f"{_API}/me", ADMIN, _R.rename, "Change your name", ACCOUNT, NAME_CHANGE, tag=TAG, strict=True),
    Operation(
        *("POST", f"{_API}/me/password", ADMIN, _R.change_password, "Change your password"),
        body=PASSWORD_CHANGE,
        tag=TAG,
        strict=True,
        confirmed=True,
    ),
    Operation("GET", f"{_API}/sessions", ADMIN, _R.sessions, "List your sessions", SESSIONS, tag=TAG, strict=True),
    Operation(
        "DELETE", f"{_API}/sessions", ADMIN, _R.end_other_sessions, "End your other sessions", tag=TAG, strict=True
    ),
    Operation(
        "DELETE", f"{_API}/sessions/{{session_id}}", ADMIN, _R.end_session, "End a session", tag=TAG, strict=True
    ),
]
