"""Delivers a notification to the inboxes of its recipients, in pieces of one round trip each.

If a recipient turns out to be deleted, the delivery is repeated. This does no harm: the item has the same id, so an
inbox that already has it gets no second one.
"""

import asyncio
from collections.abc import Sequence

import msgspec

from gateway.domain.guard import UserDeletedError
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import User
from gateway.sending.command import Recipient
from gateway.sending.errors import RecipientConflictError
from gateway.sending.inbox_rules import Decision, InboxRules
from gateway.sending.outbox import OutboxSender
from gateway.sending.outgoing import OutgoingItem
from gateway.sending.recipients import resolve_named
from gateway.store.deliveries import Delivery, Outcome
from gateway.store.directory import Directory
from gateway.store.inbox import InboxStore
from gateway.store.sent_recipients import SentRecipients

CALLS_AT_ONCE = 250
BYTES_AT_ONCE = 4 * 1024 * 1024
"""How many inboxes, and how much content, one round trip to Redis has: some 10 ms of the event loop and of Redis. Other
requests run in between."""


_INBOX = Decision(True)
"""The decision on nearly every notification of a project that uses no other channel."""


class Delivered(msgspec.Struct, frozen=True):
    """The result of a delivery.

    `reached` are the users who have the item now, `broken` those whose data cannot be read, and `conflicts` the indexes
    of recipients that name two users each. `addressed` is how many users several recipients name.
    """

    reached: list[UserId] = []
    broken: list[UserId] = []
    conflicts: list[int] = []
    addressed: int = 0


