"""What live connections rest on, and what becomes of them when that ends.

A token ends by a message on its user's channel, or is found revoked when the log is read, which is subscribed before
and so misses none. A secret, a key or a project ends by a control message, and whoever may have missed one looks at all
projects that it serves.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence

from gateway.auth.authenticator import Authenticator
from gateway.domain.errors import CloseCode, ErrorCode
from gateway.domain.principal import Project
from gateway.live.connection import Connection, retry_after_ms
from gateway.live.user_subscription import UserSubscription
from gateway.store.deletion import DELETED_MESSAGE
from gateway.store.redis.client import StoreUnavailableError
from gateway.store.tokens import REVOKED_BEFORE_MESSAGE, REVOKED_MESSAGE

RETRY_SECONDS = 0.5
"""Between two tries to read projects that have changed."""

CHECKS_IN_ONE_GO = 500
"""Connections looked at, and perhaps closed, before others get their turn: some 20 ms."""


class Revocation:
    """Holds the connections of some subscriptions against their projects as they change. `run` must be running.

    `reschedule` is told of connections whose next deadline has changed.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        subscriptions: Mapping[bytes, UserSubscription],
        reschedule: Callable[[Connection], None],
    ):
        self._authenticator = authenticator
        self._subscriptions = subscriptions
        self._reschedule = reschedule
        self._changed_projects: set[str] = set()
        self._perhaps_changed_projects: set[str] = set()
        self._project_changed = asyncio.Event()

    def project_changed(self, api_key: str) -> None:
        """Close what rests on something that this project no longer has."""
        self._changed_projects.add(api_key)
        self._project_changed.set()

    def all_projects_changed(self) -> None:
        """Do so for every project: some change may not have been heard of."""
        self._perhaps_changed_projects.update(subscription.api_key for subscription in self._subscriptions.values())
        self._project_changed.set()

    async def run(self) -> None:
        """Look at the connections of projects that have changed, until cancelled."""
        while True:
            await self._project_changed.wait()
            self._project_changed.clear()
            changed, self._changed_projects = self._changed_projects, set()
            perhaps, self._perhaps_changed_projects = self._perhaps_changed_projects, set()
            try:
                await self._check(await self._projects_to_check(changed, perhaps))
            except Exception as problem:
                self._changed_projects |= changed
                self._perhaps_changed_projects |= perhaps
                self._project_changed.set()
                if not isinstance(problem, StoreUnavailableError):
                    raise
                await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))

    async def _check(self, projects: Mapping[str, Project | None]) -> None:
        subscriptions = [
            subscription for subscription in self._subscriptions.values() if subscription.api_key in projects
        ]
        connections = [connection for subscription in subscriptions for connection in subscription.connections]
        for number, connection in enumerate(connections):
            if connection.subscription is not None:
                self.check_credential(connection, projects[connection.subscription.api_key])
            if number % CHECKS_IN_ONE_GO == CHECKS_IN_ONE_GO - 1:
                await asyncio.sleep(0)

    async def _projects_to_check(self, changed: set[str], perhaps: set[str]) -> Mapping[str, Project | None]:
        served = {subscription.api_key for subscription in self._subscriptions.values()}
        # Without those that the store has lost, or cannot read: nobody ended these, and who is here may stay for now.
        return await self._authenticator.projects((changed | perhaps) & served)

    def check_credential(self, connection: Connection, project: Project | None) -> None:
        """Close a connection unless the project, as it is now, still has what its credentials rest on."""
        subscription, session = connection.subscription, connection.session
        if subscription is None or session.closed:
            return
        if (
            project is None
            or project.id != subscription.user.project_id
            or connection.authenticated_by not in project.valid_credentials
        ):
            end(connection, CloseCode.CREDENTIALS_ROTATED, ErrorCode.CREDENTIALS_ROTATED)
            return
        until = project.valid_credentials[connection.authenticated_by]
        # An end, once known, stays: an answer that knows of none may be the older one.
        if until is not None and until != session.credential_expires_at:
            session.credential_ends(until)
            self._reschedule(connection)


def close_revoked(subscription: UserSubscription, message: bytes) -> None:
    """Close what a message says has ended. Raises ValueError for one that nobody should send."""
    if message == DELETED_MESSAGE:
        close_deleted(subscription.connections)
    elif message.startswith(REVOKED_MESSAGE):
        token_id = message.removeprefix(REVOKED_MESSAGE).decode()
        for connection in tuple(subscription.connections):
            if connection.token[0] == token_id:
                end(connection, CloseCode.TOKEN_REVOKED, ErrorCode.TOKEN_REVOKED)
    elif message.startswith(REVOKED_BEFORE_MESSAGE):
        before = int(message.removeprefix(REVOKED_BEFORE_MESSAGE))
        for connection in tuple(subscription.connections):
            issued_at = connection.token[1]
            if issued_at is not None and issued_at < before:
                end(connection, CloseCode.TOKEN_REVOKED, ErrorCode.TOKEN_REVOKED)
    else:
        raise ValueError("nothing that we publish")


def close_deleted(connections: Sequence[Connection]) -> None:
    """Close the connections of a user who is no more."""
    for connection in tuple(connections):
        session = connection.session
        # Who is only just coming in was led by an outdated name, and finds the right user the next time.
        code = CloseCode.USER_DELETED if session.ready else CloseCode.TRY_AGAIN_LATER
        connection.perform(session.close(code, retry_after_ms()))


def end(connection: Connection, code: CloseCode, reason: ErrorCode) -> None:
    """Close a connection whose access ended; one that is only just coming in is refused, with the reason."""
    session = connection.session
    problem = None if session.ready else reason.problem()
    connection.perform(session.close(code, problem=problem))
