"""The removal of items that exceed a project's retention."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from gateway.domain.principal import User
from gateway.domain.retention import ItemRetention
from gateway.store import keys
from gateway.store.event_log import LogRetention, LogWrite, Moment
from gateway.store.guarded import UserFunctions
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import Arguments, user_function

CLOCK_SECONDS = 60
"""How many seconds gateways' clocks may differ."""


class Trimmed(NamedTuple):
    """How many items of an inbox were removed, and whether there are more to remove."""

    items: int
    more: bool


def _trim(log: LogWrite, keep_items: int, keep_seconds: int, most: int) -> Arguments:
    return (*log, keep_items, keep_seconds, most)


def _decode(result: Any) -> Trimmed:
    items, more = result
    return Trimmed(items, bool(more))


TRIM = user_function("trim", _trim, _decode, frees_memory=True)


class ItemTrimmer:
    """Removes old items from inboxes. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient, log_retention: LogRetention):
        self._client = client
        self._functions = UserFunctions(client)
        self._log_retention = log_retention

    async def find_trimmable(self, users: Sequence[User], keep: ItemRetention, now: int) -> list[User]:
        """Return the users whose inboxes may hold more than `keep` allows. `now` is in unix seconds.

        This costs a seventh of `trim_each` for all users.
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

        Return the result for each user, in order, None for a deleted user.
        """
        call = TRIM(self._log_retention.context(moment), keep_items=keep.items, keep_seconds=keep.seconds, most=most)
        replies = await self._functions.send_many(users, [call] * len(users))
        return [TRIM.decode(reply[3]) if reply[0] != b"deleted" else None for reply in replies]
