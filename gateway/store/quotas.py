"""The limits of the projects that this process serves, checked in memory, and what they use, read in the background.

A project without limits costs a look into an empty table. For one with limits, `run` reads the kept figures every two
seconds, of many projects at once, and this process adds what it accepted since. Another process's requests are known
after at most REFRESH_SECONDS and the second within which it writes its figures, so a limit may be exceeded by what
others accept in three seconds. Users who were deleted, and bytes, are known from the estimate of ten minutes.

The first request of a project in IDLE_SECONDS waits until its figures are read. Otherwise a worker that was started
just now, or that serves the project rarely, would accept it whatever the others have accepted.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gateway.domain.errors import ApiError, ErrorCode, api_error
from gateway.domain.ids import ProjectId
from gateway.domain.limits import FOR_SENDING, Limit, ProjectLimits, Used, reached, seconds_of_minute
from gateway.domain.principal import Project, User
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.store.directory import Directory
from gateway.store.project_events import ProjectEvents
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.problems import StoreUnavailableError
from gateway.store.storage import StorageEstimator, StorageReport
from gateway.store.usage import Series, UsageReader
from gateway.telemetry.metrics import LIMIT_REFUSALS

REFRESH_SECONDS = 2.0
IDLE_SECONDS = 60.0
"""How long the figures of a project are refreshed after its record was last read."""

FIRST_SECONDS = 1.0
"""How long requests of a project wait for its first figures. After that they are accepted."""

READ_AT_ONCE = 50
"""Of how many projects the figures are read at a time."""

NOTED_SECONDS = 60.0
"""How often an event says that a limit is reached."""

_CODES = {
    Limit.USERS: ErrorCode.USER_LIMIT_REACHED,
    Limit.STORAGE: ErrorCode.STORAGE_LIMIT_REACHED,
    Limit.SENDS_PER_MINUTE: ErrorCode.SENDS_PER_MINUTE_REACHED,
    Limit.SENDS_PER_MONTH: ErrorCode.SENDS_PER_MONTH_REACHED,
}


class UsedFigures:
    """Reads what projects use, from figures that are kept as things happen. Raises StoreUnavailableError."""

    def __init__(self, client: FunctionClient, directory: Directory, unix: Callable[[], float] = time.time):
        self._directory = directory
        self._usage = UsageReader(client, unix)
        self._storage = StorageEstimator(client, directory, unix)

    async def of_project(self, project_id: ProjectId, limits: ProjectLimits) -> Used:
        """Return what a project uses of these limits. What has no limit is 0, and costs nothing."""
        users = stored = minute = month = 0
        # The sends come first: the caller knows which of them this process is yet to write now.
        if limits.max_sends_per_minute:
            _, series = await self._usage.minutes(project_id, 1)
            minute = series[Series.SENDS][-1]
        if limits.max_sends_per_month:
            month = (await self._usage.months(project_id, 1))[-1].sends
        if limits.max_users or limits.max_storage_bytes:
            report = await self._storage.of_project(project_id)
            stored = report.total.value
            users = await self._users(project_id, report) if limits.max_users else 0
        return Used(users, stored, minute, month)

    async def _users(self, project_id: ProjectId, report: StorageReport) -> int:
        """Return the users of the report, and those who were created since."""
        places = await self._directory.user_index_size(project_id)
        return report.users + (max(0, places - report.places) if report.places >= 0 else 0)


@dataclass(slots=True)
class _State:
    """A project with limits: what it used at the last refresh, and what this process added since."""

    limits: ProjectLimits
    read_at: float
    used: Used = field(default=Used())
    users: int = 0
    sends: int = 0
    minute_sends: int = 0
    minute: int = 0
    """The minute (of the unix time) to which the figures of a minute belong."""
    month: tuple[int, int] = (0, 0)
    is_known: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the figures were read once, or could not be read."""
    noted: dict[Limit, float] = field(default_factory=dict)


