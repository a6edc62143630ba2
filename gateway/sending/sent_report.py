"""What became of one notification: whom it was for, and how many recipients have it, have seen it and have read it.

Up to EXACT recipients are all examined. Of more, a random sample is.
"""

import random
from collections.abc import Sequence
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
from gateway.store.sent_recipients import RecipientList, SentRecipients

EXACT = 300
"""How many recipients are examined at most. They take Redis 1 ms. A half of a million is found within 6 %."""

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

    async def page(
        self, project_id: ProjectId, notification_id: UUID, first: int, count: int
    ) -> tuple[int, list[tuple[UserId, State | None]]]:
        """Return how many recipients there are, and some of them with their states, from a place on."""
        listed, found = await self._recipients(project_id, notification_id)
        if listed.size:
            (user_ids,) = await self.recipients.read([(listed, first, count)])
        else:
            user_ids = found[first : first + count]
        states = await self.states.read(project_id, ItemId(notification_id.bytes), user_ids)
        return listed.size or len(found), list(zip(user_ids, states, strict=True))

    async def report(self, project_id: ProjectId, notification_id: UUID) -> tuple[SentReport, list[UserId]]:
        """Return the counts of a notification, and some users who have it."""
        listed, found = await self._recipients(project_id, notification_id)
        user_ids, total = found[:EXACT], len(found)
        if listed.size:
            user_ids, total = await self._chosen(listed), listed.size
        states = await self.states.read(project_id, ItemId(notification_id.bytes), user_ids)
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
        report = SentReport(
            recipients=total,
            in_inbox=in_inbox.count,
            seen=seen.count,
            read=read.count,
            archived=archived.count,
            examined=examined,
            is_exact=all(each.is_exact for each in counts),
            margin=max(each.margin for each in counts),
        )
        holders = [user_id for user_id, state in zip(user_ids, states, strict=True) if state is not None]
        return report, holders[:_CONTENT_TRIES]

    async def content(self, project_id: ProjectId, notification_id: UUID, holders: Sequence[UserId]) -> bytes | None:
        """Return the notification as a recipient has it, as JSON, None if it is not stored any more."""
        for user_id in holders:
            if (item := await self._item(project_id, notification_id, user_id)) is not None:
                return item
        return await self.contents.whole(project_id, str(notification_id))

    async def _recipients(self, project_id: ProjectId, notification_id: UUID) -> tuple[RecipientList, list[UserId]]:
        """Return the list of recipients, and those of a notification that has none."""
        (listed,) = await self.recipients.lists(project_id, [str(notification_id)])
        if listed.size:
            return listed, []
        return listed, list(dict.fromkeys(await self.search.recipients(project_id, notification_id)))

    async def _chosen(self, listed: RecipientList) -> list[UserId]:
        if listed.size <= EXACT:
            (found,) = await self.recipients.read([(listed, 0, listed.size)])
            return found
        parts = [(listed, place, 1) for place in random.sample(range(listed.size), EXACT)]
        return [user_id for part in await self.recipients.read(parts) for user_id in part]

    async def _item(self, project_id: ProjectId, notification_id: UUID, user_id: UserId) -> bytes | None:
        try:
            user = User(project_id, user_id, None, None)
            return await self.inboxes.get(user, ItemId(notification_id.bytes))
        except (UserDeletedError, StoreDataError):
            return None


def percent(part: int, whole: int) -> float | None:
    """Return a share in percent with one decimal, None of nothing."""
    return round(100 * part / whole, 1) if whole else None
