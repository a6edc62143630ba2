"""Putting one notification into the inboxes of its recipients, in pieces of one round trip each.

When a recipient turns out to be deleted, the delivery is repeated. That does no harm: an inbox that has the item
already does not get a second one, because the item's id is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.domain.guard import UserDeletedError
from gateway.domain.principal import ProjectId, User, UserId
from gateway.domain.retention import ItemRetention
from gateway.sending.command import Recipient
from gateway.sending.errors import RecipientConflictError
from gateway.sending.recipients import resolve_named
from gateway.store.contents import Content
from gateway.store.deliveries import Delivery, Outcome
from gateway.store.directory import Directory
from gateway.store.event_log import Moment
from gateway.store.inbox import InboxStore

CALLS_AT_ONCE = 250
BYTES_AT_ONCE = 4 * 1024 * 1024
"""How many inboxes, and how much content, go to Redis in one round trip, so that other requests get their turn: some
10 ms of the event loop and of Redis."""


@dataclass(frozen=True, slots=True)
class OutgoingItem:
    """A notification on its way: what is the same for all recipients.

    With `repeatable`, the same item may be sent again within 24 hours: a user who deleted it meanwhile does not get it
    back. With `skip_broken`, a recipient whose stored data cannot be read is reported, and fails nobody else.
    """

    content: Content
    moment: Moment
    keep: ItemRetention
    repeatable: bool
    skip_broken: bool = False


@dataclass(frozen=True, slots=True)
class Delivered:
    """Which users have the item now, which ones have data that cannot be read, and which recipients conflict.

    `conflicts` are indexes of recipients.
    """

    reached: list[UserId] = field(default_factory=list)
    broken: list[UserId] = field(default_factory=list)
    conflicts: list[int] = field(default_factory=list)


class Deliverer:
    """Delivers items to users. Methods raise StoreUnavailableError; some users may have the item by then."""

    def __init__(self, directory: Directory, inboxes: InboxStore):
        self._directory = directory
        self._inboxes = inboxes

    async def deliver_to_named(
        self, item: OutgoingItem, project_id: ProjectId, recipients: Sequence[Recipient], skip_conflicts: bool = False
    ) -> Delivered:
        """Deliver to the users that recipients name, who are created if they are unknown or were deleted.

        With `skip_conflicts`, recipients that name two users each are reported and left out. Otherwise raises
        RecipientConflictError for them, before anything is sent.
        """
        left = dict(enumerate(recipients))
        conflicts: list[int] = []
        while True:
            try:
                deliveries = await resolve_named(self._directory, project_id, list(left.values()))
                delivered = await self._deliver(item, deliveries)
            except RecipientConflictError as conflict:
                if not skip_conflicts:
                    raise
                places = list(left)
                for position in conflict.indexes:
                    conflicts.append(places[position])
                    del left[places[position]]
            except UserDeletedError as deleted:
                # The name leads to a new user from now on. Users who have the item already get no second one.
                await self._directory.forget(deleted.user)
            else:
                return Delivered(delivered.reached, delivered.broken, conflicts)

    async def deliver_to_known(
        self, item: OutgoingItem, users: Sequence[User], subscribers_only: bool = False
    ) -> Delivered:
        """Deliver to users who exist, leaving out those who were deleted meanwhile.

        With `subscribers_only`, only those get the item who subscribe to its topic and category.
        """
        left = [Delivery(user) for user in users]
        while left:
            try:
                return await self._deliver(item, left, subscribers_only)
            except UserDeletedError as deleted:
                left = [delivery for delivery in left if delivery.user.id != deleted.user.id]
        return Delivered()

    async def _deliver(
        self, item: OutgoingItem, deliveries: Sequence[Delivery], subscribers_only: bool = False
    ) -> Delivered:
        """Deliver piece by piece. Raises UserDeletedError for one user; others may have the item by then."""
        delivered = Delivered()
        step = max(1, min(CALLS_AT_ONCE, BYTES_AT_ONCE // len(item.content.encoded)))
        for first in range(0, len(deliveries), step):
            piece = deliveries[first : first + step]
            outcomes = await self._inboxes.create(
                item.content, piece, item.moment, item.repeatable, subscribers_only, item.keep, item.skip_broken
            )
            for delivery, outcome in zip(piece, outcomes, strict=True):
                if outcome is Outcome.BROKEN:
                    delivered.broken.append(delivery.user.id)
                elif outcome is not Outcome.MUTED:
                    delivered.reached.append(delivery.user.id)
        return delivered
