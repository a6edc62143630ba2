"""A user with open connections on this worker, and the pub/sub subscription that they share."""

import asyncio
from typing import Generic, TypeVar

from gateway.domain.principal import User

ConnectionT = TypeVar("ConnectionT")


class UserSubscription(Generic[ConnectionT]):
    """The connections of one user on this worker. They share one subscription of the user's pub/sub channel.

    `confirmed` completes when Redis has confirmed the subscription, or when that has failed. It is None afterwards.
    """

    __slots__ = ("api_key", "channel", "confirmed", "connections", "user")

    def __init__(self, user: User, api_key: str, channel: bytes):
        self.user = user
        self.api_key = api_key
        self.channel = channel
        self.connections: list[ConnectionT] = []
        self.confirmed: asyncio.Future[None] | None = None
