"""Opening a connection's stream: verify the credentials, check the origin, join the user, read the log."""

import asyncio

from gateway.auth.authenticator import Authenticator
from gateway.domain.errors import ApiError, CloseCode, ErrorCode, api_error
from gateway.domain.principal import Credentials, UserPrincipal
from gateway.live.connection import Connection
from gateway.live.figures import LiveFigures
from gateway.live.pacing import retry_after_ms
from gateway.live.replay import Replay, store_close_code
from gateway.live.revocation import Revocation
from gateway.live.subscriptions import UserSubscriptions
from gateway.store.activity import ActiveUsers
from gateway.store.redis.problems import StoreUnavailableError
from gateway.store.redis.subscriber import Subscriber

CONCURRENT_ADMISSIONS = 64
"""The most connections that are admitted at once.

When all clients reconnect together, the rest wait for this semaphore. If all of them waited for Redis, its replies
would arrive after the timeout of a call. A call of the API waits behind these few only.
"""

_CLOSE_CODES: dict[ErrorCode | None, CloseCode] = {
    ErrorCode.TOKEN_EXPIRED: CloseCode.TOKEN_EXPIRED,
    ErrorCode.TOKEN_REVOKED: CloseCode.TOKEN_REVOKED,
    ErrorCode.FORBIDDEN: CloseCode.FORBIDDEN,
    ErrorCode.TOO_MANY_NEW_USERS: CloseCode.TOO_MANY_NEW_USERS,
    ErrorCode.ORIGIN_NOT_ALLOWED: CloseCode.FORBIDDEN,
    ErrorCode.USER_LIMIT_REACHED: CloseCode.FORBIDDEN,
}
"""The close code for each error of refused credentials. Any other error closes with `unauthorized`."""


class Admission:
    """Admits connections with valid credentials, and refuses the others."""

    def __init__(
        self,
        authenticator: Authenticator,
        subscriber: Subscriber,
        subscriptions: UserSubscriptions,
        replay: Replay,
        revocation: Revocation,
        activity: ActiveUsers,
        allowed_origins: tuple[str, ...],
        figures: LiveFigures,
    ):
        self._authenticator = authenticator
        self._subscriber = subscriber
        self._subscriptions = subscriptions
        self._replay = replay
        self._revocation = revocation
        self._activity = activity
        self._allowed_origins = allowed_origins
        self._figures = figures
        self._slots = asyncio.Semaphore(CONCURRENT_ADMISSIONS)
        self.draining = False
        """Whether every connection is refused, because this worker is about to stop."""

    async def admit(self, connection: Connection, credentials: Credentials) -> None:
        """Verify a connection's credentials, and open its stream or refuse it."""
        async with self._slots:
            if connection.session.closed:  # while it waited
                return
            if not self._subscriber.healthy:
                # No connection can be opened now. Those that wait are refused at once, without a call to Redis.
                _refuse(connection, CloseCode.TRY_AGAIN_LATER)
                return
            try:
                principal = await self._authenticator.live_user(credentials, address=connection.client_address)
                admitted = await self._join(connection, principal)
            except ApiError as error:
                retry = error.retry_after_seconds
                code = _CLOSE_CODES.get(error.code, CloseCode.UNAUTHORIZED)
                self._count_refused(connection, credentials, error)
                connection.perform(connection.session.refused(code, error.problems[0], retry and 1000 * retry))
            except StoreUnavailableError as problem:
                _refuse(connection, store_close_code(problem))
            else:
                if admitted:
                    await self._open(connection, principal)

    async def _join(self, connection: Connection, principal: UserPrincipal) -> bool:
        """Add a connection to its user. Return False if it was refused. Raise ApiError, StoreUnavailableError."""
        if not connection.check_origin(principal.project.allowed_origins or self._allowed_origins):
            raise api_error(ErrorCode.ORIGIN_NOT_ALLOWED)
        if self.draining:
            _refuse(connection, CloseCode.DRAINING)
            return False
        connection.set_principal(principal)
        if not await self._subscriptions.join(connection, principal):
            code = CloseCode.TOO_MANY_CONNECTIONS
            self._figures.refused(principal.project.id, connection, code.reason)
            connection.perform(connection.session.refused(code))
            return False
        # A change of the project that arrived before the connection joined was not applied to the connection.
        self._revocation.check(connection, await self._authenticator.current(principal.project))
        return True

    def _count_refused(self, connection: Connection, credentials: Credentials, error: ApiError) -> None:
        """Count a refused connection for the project that its credentials name. An unknown API key names none."""
        project = self._authenticator.named_project(credentials)
        if project is not None and error.code is not None:
            self._figures.refused(project.id, connection, error.code.kind.code)

    async def _open(self, connection: Connection, principal: UserPrincipal) -> None:
        session, subscription = connection.session, connection.subscription
        if subscription is not None:
            subscription.seen_at = self._activity.seen_by_reader(principal.user) or subscription.seen_at
        for read in self._replay.collect(lambda: connection.perform(session.authenticated(principal.token_expires_at))):
            await read


def _refuse(connection: Connection, code: CloseCode) -> None:
    connection.perform(connection.session.refused(code, retry_after_ms=retry_after_ms()))
