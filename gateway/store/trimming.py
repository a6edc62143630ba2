"""Removing the items of inboxes that a project's retention does not keep."""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.domain.principal import User
from gateway.domain.retention import ItemRetention
from gateway.store import keys
from gateway.store.event_log import LogRetention, Moment
from gateway.store.guarded import UNHEARD, guard_arguments
from gateway.store.redis.client import Call, FunctionClient

CLOCK_SECONDS = 60
"""How far apart gateways' clocks may be."""


class Trimmed(NamedTuple):
    """How many items of an inbox were removed, and whether there are more to remove."""

    items: int
    more: bool


class ItemTrimmer:
    """Removes old items from inboxes. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient, log_retention: LogRetention):
        self._client = client
        self._log_retention = log_retention

    async def find_trimmable(self, users: Sequence[User], keep: ItemRetention, now: int) -> list[User]:
        """Return those of some users whose inboxes may hold more than `keep` allows; `now` is in unix seconds.

        It costs a seventh of calling `trim_each` for all of them.
        """
        records = [keys.user(user.project_id, user.id) for user in users]
        aged = [("HMGET", record, "sent_at", "oldest") for record in records if keep.seconds]
        sizes = [("HLEN", keys.states(record)) for record in records if keep.items]
        replies = await self._client.commands(*aged, *sizes) if users else []
        due = [False] * len(users)
        for place, (sent_at, oldest) in enumerate(replies[: len(aged)]):
            if int(sent_at or 0):
                # An `oldest` in the future was written by a clock that was ahead.
                due[place] = oldest is None or not -CLOCK_SECONDS <= now - int(oldest) <= keep.seconds
        for place, size in enumerate(replies[len(aged) :]):
            due[place] = due[place] or size > keep.items
        return [user for user, is_due in zip(users, due, strict=True) if is_due]

    async def trim_each(
        self, users: Sequence[User], keep: ItemRetention, moment: Moment, most: int
    ) -> list[Trimmed | None]:
        """Remove from each inbox up to `most` of the oldest items that `keep` does not allow.

        Return what was removed of each user, in order, None for one who is deleted.
        """
        arguments = (*guard_arguments(), *self._log_retention.context(moment), keep.items, keep.seconds, most)
        calls: list[Call] = [("trim", keys.user(user.project_id, user.id), arguments) for user in users]
        replies = await self._client.call_many(calls)
        for reply, (_, key, _) in zip(replies, calls, strict=True):
            if reply[0] == UNHEARD:
                self._client.on_unpublished(key)
        return [Trimmed(reply[3][0], bool(reply[3][1])) if reply[0] != b"deleted" else None for reply in replies]
