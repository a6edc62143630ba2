"""The sign-in of admins: a password becomes a session, and the id of a session an admin.

Failed tries are limited by network and by account, apart for networks from which the admin has signed in. A refusal is
the same, and takes the same work, whether or not there is such an admin.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from gateway.auth.passwords import PasswordHasher
from gateway.domain.address import client_network
from gateway.domain.admin import AdminPrincipal
from gateway.domain.errors import ApiError, ErrorCode, api_error, invalid
from gateway.domain.principal import normalize_email
from gateway.store.admin_sessions import AdminSession, AdminSessionStore, NewSession, SessionKind
from gateway.store.admin_tries import BY_ACCOUNT, BY_ADDRESS, BY_KNOWN_NETWORK, AdminTries
from gateway.store.admins import AdminRecord, AdminStore

CONFIRMED_SECONDS = 15 * 60
"""How long the password counts as just given."""


class Client(NamedTuple):
    """Where a request comes from: the address, and the name of the browser."""

    address: str
    agent: str


class SignedIn(NamedTuple):
    """An admin who has just signed in, with the new session."""

    record: AdminRecord
    new: NewSession


class TooManyTriesError(ApiError):
    """The limit of failed tries is reached. `is_first` is whether this try is the first one that is refused for it."""

    def __init__(self, retry_after_seconds: int, *, is_first: bool):
        code = ErrorCode.TOO_MANY_TRIES
        super().__init__(code, code.kind.status, (code.problem(),), retry_after_seconds)
        self.is_first = is_first


class AdminAuthenticator:
    """Verifies passwords and sessions. Methods raise ApiError, and StoreUnavailableError."""

    def __init__(
        self,
        admins: AdminStore,
        sessions: AdminSessionStore,
        tries: AdminTries,
        passwords: PasswordHasher,
        unix: Callable[[], float] = time.time,
    ):
        self.admins = admins
        self.sessions = sessions
        self.passwords = passwords
        self.tries = tries
        self._unix = unix

    def now(self) -> int:
        """Return the time in unix seconds."""
        return int(self._unix())

    async def login(self, email: str, password: str, client: Client) -> SignedIn:
        """Begin a session of the admin with this email and password. Raises ApiError 401 and 429."""
        record = await self.admins.by_email(email)
        await self._check_password(record, normalize_email(email), password, client)
        assert record is not None, "a password matches only that of an admin"
        return await self.begin(record, client, confirmed=True)

    async def begin(self, record: AdminRecord, client: Client, *, confirmed: bool) -> SignedIn:
        """Begin a session of an admin whose identity is proven. `confirmed` is whether by the password.

        Raises ApiError 401 if the password was changed meanwhile, which has ended all sessions.
        """
        until = int(self._unix()) + CONFIRMED_SECONDS if confirmed else 0
        await self.admins.note_signed_in(record.id)
        new = await self.sessions.begin(
            record.id, SessionKind.BROWSER, address=client.address, agent=client.agent, confirmed_until=until
        )
        present = await self.admins.by_id(record.id)
        if present is None or present.password != record.password:
            await self.sessions.end(record.id, new.session.id)
            raise api_error(ErrorCode.EMAIL_OR_PASSWORD_INCORRECT)
        await self.tries.remember(record.email, client_network(client.address))
        return SignedIn(record, new)

    async def confirm(self, principal: AdminPrincipal, password: str, client: Client) -> int:
        """Verify the password of an admin who has a session. Return until when it counts as just given.

        Raises ApiError 422 and 429.
        """
        record = await self.admins.by_id(principal.admin.id)
        try:
            await self._check_password(record, principal.admin.email, password, client)
        except ApiError as error:
            # The session is still open, which a 401 would deny.
            raise invalid("Param 'password' is not your password") if error.status == 401 else error from None
        until = int(self._unix()) + CONFIRMED_SECONDS
        await self.sessions.confirm(principal.session_id, until)
        return until

    def is_confirmed(self, principal: AdminPrincipal) -> bool:
        """Return whether the admin has just given the password."""
        return principal.confirmed_until > self._unix()

    async def principal(self, secret: str, kind: SessionKind) -> AdminPrincipal:
        """Return the admin whose session a secret opens. Raises ApiError 401."""
        session = await self.sessions.open(secret, kind) if secret else None
        record = await self.admins.by_id(session.admin_id) if session is not None else None
        if session is None or record is None:
            raise api_error(ErrorCode.SESSION_NEEDED)
        return principal_of(record, session)

    async def check_open(self, principal: AdminPrincipal) -> None:
        """Raise ApiError 401 if a session has ended, or the admin was removed. Its use is not recorded."""
        is_open = await self.sessions.is_open(principal.session_id)
        if not is_open or await self.admins.by_id(principal.admin.id) is None:
            raise api_error(ErrorCode.SESSION_NEEDED)

    async def _check_password(self, record: AdminRecord | None, email: str, password: str, client: Client) -> None:
        """Raise ApiError 401 unless the password is that of the admin, and 429 after too many tries."""
        network = client_network(client.address)
        is_known = await self.tries.knows(email, network)
        of_account = (BY_KNOWN_NETWORK, f"{email} {network}") if is_known else (BY_ACCOUNT, email)
        subjects = ((BY_ADDRESS, network), of_account)
        for limit, subject in subjects:
            count = await self.tries.count(limit, subject)
            if count.tries > limit.most:
                raise TooManyTriesError(count.seconds_left, is_first=count.tries == limit.most + 1)
        stored = record.password if record is not None else ""
        if not await self.passwords.matches(password, stored, is_known=is_known):
            raise api_error(ErrorCode.EMAIL_OR_PASSWORD_INCORRECT)
        for limit, subject in subjects:
            await self.tries.forgive(limit, subject)


def principal_of(record: AdminRecord, session: AdminSession) -> AdminPrincipal:
    """Return the principal of an admin with an open session."""
    is_token = session.kind is SessionKind.TOKEN
    return AdminPrincipal(record.admin, session.id, session.confirmed_until, is_token)
