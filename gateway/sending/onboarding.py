"""What a new project has reached on its way to the first notification that a user has seen, and why not more.

The likely reasons come from what the gateway itself has refused in the last minutes, and from whether the users of the
newest notifications have ever connected. A backend with an unknown API key is no project's, so it is not found here.
"""

from collections.abc import Mapping
from typing import NamedTuple

from gateway.domain.errors import CLOSE_CODE_MEANINGS, CloseCode, ErrorCode
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import User
from gateway.domain.project_event import ProjectEventType
from gateway.store import keys
from gateway.store.directory import Directory
from gateway.store.project_event_log import ProjectEventLog
from gateway.store.redis.client import FunctionClient
from gateway.store.usage import Refusal, UsageReader
from gateway.store.usage_counts import Milestone

NEWEST_EVENTS = 20
MAX_USERS = 5
"""How many of the newest notifications, and of their users, are looked at."""

MAX_REFUSALS = 5

_BACKEND = frozenset((ErrorCode.API_SECRET_IS_INCORRECT.kind.code, ErrorCode.API_SECRET_NOT_PROVIDED.kind.code))
"""The errors of a backend's credentials. All others are of users."""

_ERRORS = {each.kind.code: each.kind for each in ErrorCode}
_CLOSES = {each.reason: each for each in CloseCode}


class Hint(NamedTuple):
    """A likely reason. `times` is how often it was seen lately, `users` whom it concerns."""

    code: str
    text: str
    remedy: str = ""
    times: int = 0
    origin: str = ""
    users: tuple[User, ...] = ()


class Reached(NamedTuple):
    """A milestone, the unix ms at which it was reached, and if it was not, the likely reasons."""

    milestone: Milestone
    at_ms: int | None
    hints: tuple[Hint, ...] = ()


class Onboarding:
    """Reads milestones. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient, usage: UsageReader, log: ProjectEventLog, directory: Directory):
        self._client = client
        self._usage = usage
        self._log = log
        self._directory = directory

    async def read(self, project_id: ProjectId) -> list[Reached]:
        """Return all milestones in their order. If all are reached, nothing else is read."""
        at = await self._usage.milestones(project_id)
        if len(at) == len(Milestone):
            return [Reached(each, at[each]) for each in Milestone]
        refusals = await self._usage.refusals(project_id)
        hints: dict[Milestone, tuple[Hint, ...]] = {
            Milestone.REQUEST: _refused([each for each in refusals if each.code in _BACKEND]),
            Milestone.NOTIFICATION: await self._not_stored(project_id, at),
            Milestone.CONNECTION: _refused([each for each in refusals if each.code not in _BACKEND]),
            Milestone.SEEN: (),
        }
        if Milestone.NOTIFICATION in at:
            hints[Milestone.CONNECTION if Milestone.CONNECTION not in at else Milestone.SEEN] += await self._absent(
                project_id
            )
        return [Reached(each, at.get(each), () if each in at else hints[each]) for each in Milestone]

    async def _not_stored(self, project_id: ProjectId, at: Mapping[Milestone, int]) -> tuple[Hint, ...]:
        if Milestone.NOTIFICATION in at:
            return ()
        (month,) = await self._usage.months(project_id, 1)
        if month.suppressed:
            text = "Notifications were sent, but a delivery config or the users' preferences kept them out."
            return (Hint("suppressed", text, "Read the trace of one of them.", month.suppressed),)
        if month.sends:
            text = "A request to send was accepted, but no inbox has a notification of it yet."
            return (Hint("not_stored", text, "Look at the broadcasts: one may have no recipients.", month.sends),)
        return ()

    async def _absent(self, project_id: ProjectId) -> tuple[Hint, ...]:
        """Return a hint if the users of the newest notifications never made a request and never connected."""
        if not self._log.is_on:
            return ()
        page = await self._log.read(project_id, [ProjectEventType.STORED], NEWEST_EVENTS)
        ids = list(dict.fromkeys(each.user_id for each in page.events if each.user_id is not None))[:MAX_USERS]
        seen = await self._client.commands(*(("HMGET", keys.user(project_id, each), "seen_at") for each in ids))
        absent = [user_id for user_id, (at,) in zip(ids, seen, strict=True) if not at]
        if not absent or len(absent) < len(ids):  # a user who has been here is proof enough
            return ()
        users = [await self._user(project_id, each) for each in absent]
        return (
            Hint(
                "recipients_never_connected",
                "The newest notifications are for users who have never connected.",
                "Compare the external id or email in the page with the recipient of the request.",
                len(absent),
                users=tuple(each for each in users if each is not None),
            ),
        )

    async def _user(self, project_id: ProjectId, user_id: UserId) -> User | None:
        return await self._directory.by_id(project_id, user_id)


def _refused(refusals: list[Refusal]) -> tuple[Hint, ...]:
    return tuple(_hint(each) for each in refusals[:MAX_REFUSALS])


def _hint(refusal: Refusal) -> Hint:
    kind = _ERRORS.get(refusal.code)
    if kind is not None:
        return Hint(refusal.code, kind.message, kind.suggestion, refusal.times, refusal.origin)
    close = _CLOSES.get(refusal.code)
    text = CLOSE_CODE_MEANINGS[close] if close is not None else "Other errors."
    return Hint(refusal.code, text, "", refusal.times, refusal.origin)
