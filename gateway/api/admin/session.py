"""Sign-in and sign-out of admins, and the links by which they choose a password."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.responses import Response

from gateway import __version__
from gateway.api.admin.audit_entries import Action, AuditWriter, error_of, outcome_of
from gateway.api.admin.cookies import check_json, check_same_origin, ended_cookie, is_loopback, session_cookie
from gateway.api.admin.shapes import (
    CROSS_SITE,
    EMAIL,
    LINK_TOKEN,
    ME,
    NAME,
    NEW_PASSWORD,
    NOT_SIGNED_IN,
    NOT_VALID,
    PASSWORD,
    TAG,
    TOO_MANY,
    shown_admin,
)
from gateway.api.core.body import Body
from gateway.api.core.call import ADMIN, PUBLIC, AdminCall, Call, PublicCall
from gateway.api.core.cors import ALLOWED_ORIGINS
from gateway.api.core.operation import Operation
from gateway.api.core.responses import json_response, no_content
from gateway.api.core.schema import Errors, ResponseSpec
from gateway.auth.admins import AdminAuthenticator, Client, SignedIn, TooManyTriesError
from gateway.auth.passwords import password_fault
from gateway.domain.admin import EVERY_WORKSPACE, Role
from gateway.domain.errors import ApiError, ErrorCode, api_error, invalid
from gateway.domain.objects import Object
from gateway.domain.params import Text
from gateway.store.admin_links import FIRST_OWNER, AdminLinkStore, state_of
from gateway.store.admin_sessions import MAX_SECONDS
from gateway.store.admin_tries import ENTRIES_OF_UNKNOWN
from gateway.store.admins import AdminRecord
from gateway.store.audit_log import AuditEntry
from gateway.store.errors import EmailTakenError

LOGIN = Body(
    "",
    Object(required=True, name="AdminLogin", fields={"email": EMAIL, "password": PASSWORD}),
    example={"email": "ada@example.com", "password": "correct horse battery"},
)
SETUP = Body(
    "",
    Object(
        required=True,
        name="AdminSetup",
        fields={
            "token": LINK_TOKEN,
            "email": Text(max_length=255, email=True, description="The first owner's email. Others have one."),
            "name": NAME,
            "password": NEW_PASSWORD,
        },
    ),
    example={"token": "Zk3…", "email": "ada@example.com", "name": "Ada", "password": "correct horse battery"},
)
LINK = Body("", Object(required=True, name="AdminLink", fields={"token": LINK_TOKEN}), example={"token": "Zk3…"})
CONFIRMATION = Body(
    "",
    Object(required=True, name="AdminConfirmation", fields={"password": PASSWORD}),
    example={"password": "correct horse battery"},
)


class Entry(msgspec.Struct):
    """What the page of the login shows. `setup_needed`: there is no admin yet.

    `sso` is the name of the provider of single sign-on, "" if there is none. `needs_https`: nobody can sign in over
    the connection of this request, because it is plain HTTP from another machine.
    """

    setup_needed: bool
    sso: str
    needs_https: bool
    version: str


class LinkShown(msgspec.Struct):
    """Whom a link is for: an admin with an email, or the first owner, whose email is still to be chosen ("")."""

    email: str
    name: str


class Confirmed(msgspec.Struct):
    """Until when (unix seconds) the password counts as just given."""

    confirmed_until: int


ENTRY = ResponseSpec(200, "What the page of the login shows", Entry)
LINK_SHOWN = ResponseSpec(200, "Whom the link is for", LinkShown)
CONFIRMED = ResponseSpec(200, "Until when the password counts as just given", Confirmed)
NO_DASHBOARD = ResponseSpec(404, "The gateway serves no dashboard, or serves it on a port of its own", Errors)
LINK_ENDED = ResponseSpec(403, "The link has ended, or the request does not come from a page of the dashboard", Errors)


@dataclass(frozen=True, slots=True)
class SessionResource:
    """The operations, with what they use. `sso` is the name of the provider of single sign-on, or "".

    `public_url` is the setting. `clients_port` is the port of clients if the dashboard has one of its own, otherwise 0.
    """

    authenticator: AdminAuthenticator
    links: AdminLinkStore
    audit: AuditWriter
    sso: str = ""
    public_url: str = ""
    clients_port: int = 0

    async def entry(self, call: PublicCall) -> Response:
        """Return what the page of the login needs to know."""
        call.request.note(ALLOWED_ORIGINS, ())
        forwarded = call.forwarded
        body = {
            "setup_needed": not await self.authenticator.admins.any(),
            "sso": self.sso,
            "needs_https": forwarded.scheme != "https" and not is_loopback(forwarded),
            "version": __version__,
        }
        return json_response(body)

    async def login(self, call: PublicCall) -> Response:
        """Begin a session. The response sets its cookie, which counts below `/admin` only.

        After 5 failed tries in a minute from an address, and 10 in an hour for an account, further ones are refused.
        An address from which the admin has signed in before has 10 tries of its own.
        """
        check_page(call)
        values = call.fields(await call.body())
        try:
            signed_in = await self.authenticator.login(values["email"], values["password"], client_of(call))
        except ApiError as error:
            # What was given as the email may be a password, unless an admin has it.
            record = await self.authenticator.admins.by_email(values["email"])
            if await is_audited_failure(self.authenticator, record, error):
                await self._audited(_LOGIN, call, record, problem=error)
            raise
        response = self._begun(call, signed_in)
        await self._audited(_LOGIN, call, signed_in.record, session_id=signed_in.new.session.id)
        return response

    async def link(self, call: PublicCall) -> Response:
        """Return whom a link is for, without using it up."""
        check_page(call)
        values = call.fields(await call.body())
        record = await self._of_link(values["token"])
        return json_response({"email": record.email, "name": record.name} if record else {"email": "", "name": ""})

    async def setup(self, call: PublicCall) -> Response:
        """Choose a password by a link, which is used up, and sign in. The first link creates the first owner."""
        check_page(call)
        values = call.fields(await call.body())
        record = await self._of_link(values["token"])
        email = record.email if record is not None else values["email"]
        if not email:
            raise invalid("Param 'email' is missing")
        if fault := password_fault(values["password"], email):
            raise invalid(f"Param 'password' {fault}")
        session_cookie(call.forwarded, "", 0)  # before the link is used up
        password = await self.authenticator.passwords.hash(values["password"])
        if not await self.links.use(values["token"]):
            raise api_error(ErrorCode.SETUP_LINK_ENDED)
        record = await self._with_password(record, email, values["name"], password)
        signed_in = await self.authenticator.begin(record, client_of(call), confirmed=True)
        await self._audited(_SETUP, call, record, session_id=signed_in.new.session.id)
        return self._begun(call, signed_in)

    async def me(self, call: AdminCall) -> Response:
        """Return the admin who is signed in."""
        record = await self.authenticator.admins.by_id(call.principal.admin.id)
        if record is None:
            raise api_error(ErrorCode.SESSION_NEEDED)
        shown = _me(record, call.principal.session_id, call.principal.confirmed_until, self._public_url(call))
        return json_response(shown)

    async def confirm(self, call: AdminCall) -> Response:
        """Verify the password again. For 15 minutes, operations that need it can then be called."""
        values = call.fields(await call.body())
        until = await self.authenticator.confirm(call.principal, values["password"], client_of(call))
        return json_response({"confirmed_until": until})

    async def logout(self, call: AdminCall) -> Response:
        """End the session."""
        await self.authenticator.sessions.end(call.principal.admin.id, call.principal.session_id)
        return no_content({"Set-Cookie": ended_cookie(call.forwarded)})

    def _public_url(self, call: Call) -> str:
        """Return the address of the gateway for clients, "" for that of the dashboard, which the browser knows best."""
        host = urlsplit(f"//{call.forwarded.host}").hostname
        if self.public_url or not self.clients_port or not host:
            return self.public_url
        return f"{call.forwarded.scheme}://{f'[{host}]' if ':' in host else host}:{self.clients_port}"

    async def _of_link(self, token: str) -> AdminRecord | None:
        """Return the admin whom a link is for, None for the first owner. Raises ApiError 403 for a link that ended."""
        admins, link = self.authenticator.admins, await self.links.find(token)
        if link is not None and link.admin_id == FIRST_OWNER and not await admins.any():
            return None
        record = await admins.by_id(link.admin_id) if link is not None else None
        if link is None or record is None or not link.is_for(record):
            raise api_error(ErrorCode.SETUP_LINK_ENDED)
        return record

    async def _with_password(
        self, record: AdminRecord | None, email: str, name: str | None, password: str
    ) -> AdminRecord:
        """Return the admin of a link with the new password. All earlier sessions end."""
        admins = self.authenticator.admins
        if record is None:
            try:
                owner = {EVERY_WORKSPACE: Role.OWNER}
                return await admins.create(email, name or "", owner, password=password, only_first=True)
            except EmailTakenError:
                raise api_error(ErrorCode.SETUP_LINK_ENDED) from None
        state = state_of(record)

        def with_password(before: AdminRecord) -> AdminRecord:
            if state_of(before) != state:
                raise api_error(ErrorCode.SETUP_LINK_ENDED)  # another link, or an owner, was faster
            return msgspec.structs.replace(before, password=password, name=name or before.name)

        changed = await admins.change(record.id, with_password)
        if changed is None:
            raise api_error(ErrorCode.SETUP_LINK_ENDED)
        await self.authenticator.sessions.end_all(changed.id)
        return changed

    def _begun(self, call: Call, signed_in: SignedIn) -> Response:
        session, record = signed_in.new.session, signed_in.record
        cookie = session_cookie(call.forwarded, signed_in.new.secret, MAX_SECONDS)
        shown = _me(record, session.id, session.confirmed_until, self._public_url(call))
        return json_response(shown, headers={"Set-Cookie": cookie})

    async def _audited(
        self,
        action: Action,
        call: Call,
        record: AdminRecord | None,
        *,
        session_id: str = "",
        problem: ApiError | None = None,
    ) -> None:
        await self.audit.write(
            AuditEntry(
                actor=record.email if record is not None else "somebody unknown",
                via="session",
                action=action.id,
                summary=action.summary,
                admin_id=record.id if record is not None else "",
                session_id=session_id,
                address=call.forwarded.client,
                outcome=outcome_of(problem),
                error=error_of(problem),
            )
        )


async def is_audited_failure(authenticator: AdminAuthenticator, record: AdminRecord | None, error: Exception) -> bool:
    """Return whether a failed try leaves an entry. Anybody may make any number of them."""
    if isinstance(error, TooManyTriesError) and not error.is_first:
        return False
    if record is not None:
        return True
    count = await authenticator.tries.count(ENTRIES_OF_UNKNOWN, "")
    return count.tries <= ENTRIES_OF_UNKNOWN.most


def check_page(call: PublicCall) -> None:
    """Raise ApiError 403 for a request of another site's page, and 415 for a body that is not JSON."""
    call.request.note(ALLOWED_ORIGINS, ())  # no page of another origin may read the response
    check_same_origin(call.request, call.forwarded, is_needed=False)
    check_json(call.request, reads_body=True)