class Quotas:
    """Checks the limits of projects. `run` must be running. Only `run` waits for the store."""

    def __init__(self, figures: UsedFigures, events: ProjectEvents, unix: Callable[[], float] = time.time):
        self._figures = figures
        self._events = events
        self._unix = unix
        self._states: dict[ProjectId, _State] = {}
        self._changed = asyncio.Event()

    def note(self, project: Project) -> None:
        """Note the limits of a project, as its record has them now."""
        state = self._states.get(project.id)
        if not project.limits.is_set:
            if state is not None:
                del self._states[project.id]
            return
        if state is None:
            self._states[project.id] = _State(project.limits, self._unix())
            self._changed.set()
        else:
            if state.limits != project.limits:
                state.is_known.clear()
                self._changed.set()
            state.limits, state.read_at = project.limits, self._unix()

    async def prepare(self, projects: Sequence[Project]) -> None:
        """Wait for the figures of projects that are about to be used and have none yet. They must have been noted."""
        if not self._states:
            return
        states = [self._states[project.id] for project in projects if project.limits.is_set]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_SECONDS):
                for state in states:
                    await state.is_known.wait()

    def admit_send(self, project_id: ProjectId) -> None:
        """Count a request to send. Raises ApiError 403 or 429 if a limit of the project does not allow it."""
        state = self._states.get(project_id) if self._states else None
        if state is None:
            return
        limit = reached(state.limits, self._present(state), FOR_SENDING)
        if limit is not None:
            raise self.refusal(project_id, limit)
        state.sends += 1
        state.minute_sends += 1

    def is_full(self, project_id: ProjectId, adding: int = 1) -> bool:
        """Return whether the project may not have this many more users."""
        state = self._states.get(project_id) if self._states else None
        return state is not None and reached(state.limits, self._present(state), (Limit.USERS,), adding) is not None

    def created(self, user: User) -> None:
        """Count a new user."""
        state = self._states.get(user.project_id)
        if state is not None:
            state.users += 1

    def refusal(self, project_id: ProjectId, limit: Limit) -> ApiError:
        """Return the error for a limit that is reached, and note it in the project's log and in the metrics."""
        now, state = self._unix(), self._states[project_id]
        most = state.limits.of(limit)
        LIMIT_REFUSALS.labels(limit.value).inc()
        if now - state.noted.get(limit, 0.0) >= NOTED_SECONDS:
            state.noted[limit] = now
            context = {"limit": limit.value, "max": most, "used": self._present(state).of(limit)}
            self._events.note(project_id, ProjectEvent(ProjectEventType.LIMIT_REACHED, None, context))
        message = f"The project has a limit of {most:,} for {limit.value}, which is reached"
        return api_error(_CODES[limit], message, _retry_after(limit, now))

    async def run(self) -> None:
        """Refresh the figures, until cancelled."""
        while True:
            if not self._states:
                await self._changed.wait()
            self._changed.clear()
            await self.refresh()
            try:
                async with asyncio.timeout(REFRESH_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def refresh(self) -> None:
        """Read the figures of all projects with limits once. Those of a store that does not reply are kept."""
        now = self._unix()
        for project_id, state in tuple(self._states.items()):
            if now - state.read_at > IDLE_SECONDS:
                del self._states[project_id]
        states = tuple(self._states.items())
        for first in range(0, len(states), READ_AT_ONCE):
            some = states[first : first + READ_AT_ONCE]
            await asyncio.gather(*(self._refresh(project_id, state) for project_id, state in some))

    async def _refresh(self, project_id: ProjectId, state: _State) -> None:
        self._begin_period(state)
        minute, month = state.minute, state.month
        sends, minute_sends, users = state.sends, state.minute_sends, state.users
        unwritten = self._events.usage.waiting_sends(project_id)
        try:
            used = await self._figures.of_project(project_id, state.limits)
        except StoreUnavailableError:
            return
        finally:
            state.is_known.set()
        self._begin_period(state)
        state.users -= users
        # What is in the figures is no longer counted here. What came meanwhile, or is yet to be written, still is. The
        # figures of a minute or month that has ended meanwhile count for nothing.
        if state.month == month:
            state.sends += unwritten - sends
        else:
            used = used._replace(max_sends_per_month=0)
        if state.minute == minute:
            state.minute_sends = max(0, state.minute_sends - minute_sends) + min(unwritten, minute_sends)
        else:
            used = used._replace(max_sends_per_minute=0)
        state.used = used

    def _present(self, state: _State) -> Used:
        """Return what is used now: the figures, and what this process added since."""
        self._begin_period(state)
        used = state.used
        return Used(
            used.max_users + state.users,
            used.max_storage_bytes,
            used.max_sends_per_minute + state.minute_sends,
            used.max_sends_per_month + state.sends,
        )

    def _begin_period(self, state: _State) -> None:
        """Begin at 0 if the minute or the month of the figures has ended."""
        now = self._unix()
        if state.minute == (minute := int(now // 60)):
            return
        state.minute, state.minute_sends = minute, 0
        state.used = state.used._replace(max_sends_per_minute=0)
        at = datetime.fromtimestamp(now, UTC)
        if state.month != (month := (at.year, at.month)):
            state.month, state.sends = month, 0
            state.used = state.used._replace(max_sends_per_month=0)


def _retry_after(limit: Limit, now: float) -> int | None:
    """Return the seconds after which a request may succeed, None if that depends on what is deleted."""
    if limit is Limit.SENDS_PER_MINUTE:
        return seconds_of_minute(now)
    if limit is Limit.SENDS_PER_MONTH:
        at = datetime.fromtimestamp(now, UTC)
        following = (at.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(day=1)
        return max(1, int((following - at).total_seconds()))
    return None
