"""One user's open inboxes on this worker."""

import asyncio
from typing import TYPE_CHECKING

from gateway.domain.event import Position
from gateway.domain.principal import User

if TYPE_CHECKING:
    from gateway.live.connection import Connection

NOWHERE = Position("", -1)
"""No event's position, and none that an event follows."""


class Feed:
    """One user's open inboxes on this worker."""

    __slots__ = ("api_key", "channel", "connections", "newest", "subscription", "user")

    def __init__(self, user: User, api_key: str, channel: bytes):
        self.user = user
        self.api_key = api_key
        self.channel = channel
        self.connections: list[Connection] = []
        self.newest = NOWHERE
        """The position of the last event that was delivered."""
        self.subscription: asyncio.Future[None] | None = None
