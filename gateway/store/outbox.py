"""Outboxes: the entries of each user, with their records, in the user's slot.

An entry is written by the function that creates the item, in the same step. A worker that has claimed the user
(lanes.py) takes the due entries, which notes its claim before anything is sent, and records their outcomes. An entry
that was taken is not due again before the lease of the claim ends. Only the claim that took it last may record.
"""

from collections.abc import Sequence

from gateway.domain.delivery import Claim, NotificationDeliveries, Recorded, Route, Taken, UserResults
from gateway.domain.notification import ItemId
from gateway.domain.principal import User
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.contents import ContentStore
from gateway.store.redis.client import FunctionClient

ENTRIES_AT_ONCE = 20
"""How many entries of one user a claim takes at most. The user is due again at once if there are more."""


class OutboxStore:
    """All outboxes. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient, contents: ContentStore, tokens: ChannelTokenStore):
        self._client = client
        self._contents = contents
        self._tokens = tokens

    async def take(self, claim: Claim, limit: int = ENTRIES_AT_ONCE, since_ms: int = 0) -> list[Taken]:
        """Take the due entries of the users of a claim, in one round trip. It may be repeated with the same claim.

        Every user of the claim has a result, without entries if nothing is due or the user was deleted. For webhooks,
        events of the user's log that happened after `since_ms` become entries first.
        """
        raise NotImplementedError

    async def record(self, reports: Sequence[UserResults]) -> list[Recorded]:
        """Record outcomes, discard dead tokens and suppress addresses, in one round trip."""
        raise NotImplementedError

    async def read(self, user: User, notification_id: ItemId) -> NotificationDeliveries | None:
        """Return what is known of the deliveries of a notification. None if there is neither an item nor a delivery."""
        raise NotImplementedError

    async def retry(self, user: User, notification_id: ItemId, route: Route, now_ms: int) -> bool:
        """Make an entry that has ended due again, for its tokens that did not get the message.

        Return whether there was one. Then write the user to the lane (`LaneStore.add`).
        """
        raise NotImplementedError

    async def cancel(self, user: User, notification_id: ItemId, now_ms: int) -> int:
        """Skip the entries of a notification that no worker has taken. Return how many there were."""
        raise NotImplementedError

    async def add(self, user: User, event_id: bytes, payload: bytes, due_ms: int) -> bool:
        """Write an entry of webhooks with a payload of its own. Return False if this event has one already.

        `event_id` has 16 bytes. `user` may be the `project_pseudo_user`. Then write the user to the lane.
        """
        raise NotImplementedError
