"""Sign-in by the provider of single sign-on: the way there, and the way back.

Both are addresses that a browser opens. A failure leads to the login page, whose address then has the `problem`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.responses import Response

from gateway.api.admin.audit_entries import Action, AuditWriter
from gateway.api.admin.cookies import (
    ended_sign_in_cookie,
    session_cookie,
    session_secret,
    sign_in_cookie,
    sign_in_value,
)
from gateway.api.admin.session import client_of, is_audited_failure
from gateway.api.admin.shapes import NOT_VALID, TAG
from gateway.api.core.call import PUBLIC, PublicCall
from gateway.api.core.operation import Operation
from gateway.api.core.problems import not_found
from gateway.api.core.query import Flag, Formed
from gateway.api.core.schema import Errors, ResponseSpec
from gateway.auth.admins import AdminAuthenticator, SignedIn
from gateway.auth.sso import Identity, SsoAdmins, SsoError, SsoProblem
from gateway.auth.sso_state import STATE_SECONDS, PendingSignIn, SsoStates, begun
from gateway.domain.address import client_network
from gateway.domain.admin import AdminPrincipal
from gateway.domain.errors import ApiError, invalid
from gateway.store.admin_sessions import MAX_SECONDS, SessionKind
from gateway.store.admin_tries import BY_ADDRESS
from gateway.store.admins import AdminRecord
from gateway.store.audit_log import AuditEntry
from gateway.telemetry.logs import log

if TYPE_CHECKING:
    from gateway.auth.oidc import OidcProvider  # with an extra

_PART = "[A-Za-z0-9_~!@%+-]+([.:][A-Za-z0-9_~!@%+-]+)*"
RETURN = rf"[A-Za-z0-9_-]+(/{_PART})*/?(\?[!$-\[\]-~]*)?"
"""An address below `/admin/`: without a scheme, a host, a backslash, or a way up."""

MAX_RETURN_LENGTH = 1000
"""The address is in a cookie, which may have 4096 bytes."""

CLOCK_SECONDS = 5
"""By how much the clock of the provider may be behind for a fresh sign-in."""

START_QUERY = (
    Formed(
        "return",
        "The address within the dashboard to which the sign-in leads, such as `projects/5/users`.",
        "an address within the dashboard, such as projects/5/users",
        RETURN,
    ),
    Flag("confirm", "Whether the provider must ask who it is, even if it knows."),
)
CALLBACK_QUERY = tuple(
    Formed(name, description, "text of at most 4096 characters", "[ -~]{1,4096}")
    for name, description in (
        ("code", "The code of the provider."),
        ("state", "What the provider was sent."),
        ("iss", "The issuer, by RFC 9207."),
        ("error", "Why the provider has refused."),
    )
)

TO_PROVIDER = ResponseSpec(303, "To the provider, or to the login page with a problem", headers=("Location",))
BACK = ResponseSpec(303, "To the dashboard, or to the login page with a problem", headers=("Location",))
NO_PROVIDER = ResponseSpec(404, "There is no provider of single sign-on", Errors)


@dataclass(frozen=True, slots=True)
class SsoResource:
    """The operations, with what they use. `provider` is None if none is set."""

    authenticator: AdminAuthenticator
    admins: SsoAdmins
    states: SsoStates
    audit: AuditWriter
    provider: "OidcProvider | None"

    async def start(self, call: PublicCall) -> Response:
        """Send the browser to the provider of single sign-on.

        With `confirm`, the provider asks again who it is. For 15 minutes, operations that need the password can then
        be called.
        """
        provider, values = self._provider(), call.query()
        confirms, return_to = bool(values["confirm"]), values["return"] or ""
        if len(return_to) > MAX_RETURN_LENGTH:
            raise invalid(f"Param 'return' must have at most {MAX_RETURN_LENGTH} characters")
        principal = await self._present(call) if confirms else None
        admin_id = principal.admin.id if principal is not None else ""
        pending = begun(self.authenticator.now(), return_to, is_fresh=confirms, admin_id=admin_id)
        try:
            cookie = sign_in_cookie(call.forwarded, self.states.sign(pending), STATE_SECONDS)
            address = await provider.address(pending, _redirect_uri(call))
        except ApiError:
            return _failed(call, SsoProblem.NEEDS_HTTPS, return_to)
        except SsoError as problem:
            log.warning("sso_refused", problem=problem.problem.value, detail=problem.detail)
            return _failed(call, problem.problem, return_to)
        return _redirect(address, cookie)

    async def callback(self, call: PublicCall) -> Response:
        """Begin a session of the admin whom the provider names. The provider sends the browser here."""
        provider, values, forwarded = self._provider(), call.query(), call.forwarded
        pending = self.states.read(sign_in_value(call.request, forwarded), values["state"] or "")
        try:
            if pending is None:
                raise SsoError(SsoProblem.NOT_BEGUN, "the state is not that of this browser")
            if values["error"] or not values["code"]:
                raise SsoError(SsoProblem.DENIED, "the provider sent no code")
            identity = await self._identified(provider, call, pending, values["code"], values["iss"])
            signed_in = await self._begun(call, pending, identity)
        except SsoError as problem:
            log.warning("sso_refused", problem=problem.problem.value, detail=problem.detail)
            await self._failure(call, problem)
            return _failed(call, problem.problem, pending.return_to if pending is not None else "")
        await self._audited(call, signed_in.record, session_id=signed_in.new.session.id)
        return _redirect(
            f"{forwarded.base}/admin/{pending.return_to}",
            session_cookie(forwarded, signed_in.new.secret, MAX_SECONDS),
            ended_sign_in_cookie(forwarded),
        )

    def _provider(self) -> "OidcProvider":
        if self.provider is None:
            raise not_found("Single sign-on")
        return self.provider

    async def _identified(
        self, provider: "OidcProvider", call: PublicCall, pending: PendingSignIn, code: str, issuer: str | None
    ) -> Identity:
        """Return whom the provider names. The tries of an address are limited, as those of passwords are."""
        tries, network = self.authenticator.tries, client_network(call.forwarded.client)
        if (await tries.count(BY_ADDRESS, network)).tries > BY_ADDRESS.most:
            raise SsoError(SsoProblem.TOO_MANY_TRIES)
        identity = await provider.identity(pending, code, issuer, _redirect_uri(call))
        await tries.forgive(BY_ADDRESS, network)
        return identity

    async def _begun(self, call: PublicCall, pending: PendingSignIn, identity: Identity) -> SignedIn:
        """Begin a session, in place of the present one. The password counts as given if the provider just asked."""
        confirmed = identity.authenticated_at >= pending.began_at - CLOCK_SECONDS
        if pending.is_fresh and not confirmed:
            raise SsoError(SsoProblem.NOT_RECENT, "the token has no recent auth_time", identity.email)
        record = await self.admins.admin_of(identity, pending.admin_id)
        if (present := await self._present(call)) is not None:
            await self.authenticator.sessions.end(present.admin.id, present.session_id)
        return await self.authenticator.begin(record, client_of(call), confirmed=confirmed)

    async def _present(self, call: PublicCall) -> AdminPrincipal | None:
        """Return who is signed in on this browser, None if nobody is."""
        try:
            return await self.authenticator.principal(session_secret(call.request, call.forwarded), SessionKind.BROWSER)
        except ApiError:
            return None

    async def _failure(self, call: PublicCall, problem: SsoError) -> None:
        record = await self.authenticator.admins.by_email(problem.email) if problem.email else None
        if await is_audited_failure(self.authenticator, record, problem):
            await self._audited(call, record, problem=problem)

    async def _audited(
        self, call: PublicCall, record: AdminRecord | None, *, session_id: str = "", problem: SsoError | None = None
    ) -> None:
        known = problem.email if problem is not None else ""
        await self.audit.write(
            AuditEntry(
                actor=record.email if record is not None else known or "somebody unknown",
                via="session",
                action=_SIGN_IN.id,
                summary=_SIGN_IN.summary,
                admin_id=record.id if record is not None else "",
                session_id=session_id,
                address=call.forwarded.client,
                outcome="done" if problem is None else "refused",
                error=problem.problem.value if problem is not None else "",
            )
        )


def _redirect_uri(call: PublicCall) -> str:
    return f"{call.forwarded.base}{_API}/callback"


def _redirect(address: str, *cookies: str) -> Response:
    headers = {"Location": address, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    response = Response(status_code=303, headers=headers)
    for cookie in cookies:
        response.headers.append("Set-Cookie", cookie)
    return response


def _failed(call: PublicCall, problem: SsoProblem, return_to: str) -> Response:
    query = urlencode({"problem": problem.value, **({"next": return_to} if return_to else {})})
    return _redirect(f"{call.forwarded.base}/admin/login?{query}", ended_sign_in_cookie(call.forwarded))


_R = SsoResource
_API = "/admin/api/sso"

_SIGN_IN = Action("GET", f"{_API}/callback", "Sign in by the provider")

OPERATIONS: list[Operation[SsoResource]] = [
    Operation(
        "GET",
        f"{_API}/start",
        PUBLIC,
        _R.start,
        "Go to the provider",
        TO_PROVIDER,
        query=START_QUERY,
        failures=(NO_PROVIDER, NOT_VALID),
        tag=TAG,
        strict=True,
    ),
    Operation(
        "GET",
        f"{_API}/callback",
        PUBLIC,
        _R.callback,
        "Sign in by the provider",
        BACK,
        query=CALLBACK_QUERY,
        failures=(NO_PROVIDER, NOT_VALID),
        tag=TAG,
    ),
]