class Deliverer:
    """Delivers items to users, except those that the project's delivery configs suppress.

    Methods raise StoreUnavailableError; some users may have the item by then.
    """

    def __init__(
        self,
        directory: Directory,
        inboxes: InboxStore,
        rules: InboxRules,
        outbox: OutboxSender,
        sent: SentRecipients | None = None,
    ):
        self._directory = directory
        self._inboxes = inboxes
        self._outbox = outbox
        self._rules = rules
        self._sent = sent
        self._events = rules.events

    async def deliver_to_named(
        self, item: OutgoingItem, project_id: ProjectId, recipients: Sequence[Recipient], skip_conflicts: bool = False
    ) -> Delivered:
        """Deliver to the users that recipients name. Users who are unknown or were deleted are created.

        With `skip_conflicts`, recipients that name two users each are reported and left out. Without
        it, RecipientConflictError is raised for them before anything is sent.
        """
        sole = recipients[0] if len(recipients) == 1 and not item.skip_broken else None
        user = self._directory.cached(project_id, sole.named) if sole is not None else None
        if sole is None or user is None:
            return await self._deliver_to_named(item, project_id, recipients, skip_conflicts)
        # Nearly every request has one recipient, whom the directory has cached. This is all of its delivery.
        delivery = Delivery(user, sole.attributes, False)
        try:
            decision = _INBOX if self._rules.passes(project_id, item.content) else await self._decide(item, (user,))
            if decision.plan is not None:
                (outcome,) = await self._outbox.send(item, [delivery], decision.plan)
            elif decision.in_inbox:
                outcome = await self._inboxes.create_one(
                    item.content, delivery, item.moment, item.repeatable, item.keep
                )
            else:
                return Delivered()
        except UserDeletedError:
            return await self._deliver_to_named(item, project_id, recipients, skip_conflicts)
        if decision.in_inbox:
            self._events.outcome(user, item.content.id_text, outcome, item.content.category, item.content.topic)
        return Delivered([] if outcome is Outcome.MUTED else [user.id])

    async def _deliver_to_named(
        self, item: OutgoingItem, project_id: ProjectId, recipients: Sequence[Recipient], skip_conflicts: bool
    ) -> Delivered:
        """Deliver as `deliver_to_named` does, to any number of users."""
        left = dict(enumerate(recipients))
        conflicts: list[int] = []
        while True:
            try:
                named = list(left.values())
                deliveries = await resolve_named(self._directory, project_id, named, is_accepted=skip_conflicts)
                delivering = self._deliver(item, deliveries, is_noted=not skip_conflicts)
                if item.of_many and not skip_conflicts and self._sent is not None:
                    ids = [delivery.user.id for delivery in deliveries]
                    recording = self._sent.record(project_id, item.content.id_text, ids)
                    delivered, _ = await asyncio.gather(delivering, recording)
                else:
                    delivered = await delivering
            except RecipientConflictError as conflict:
                if not skip_conflicts:
                    raise
                places = list(left)
                for position in conflict.indexes:
                    conflicts.append(places[position])
                    del left[places[position]]
            except UserDeletedError as deleted:
                # From now on the name resolves to a new user. Users who already have the item get no second one.
                await self._directory.forget(deleted.user)
            else:
                return Delivered(delivered.reached, delivered.broken, conflicts, len(deliveries))

    async def deliver_to_known(
        self, item: OutgoingItem, users: Sequence[User], subscribers_only: bool = False
    ) -> Delivered:
        """Deliver to a chunk of existing users, without those who were deleted meanwhile.

        With `subscribers_only`, only users who are subscribed to its topic and category get the item.
        """
        if not users:
            return Delivered()
        decision = await self._decide(item, users)
        if decision.plan is not None:
            outcomes = await self._outbox.send_each(item, users, decision.plan, subscribers_only)
        elif decision.in_inbox:
            outcomes = await self._inboxes.create_each(
                item.content, users, item.moment, item.repeatable, subscribers_only, item.keep, item.skip_broken
            )
        else:
            return Delivered()
        if all(outcome is Outcome.CREATED for outcome in outcomes):  # nearly always
            return Delivered([user.id for user in users])
        if not subscribers_only and decision.in_inbox:
            content = item.content
            self._events.muted(users, content.id_text, outcomes, content.category, content.topic, of_many=item.of_many)
        outcomes_by_id = [(user.id, outcome) for user, outcome in zip(users, outcomes, strict=True)]
        return Delivered(
            [user_id for user_id, outcome in outcomes_by_id if outcome in (Outcome.CREATED, Outcome.DUPLICATE)],
            [user_id for user_id, outcome in outcomes_by_id if outcome is Outcome.BROKEN],
        )

    async def _deliver(self, item: OutgoingItem, deliveries: Sequence[Delivery], *, is_noted: bool) -> Delivered:
        """Deliver piece by piece. Raises UserDeletedError for one user, when others may already have the item.

        `is_noted`: whether the outcomes become events here. The job of a broadcast notes its own.
        """
        delivered = Delivered()
        step = max(1, min(CALLS_AT_ONCE, BYTES_AT_ONCE // len(item.content.encoded)))
        for first in range(0, len(deliveries), step):
            piece = deliveries[first : first + step]
            decision = await self._decide(item, [delivery.user for delivery in piece])
            if decision.plan is not None:
                outcomes = await self._outbox.send(item, piece, decision.plan)
            elif decision.in_inbox:
                outcomes = await self._inboxes.create(
                    item.content, piece, item.moment, item.repeatable, keep=item.keep, skip_broken=item.skip_broken
                )
            else:
                continue
            if is_noted and decision.in_inbox:
                content, users = item.content, [delivery.user for delivery in piece]
                self._events.outcomes(
                    users, content.id_text, outcomes, content.category, content.topic, of_many=item.of_many
                )
            for delivery, outcome in zip(piece, outcomes, strict=True):
                if outcome is Outcome.BROKEN:
                    delivered.broken.append(delivery.user.id)
                elif outcome is not Outcome.MUTED:
                    delivered.reached.append(delivery.user.id)
        return delivered

    async def _decide(self, item: OutgoingItem, users: Sequence[User]) -> Decision:
        """Return where an item for users of one project is to go."""
        return await self._rules.decide(users[0].project_id, item.content, item.custom_attributes, users, item.of_many)
