"""A user with open connections on this worker, and the pub/sub subscription that they share."""

import asyncio
from typing import Generic, TypeVar

from gateway.domain.principal import User

ConnectionT = TypeVar("ConnectionT")


class UserSubscription(Generic[ConnectionT]):
    """The connections of one user on this worker. They share one subscription of the user's pub/sub channel.

    `seen_at` is the second at which the user was seen, for the next read of the log to write, 0 if it is written.
    `confirmed` completes when Redis has confirmed the subscription, or when that has failed. It is None afterwards.
    """

    __slots__ = ("api_key", "channel", "confirmed", "connections", "seen_at", "user")

    def __init__(self, user: User, api_key: str, channel: bytes):
        self.user = user
        self.api_key = api_key
        self.channel = channel
        self.connections: list[ConnectionT] = []
        self.seen_at = 0
        self.confirmed: asyncio.Future[None] | None = None
