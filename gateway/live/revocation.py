"""Closing connections whose access has ended: token revoked, secret rotated, key removed, user or project deleted.

Each connection remembers the credential and the token that authenticated it. The end of a token is published on the
user's channel. A node that missed that message finds the revocation in the reply of the next log read. The channel is
subscribed before the log is read, so one of the two always arrives. The end of a secret, a key or a project is a
control message to all nodes. A node that may have missed one compares all its connections with the stored projects.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence

from gateway.auth.authenticator import Authenticator
from gateway.domain.errors import CloseCode, ErrorCode
from gateway.domain.principal import Project
from gateway.live.connection import Connection
from gateway.live.deadlines import Deadlines
from gateway.live.pacing import paced, retry_after_ms
from gateway.live.subscriptions import UserSubscriptions
from gateway.live.user_subscription import UserSubscription
from gateway.store.deletion import DELETED_MESSAGE
from gateway.store.redis.problems import StoreUnavailableError
from gateway.store.tokens import REVOKED_BEFORE_MESSAGE, REVOKED_MESSAGE

RETRY_SECONDS = 0.5
"""The mean pause before projects that could not be read are read again."""


class Revocation:
    """Compares connections with their projects when these change. `run` must be running."""

    def __init__(
        self, authenticator: Authenticator, subscriptions: UserSubscriptions, deadlines: Deadlines[Connection]
    ):
        self._authenticator = authenticator
        self._subscriptions = subscriptions
        self._deadlines = deadlines
        self._changed: set[str] = set()
        self._perhaps_changed: set[str] = set()
        self._change = asyncio.Event()

    def project_changed(self, api_key: str) -> None:
        """Close the connections of a project that were authenticated by a credential which it no longer accepts."""
        self._changed.add(api_key)
        self._change.set()

    def all_projects_changed(self) -> None:
        """Do the same for every project with connections here: the message about a change may have been missed."""
        self._perhaps_changed.update(subscription.api_key for subscription in self._subscriptions)
        self._change.set()

    async def run(self) -> None:
        """Check the connections of projects that have changed, until cancelled."""
        while True:
            await self._change.wait()
            self._change.clear()
            changed, self._changed = self._changed, set()
            perhaps, self._perhaps_changed = self._perhaps_changed, set()
            try:
                await self._check_all(await self._stored_projects(changed | perhaps))
            except Exception as problem:
                self._changed |= changed
                self._perhaps_changed |= perhaps
                self._change.set()
                if not isinstance(problem, StoreUnavailableError):
                    raise
                await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))

    def check(self, connection: Connection, project: Project | None) -> None:
        """Close a connection unless its project, as it is now, still accepts the connection's credential."""
        subscription, session = connection.subscription, connection.session
        if subscription is None or session.closed:
            return
        credential = connection.authenticated_by
        if project is None or project.id != subscription.user.project_id or credential not in project.valid_credentials:
            end_access(connection, CloseCode.CREDENTIALS_ROTATED, ErrorCode.CREDENTIALS_ROTATED)
            return
        expires_at = project.valid_credentials[credential]
        # An expiry that is known stays: a project without one may be an older copy.
        if expires_at is not None and expires_at != session.credential_expires_at:
            session.set_credential_expiry(expires_at)
            self._deadlines.schedule(connection)

    async def _stored_projects(self, api_keys: set[str]) -> Mapping[str, Project | None]:
        served = {subscription.api_key for subscription in self._subscriptions}
        # The result lacks projects that the store has lost or cannot read. Their access has not ended, so their
        # connections stay open for now.
        return await self._authenticator.projects(api_keys & served)

    async def _check_all(self, projects: Mapping[str, Project | None]) -> None:
        affected = [subscription for subscription in self._subscriptions if subscription.api_key in projects]
        connections = [connection for subscription in affected for connection in subscription.connections]
        async for connection in paced(connections):
            if connection.subscription is not None:
                self.check(connection, projects[connection.subscription.api_key])


def close_revoked(subscription: UserSubscription[Connection], message: bytes) -> None:
    """Close the connections of a user whose access ended by a control message on the user's channel.

    Raise ValueError for a message that the gateway does not publish.
    """
    if message == DELETED_MESSAGE:
        close_connections_of_deleted_user(subscription.connections)
    elif message.startswith(REVOKED_MESSAGE):
        token_id = message.removeprefix(REVOKED_MESSAGE).decode()
        for connection in tuple(subscription.connections):
            if connection.token[0] == token_id:
                end_access(connection, CloseCode.TOKEN_REVOKED, ErrorCode.TOKEN_REVOKED)
    elif message.startswith(REVOKED_BEFORE_MESSAGE):
        before = int(message.removeprefix(REVOKED_BEFORE_MESSAGE))
        for connection in tuple(subscription.connections):
            issued_at = connection.token[1]
            if issued_at is not None and issued_at < before:
                end_access(connection, CloseCode.TOKEN_REVOKED, ErrorCode.TOKEN_REVOKED)
    else:
        raise ValueError("not a message that the gateway publishes")


def close_connections_of_deleted_user(connections: Sequence[Connection]) -> None:
    """Close the connections of a user who has been deleted.

    A connection that is not open yet was authenticated with a cached id of that user. Its close code makes the client
    try again, and the user's name then resolves to the right id.
    """
    for connection in tuple(connections):
        session = connection.session
        code = CloseCode.USER_DELETED if session.ready else CloseCode.TRY_AGAIN_LATER
        connection.perform(session.close(code, retry_after_ms()))


def end_access(connection: Connection, code: CloseCode, reason: ErrorCode) -> None:
    """Close a connection whose access has ended. One that is not open yet is refused with the reason."""
    session = connection.session
    problem = None if session.ready else reason.problem()
    connection.perform(session.close(code, problem=problem))
