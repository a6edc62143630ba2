"""One user's open inboxes on this worker."""

import asyncio
from typing import TYPE_CHECKING

from gateway.domain.principal import User

if TYPE_CHECKING:
    from gateway.live.connection import Connection


class UserSubscription:
    """One user's open inboxes on this worker."""

    __slots__ = ("api_key", "channel", "confirmed", "connections", "user")

    def __init__(self, user: User, api_key: str, channel: bytes):
        self.user = user
        self.api_key = api_key
        self.channel = channel
        self.connections: list[Connection] = []
        self.confirmed: asyncio.Future[None] | None = None
