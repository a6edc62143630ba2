"""What became of one notification: whom it was for, and how many recipients have it, have seen it and have read it.

Up to EXACT recipients are all examined. Of more, a random sample is.
"""

import asyncio
import random
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from gateway.domain.guard import UserDeletedError
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.notification import ItemId, State
from gateway.domain.principal import User
from gateway.sending.audience_count import estimate
from gateway.store.contents import ContentStore
from gateway.store.inbox import InboxStore
from gateway.store.recipient_search import RecipientSearch
from gateway.store.recipient_states import RecipientStates
from gateway.store.redis.problems import StoreDataError
from gateway.store.sent_recipients import SentRecipients

EXACT = 500
"""How many recipients are examined at most. They take Redis 1 ms. A half of a million is found within 5 %."""

_CONTENT_TRIES = 5


class SentReport(NamedTuple):
    """Counts of recipients. They are exact, or estimates from `examined` of them, wrong by up to `margin`."""

    recipients: int
    in_inbox: int
    seen: int
    read: int
    archived: int
    examined: int
    is_exact: bool
    margin: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SentReader:
    """Reads notifications that were sent. Methods raise StoreUnavailableError."""

    recipients: SentRecipients
    search: RecipientSearch
    states: RecipientStates
    inboxes: InboxStore
    contents: ContentStore

    async def total(self, project_id: ProjectId, notification_id: UUID) -> tuple[int, list[UserId]]:
        """Return how many recipients there are, and those of a notification that has no list of them."""
        (listed,) = await self.recipients.counts(project_id, [str(notification_id)])
        if listed:
            return listed, []
        found = list(dict.fromkeys(await self.search.recipients(project_id, notification_id)))
        return len(found), found

    async def page(
        self, project_id: ProjectId, notification_id: UUID, first: int, count: int
    ) -> tuple[int, list[tuple[UserId, State | None]]]:
        """Return how many recipients there are, and some of them with their states, from a place on."""
        total, found = await self.total(project_id, notification_id)
        user_ids = found[first : first + count] or (
            await self.recipients.read(project_id, str(notification_id), first, count) if not found else []
        )
        states = await self.states.read(project_id, ItemId(notification_id.bytes), user_ids)
        return total, list(zip(user_ids, states, strict=True))

    async def report(self, project_id: ProjectId, notification_id: UUID) -> SentReport:
        """Return the counts of a notification."""
        total, found = await self.total(project_id, notification_id)
        user_ids = found or await self._chosen(project_id, str(notification_id), total)
        states = await self.states.read(project_id, ItemId(notification_id.bytes), user_ids[:EXACT])
        held = [each for each in states if each is not None]
        examined = len(states)
        in_inbox, seen, read, archived = (
            estimate(number, examined, total)
            for number in (
                len(held),
                sum(each.seen_at is not None for each in held),
                sum(each.read_at is not None for each in held),
                sum(each.archived_at is not None for each in held),
            )
        )
        counts = (in_inbox, seen, read, archived)
        return SentReport(
            recipients=total,
            in_inbox=in_inbox.count,
            seen=seen.count,
            read=read.count,
            archived=archived.count,
            examined=examined,
            is_exact=all(each.is_exact for each in counts),
            margin=max(each.margin for each in counts),
        )

    async def _chosen(self, project_id: ProjectId, notification_id: str, total: int) -> list[UserId]:
        if total <= EXACT:
            return await self.recipients.read(project_id, notification_id, 0, total)
        places = [(notification_id, place) for place in random.sample(range(total), EXACT)]
        return [each for each in await self.recipients.at(project_id, places) if each is not None]

    async def content(self, project_id: ProjectId, notification_id: UUID) -> bytes | None:
        """Return the notification as a recipient has it, as JSON, None if nobody of the first has it."""
        if (shared := await self.contents.whole(project_id, str(notification_id))) is not None:
            return shared
        _, found = await self.page(project_id, notification_id, 0, EXACT)
        holders = [user_id for user_id, state in found if state is not None][:_CONTENT_TRIES]
        items = await asyncio.gather(*(self._item(project_id, notification_id, each) for each in holders))
        return next((each for each in items if each is not None), None)

    async def _item(self, project_id: ProjectId, notification_id: UUID, user_id: UserId) -> bytes | None:
        try:
            user = User(project_id, user_id, None, None)
            return await self.inboxes.get(user, ItemId(notification_id.bytes))
        except (UserDeletedError, StoreDataError):
            return None


def percent(part: int, whole: int) -> float | None:
    """Return a share in percent with one decimal, None of nothing."""
    return round(100 * part / whole, 1) if whole else None