def client_of(call: Call) -> Client:
    """Return where a call comes from."""
    return Client(call.forwarded.client, call.request.headers.get("user-agent", ""))


def _me(record: AdminRecord, session_id: str, confirmed_until: int, public_url: str) -> dict[str, Any]:
    return {
        "admin": shown_admin(record),
        "role": record.admin.highest_role.value,
        "session_id": session_id,
        "confirmed_until": confirmed_until,
        "version": __version__,
        "public_url": public_url,
    }


_R = SessionResource
_API = "/admin/api"

_LOGIN = Action("POST", f"{_API}/login", "Sign in")
_SETUP = Action("POST", f"{_API}/setup", "Choose a password by a link")

_FAILURES = (CROSS_SITE, NOT_VALID)

OPERATIONS: list[Operation[SessionResource]] = [
    Operation(
        "GET", f"{_API}/entry", PUBLIC, _R.entry, "Get what the login shows", ENTRY, failures=(NO_DASHBOARD,), tag=TAG
    ),
    Operation("GET", f"{_API}/me", ADMIN, _R.me, "Get who is signed in", ME, tag=TAG),
    Operation(
        "POST",
        f"{_API}/login",
        PUBLIC,
        _R.login,
        "Sign in",
        ME,
        LOGIN,
        failures=(NOT_SIGNED_IN, *_FAILURES, TOO_MANY),
        tag=TAG,
        strict=True,
    ),
    Operation(
        "POST",
        f"{_API}/link",
        PUBLIC,
        _R.link,
        "See whom a link is for",
        LINK_SHOWN,
        LINK,
        failures=(LINK_ENDED, NOT_VALID),
        tag=TAG,
        strict=True,
    ),
    Operation(
        "POST",
        f"{_API}/setup",
        PUBLIC,
        _R.setup,
        "Choose a password by a link",
        ME,
        SETUP,
        failures=(LINK_ENDED, NOT_VALID),
        tag=TAG,
        strict=True,
    ),
    Operation(
        "POST",
        f"{_API}/confirm",
        ADMIN,
        _R.confirm,
        "Confirm with the password",
        CONFIRMED,
        CONFIRMATION,
        tag=TAG,
        strict=True,
    ),
    Operation("POST", f"{_API}/logout", ADMIN, _R.logout, "Sign out", tag=TAG, strict=True),
]
