"""Sends items by more routes than the inbox: writes entries with the items, and tells the lanes about them.

The mark of the users in their lanes is written beside the items, so that nothing is lost if this process dies. Once
both are written, the users become due: that is not awaited, and several requests share one write.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from typing import Any

from gateway.domain.delivery import OutboxPlan
from gateway.domain.guard import UserDeletedError
from gateway.domain.ids import UserId
from gateway.domain.principal import User
from gateway.sending.outgoing import OutgoingItem
from gateway.store.deliveries import Delivery, Outcome
from gateway.store.inbox import InboxStore, Sent
from gateway.store.lanes import Dues, LaneStore, Mark
from gateway.store.redis.client import StoreUnavailableError


class OutboxSender:
    """Creates items and their entries. Methods raise StoreUnavailableError; some users may have the item by then."""

    def __init__(self, inboxes: InboxStore, lanes: LaneStore):
        self._inboxes = inboxes
        self._lanes = lanes
        self._hastened: list[tuple[Mark, UserId, Dues]] = []
        self._flushes: set[asyncio.Task[None]] = set()

    async def send(self, item: OutgoingItem, deliveries: Sequence[Delivery], plan: OutboxPlan) -> list[Outcome]:
        """Create an item for recipients, and return the outcome of each. Raises UserDeletedError."""
        users = [delivery.user for delivery in deliveries]
        (sole,) = deliveries if len(deliveries) == 1 else (None,)
        if sole is not None and not sole.profile and not item.skip_broken:
            (outcome,) = await self._written(item, users, plan, self._each(item, users, plan, fresh=sole.fresh))
            if outcome is Outcome.DELETED:
                raise UserDeletedError(sole.user)
            return [outcome]
        sending = self._inboxes.send(
            item.content, deliveries, item.moment, item.repeatable, plan, item.keep, item.skip_broken
        )
        return await self._written(item, users, plan, sending)

    async def send_each(
        self, item: OutgoingItem, users: Sequence[User], plan: OutboxPlan, subscribers_only: bool = False
    ) -> list[Outcome]:
        """Create an item for users who were just read from the directory, and return the outcome of each."""
        return await self._written(item, users, plan, self._each(item, users, plan, subscribers_only))

    def _each(
        self,
        item: OutgoingItem,
        users: Sequence[User],
        plan: OutboxPlan,
        subscribers_only: bool = False,
        fresh: bool = True,
    ) -> Coroutine[Any, Any, list[Sent]]:
        return self._inboxes.send_each(
            item.content,
            users,
            item.moment,
            item.repeatable,
            plan,
            subscribers_only,
            item.keep,
            item.skip_broken,
            fresh,
        )

    async def _written(
        self, item: OutgoingItem, users: Sequence[User], plan: OutboxPlan, sending: Coroutine[Any, Any, list[Sent]]
    ) -> list[Outcome]:
        """Write a mark and the items, then have the users made due."""
        project_id, ids = users[0].project_id, [user.id for user in users]
        marking = self._lanes.mark(project_id, ids, [route for route, _ in plan.delays])
        mark, sent = await asyncio.gather(marking, sending)
        delays = dict(plan.delays)
        for user_id, each in zip(ids, sent, strict=True):
            if each.outcome is not Outcome.BROKEN:
                self._hastened.append((mark, user_id, {route: delays[route] for route in each.routes}))
        if self._hastened and not self._flushes:
            self._begin_flush()
        return [each.outcome for each in sent]

    def _begin_flush(self) -> None:
        task = asyncio.create_task(self.flush(), name="hasten-deliveries")
        self._flushes.add(task)
        task.add_done_callback(self._flushed)

    def _flushed(self, task: asyncio.Task[None]) -> None:
        self._flushes.discard(task)
        if self._hastened and not task.cancelled():
            self._begin_flush()

    async def flush(self) -> None:
        """Make users due that are not yet. Where that fails, their marks do it some seconds later."""
        hastened, self._hastened = self._hastened, []
        if hastened:
            with contextlib.suppress(StoreUnavailableError):  # the marks are still there
                await self._lanes.hasten(hastened)
