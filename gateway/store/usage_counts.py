"""What this process has counted of each project and is yet to write. No I/O: `UsageWriter` writes it every second.

A count is an addition to a number in memory, so that sending and delivering cost the same as without. What a process
has counted within its last second is lost if it is killed.
"""

import asyncio
import time
from collections import Counter
from enum import Enum
from typing import NamedTuple

from gateway.domain.ids import ProjectId, UserId

MAX_PROJECTS = 10_000
"""How many projects may wait for a write. While Redis is down, the counts of others are lost."""

MAX_FAILURES = 20
"""How many failures of a project one write has. Of others only the number is kept."""

MAX_REFUSALS = 20
"""How many different refusals of a project are told apart until the next write. The others count as one."""

MAX_ORIGIN = 200

FAILED_STATES = frozenset(("refused", "dead", "failed", "unknown"))
"""The states of a delivery that has ended without reaching anybody, other than by a rule or a choice of the user."""


class Milestone(Enum):
    """What happens once in each project, on the way to the first notification that somebody has seen."""

    REQUEST = "request"
    """A backend made a request with the API secret, or with a project's token."""
    NOTIFICATION = "notification"
    """A notification was stored in an inbox."""
    CONNECTION = "connection"
    """A user had a live connection."""
    SEEN = "seen"
    """A user saw or read a notification."""


class Failure(NamedTuple):
    """A delivery that failed. `at_ms` is unix milliseconds."""

    at_ms: int
    user_id: UserId
    notification_id: str
    channel: str
    provider: str
    state: str
    reason: str


class ProjectCounts:
    """The counts of one project since the last write."""

    __slots__ = ("broadcasts", "deliveries", "failures", "refusals", "sends", "stored", "suppressed")

    def __init__(self) -> None:
        self.sends = 0
        self.broadcasts = 0
        self.stored = 0
        self.suppressed = 0
        self.deliveries: Counter[tuple[str, str]] = Counter()
        """Deliveries that ended, by channel and state."""
        self.failures: list[Failure] = []
        self.refusals: Counter[tuple[str, str]] = Counter()
        """Refused connections and requests of users, by the code of the error and the origin of the page."""

    def add(self, other: "ProjectCounts") -> None:
        """Add the counts of a write that failed."""
        self.sends += other.sends
        self.broadcasts += other.broadcasts
        self.stored += other.stored
        self.suppressed += other.suppressed
        self.deliveries.update(other.deliveries)
        self.refusals.update(other.refusals)
        self.failures = [*other.failures, *self.failures][-MAX_FAILURES:]


class UsageCounts:
    """The counts of all projects. Every method adds a number and returns at once."""

    def __init__(self) -> None:
        self.noted = asyncio.Event()
        """Set when there is something to write."""
        self._counts: dict[ProjectId, ProjectCounts] = {}
        self._milestones: dict[tuple[ProjectId, Milestone], int] = {}
        self._reached: set[tuple[ProjectId, Milestone]] = set()

    def accepted(self, project_id: ProjectId) -> None:
        """Count a request to send that was accepted."""
        self._of(project_id).sends += 1

    def broadcast(self, project_id: ProjectId) -> None:
        """Count a broadcast that was accepted, which is a request to send as well."""
        counts = self._of(project_id)
        counts.sends += 1
        counts.broadcasts += 1

    def stored(self, project_id: ProjectId, users: int = 1) -> None:
        """Count a notification that was stored in the inboxes of some users."""
        self._of(project_id).stored += users

    def suppressed(self, project_id: ProjectId, users: int) -> None:
        """Count a notification that a rule kept out of the inboxes of some users."""
        self._of(project_id).suppressed += users

    def ended(self, project_id: ProjectId, failure: Failure) -> None:
        """Count a delivery that ended, in whatever state."""
        counts = self._of(project_id)
        counts.deliveries[failure.channel, failure.state] += 1
        if failure.state in FAILED_STATES:
            counts.failures.append(failure)
            del counts.failures[:-MAX_FAILURES]

    def refused(self, project_id: ProjectId, code: str, origin: str) -> None:
        """Count a connection, or a request of a user, whose credentials or origin were refused."""
        refusals = self._of(project_id).refusals
        kind = (code, origin[:MAX_ORIGIN])
        if kind not in refusals and len(refusals) >= MAX_REFUSALS:
            kind = (code if (code, "") in refusals else "others", "")
        refusals[kind] += 1

    def reached(self, project_id: ProjectId, milestone: Milestone) -> None:
        """Note a milestone. This process notes each one of a project only once."""
        if (project_id, milestone) in self._reached:
            return
        if len(self._reached) >= len(Milestone) * MAX_PROJECTS:
            self._reached.clear()
        self._reached.add((project_id, milestone))
        self._milestones[project_id, milestone] = int(time.time() * 1000)
        self.noted.set()

    def take(self) -> tuple[dict[ProjectId, ProjectCounts], dict[tuple[ProjectId, Milestone], int]]:
        """Return what is to be written, with the milestones by the unix ms at which they were reached."""
        for project_id, counts in self._counts.items():
            if counts.stored:
                self.reached(project_id, Milestone.NOTIFICATION)
        self.noted.clear()
        taken = self._counts, self._milestones
        self._counts, self._milestones = {}, {}
        return taken

    def put_back(
        self, counts: dict[ProjectId, ProjectCounts], milestones: dict[tuple[ProjectId, Milestone], int]
    ) -> None:
        """Keep for the next write what could not be written."""
        for project_id, each in counts.items():
            self._of(project_id).add(each)
        self._milestones = {**self._milestones, **milestones}
        self.noted.set()

    def waiting_sends(self, project_id: ProjectId) -> int:
        """Return how many requests to send are counted and not yet written."""
        found = self._counts.get(project_id)
        return found.sends if found is not None else 0

    def forget(self, project_id: ProjectId) -> None:
        """Remove what is counted of a deleted project."""
        self._counts.pop(project_id, None)
        self._reached = {each for each in self._reached if each[0] != project_id}
        self._milestones = {each: at for each, at in self._milestones.items() if each[0] != project_id}

    def forget_reached(self) -> None:
        """Note every milestone once more, because the store may have been replaced."""
        self._reached.clear()

    def _of(self, project_id: ProjectId) -> ProjectCounts:
        found = self._counts.get(project_id)
        return found if found is not None else self._begin(project_id)

    def _begin(self, project_id: ProjectId) -> ProjectCounts:
        if len(self._counts) >= MAX_PROJECTS:
            return ProjectCounts()
        self.noted.set()
        found = self._counts[project_id] = ProjectCounts()
        return found
