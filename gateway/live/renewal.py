"""Renewing the credentials of an open connection, usually a token that is about to expire."""

from gateway.auth.authenticator import Authenticator
from gateway.domain.errors import ApiError, CloseCode, ErrorCode, api_error
from gateway.domain.guard import Guard, TokenRevokedError, UserDeletedError
from gateway.domain.principal import Credentials, Project, UserPrincipal
from gateway.live.connection import Connection
from gateway.live.credential import ConnectionCredential
from gateway.live.deadlines import Deadlines
from gateway.live.revocation import Revocation
from gateway.store.inbox import InboxStore
from gateway.store.redis.problems import StoreUnavailableError


class Renewal:
    """Replaces the credentials of open connections."""

    def __init__(
        self,
        authenticator: Authenticator,
        inboxes: InboxStore,
        revocation: Revocation,
        deadlines: Deadlines[Connection],
    ):
        self._authenticator = authenticator
        self._inboxes = inboxes
        self._revocation = revocation
        self._deadlines = deadlines

    async def renew(self, connection: Connection, credentials: Credentials) -> None:
        """Verify fresh credentials of a connection's user.

        Replace the old ones if they are valid, otherwise keep those. Credentials of another user close the connection.
        """
        session = connection.session
        before = connection.credential
        try:
            principal = await self._authenticator.live_user(credentials)
            if session.closed or connection.subscription is None:
                return
            if principal.user.id != connection.subscription.user.id:
                connection.perform(session.close(CloseCode.UNAUTHORIZED))
                return
            project = await self._replace(connection, principal)
        except ApiError as error:
            self._refuse(connection, before, error)
        except (TokenRevokedError, UserDeletedError):
            self._refuse(connection, before, api_error(ErrorCode.TOKEN_REVOKED))
        except StoreUnavailableError as problem:
            self._refuse(connection, before, api_error(problem.code, problem.cause))
        else:
            if session.closed:  # meanwhile: its deadline is that of the close, or it has none any more
                return
            connection.perform(session.renewed(principal.token_expires_at))
            self._deadlines.schedule(connection)
            self._revocation.check(connection, project)

    async def _replace(self, connection: Connection, principal: UserPrincipal) -> Project | None:
        # From here on, revocation finds the connection by its new credentials. If they ended before, `use` raises.
        connection.set_principal(principal)
        await self._inboxes.use(principal.user, Guard(None, principal.token_id, principal.token_issued_at))
        return await self._authenticator.current(principal.project)

    def _refuse(self, connection: Connection, before: ConnectionCredential, error: ApiError) -> None:
        """Restore the credentials from before. Check them again, as they may have ended while they were replaced."""
        session = connection.session
        if session.closed:
            return
        connection.perform(session.renewal_refused(error.problems[0]))
        if (connection.authenticated_by, connection.token) != (before.authenticated_by, before.token):
            connection.credential = before
            connection.perform(session.resync())
            if connection.subscription is not None:
                self._revocation.project_changed(connection.subscription.api_key)
