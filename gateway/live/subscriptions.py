"""The registry of this worker: which of its connections belong to which user.

The first connection of a user subscribes the user's pub/sub channel, and connections that arrive meanwhile wait for the
same confirmation. The last one to leave unsubscribes it.
"""

import asyncio
import contextlib
from collections.abc import Iterator

from gateway.domain.principal import User, UserPrincipal
from gateway.live.connection import Connection
from gateway.live.user_subscription import UserSubscription
from gateway.store import keys
from gateway.store.redis.problems import StoreUnavailableError
from gateway.store.redis.subscriber import Subscriber
from gateway.telemetry.metrics import SUBSCRIBED_USERS
from gateway.telemetry.tallies import Tally

_SUBSCRIBED_USERS = Tally(SUBSCRIBED_USERS)


class UserSubscriptions:
    """The users with open connections on this worker, by pub/sub channel."""

    def __init__(self, subscriber: Subscriber, max_connections_per_user: int):
        self._subscriber = subscriber
        self._max_connections_per_user = max_connections_per_user
        self._by_channel: dict[bytes, UserSubscription[Connection]] = {}

    def __len__(self) -> int:
        return len(self._by_channel)

    def __iter__(self) -> Iterator[UserSubscription[Connection]]:
        return iter(self._by_channel.values())

    def get(self, channel: bytes) -> UserSubscription[Connection] | None:
        """Return the subscription of a pub/sub channel, None if no connection here needs the channel."""
        return self._by_channel.get(channel)

    def channels(self) -> tuple[bytes, ...]:
        """Return all pub/sub channels of users that are subscribed now."""
        return tuple(self._by_channel)

    def users(self) -> Iterator[User]:
        """Return the users that have an open connection."""
        return (subscription.user for subscription in self._by_channel.values())

    async def join(self, connection: Connection, principal: UserPrincipal) -> bool:
        """Add a connection to its user, and return when the user's channel is subscribed.

        Return False, without adding it, if the user already has as many connections as are allowed on one worker.
        Raise StoreUnavailableError if subscribing fails.
        """
        if connection.session.closed:
            return True
        user = principal.user
        channel = keys.user(user.project_id, user.id).encode()
        subscription = self._by_channel.get(channel)
        if subscription is None:
            subscription = self._add(UserSubscription(user, principal.project.api_key, channel))
        elif len(subscription.connections) >= self._max_connections_per_user:
            return False
        subscription.connections.append(connection)
        connection.subscription = subscription
        if len(subscription.connections) == 1 and subscription.confirmed is not None:
            await self._subscribe(subscription, subscription.confirmed)
        elif subscription.confirmed is not None:
            await asyncio.shield(subscription.confirmed)
        if subscription is not self._by_channel.get(channel):
            raise StoreUnavailableError(detail="the subscription failed")
        return True

    def leave(self, connection: Connection) -> None:
        """Remove a connection from its user, if it has joined one."""
        subscription, connection.subscription = connection.subscription, None
        if subscription is None:
            return
        subscription.connections.remove(connection)
        if not subscription.connections:
            self._drop(subscription)

    def _add(self, subscription: UserSubscription[Connection]) -> UserSubscription[Connection]:
        self._by_channel[subscription.channel] = subscription
        _SUBSCRIBED_USERS.value += 1
        subscription.confirmed = asyncio.get_running_loop().create_future()
        return subscription

    async def _subscribe(self, subscription: UserSubscription[Connection], done: "asyncio.Future[None]") -> None:
        """Subscribe the channel for the user's first connection, and for those that have joined it meanwhile."""
        subscribed = False
        try:
            with contextlib.suppress(StoreUnavailableError):
                await self._subscriber.subscribe(subscription.channel)
                subscribed = True
        finally:
            if not subscribed:  # or the task was cancelled: connections that wait must not count as subscribed
                self._drop(subscription)
            subscription.confirmed = None
            if not done.done():
                done.set_result(None)

    def _drop(self, subscription: UserSubscription[Connection]) -> None:
        if self._by_channel.get(subscription.channel) is subscription:
            del self._by_channel[subscription.channel]
            _SUBSCRIBED_USERS.value -= 1
            self._subscriber.unsubscribe(subscription.channel)
