"""An outbox in memory, for tests of what surrounds it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from gateway.domain.delivery import (
    Claim,
    Entry,
    EntryId,
    EntryRecord,
    Lane,
    Recorded,
    Taken,
    UserResults,
)
from gateway.domain.ids import UserId
from gateway.domain.notification import ItemId
from gateway.store.redis.problems import StoreUnavailableError
from tests.delivery.entries import entry, taken, token


@dataclass
class Stored:
    """An entry."""

    id: EntryId
    due_ms: int
    claim: int = 0
    record: EntryRecord | None = None
    others: dict[str, Any] = field(default_factory=dict)


class MemoryOutbox:
    """The outboxes of all users. While `is_down`, calls fail."""

    def __init__(self) -> None:
        self.users: dict[tuple[Lane, UserId], list[Stored]] = {}
        self.ended: list[tuple[UserId, EntryRecord]] = []
        self.recorded: list[UserResults] = []
        self.is_down = False
        self.large: set[UserId] = set()
        """Users whose notifications are taken alone."""

    def add(self, lane: Lane, user_id: UserId, **others: Any) -> None:
        """Add an entry that is due now."""
        stored = Stored(EntryId(ItemId(uuid4().bytes), lane.route), int(time.time() * 1000), others=others)
        self.users.setdefault((lane, user_id), []).append(stored)

    async def take(self, claim: Claim, limit: int = 20, *, alone: bool = False) -> list[Taken]:
        """Take the due entries of a claim."""
        self._check()
        return [
            Taken(lane=claim.lane, user_id=user_id, claim=claim.number, is_large=True)
            if user_id in self.large and not alone
            else self._take(claim, user_id)
            for user_id in claim.users
        ]

    def _take(self, claim: Claim, user_id: UserId) -> Taken:
        found: list[Entry] = []
        for stored in self.users.get((claim.lane, user_id), []):
            if stored.due_ms <= time.time() * 1000 and stored.claim <= claim.number:
                was_lost = stored.claim not in (0, claim.number)
                stored.claim = claim.number
                values: dict[str, Any] = {"due_ms": stored.due_ms, "was_lost": was_lost, **stored.others}
                found.append(entry(claim.lane.route, stored.record, **values)._replace(id=stored.id))
        result = taken(*found, tokens=[token(1)])
        return Taken(
            **{
                **{name: getattr(result, name) for name in ("entries", "tokens", "counts", "recipient", "suppressed")},
                "lane": claim.lane,
                "user_id": user_id,
                "claim": claim.number,
            }
        )

    async def extend(self, before: Claim, after: Claim) -> None:
        """Hold entries longer: here, they are held for ever."""
        self._check()

    async def record(self, reports: Sequence[UserResults]) -> list[Recorded]:
        """Record outcomes."""
        self._check()
        return [self._record(report) for report in reports]

    def _record(self, report: UserResults) -> Recorded:
        self.recorded.append(report)
        place = (report.taken.lane, report.taken.user_id)
        refused = []
        for result in report.results:
            stored = next((each for each in self.users[place] if each.id == result.id), None)
            if stored is None or stored.claim != report.taken.claim:
                refused.append(result.id)
            elif result.next_ms is None:
                self.users[place].remove(stored)
                self.ended.append((report.taken.user_id, result.record))
            else:
                stored.record, stored.due_ms, stored.claim = result.record, result.next_ms, 0
        dues = [each.due_ms for each in self.users[place]]
        return Recorded(min(dues, default=None), refused, [UUID(int=1)] * len(report.dead))

    def _check(self) -> None:
        if self.is_down:
            raise StoreUnavailableError
