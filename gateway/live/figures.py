"""The live connections of one worker by project and transport, and events of connections while somebody watches them.

A connection adds to a number when it opens and when it closes, and keeps nothing itself. Events are made only of the
projects in `watched`. What does not fit into the buffer is counted and dropped.
"""

import asyncio
import bisect
import time
from collections.abc import Iterator, Mapping, Sequence

from gateway.domain.errors import CloseCode
from gateway.domain.ids import ProjectId
from gateway.live.connection import Connection
from gateway.store.connection_tails import ConnectionEvent
from gateway.store.nodes import TRANSPORTS
from gateway.store.usage_counts import Milestone, UsageCounts

HELD_EVENTS = 500
"""How many events a worker holds until it publishes them, of all projects."""

MARKS = 4096
"""How many times are kept that tell when a connection was opened."""

_PLACES = {name: place for place, name in enumerate(TRANSPORTS)}

CLOSED_BY_CLIENT = "client"


class LiveFigures:
    """Counts connections. The methods are called by connections and return at once."""

    def __init__(self, usage: UsageCounts):
        self.watched: frozenset[ProjectId] = frozenset()
        """The projects whose connections somebody watches, as of the last report of this worker."""
        self.noted = asyncio.Event()
        """Set when there are events to publish."""
        self._usage = usage
        self._counts: dict[ProjectId, list[int]] = {}
        self._events: dict[ProjectId, list[ConnectionEvent]] = {}
        self._held = 0
        self._dropped: dict[ProjectId, int] = {}
        self._closing: set[Connection] = set()
        self._marks: list[tuple[int, int]] = []

    # -- called by connections

    def opened(self, connection: Connection) -> None:
        """Count a connection that is open from now on."""
        subscription = connection.subscription
        if subscription is None:
            return
        project_id = subscription.user.project_id
        counts = self._counts.get(project_id)
        if counts is None:
            counts = self._counts[project_id] = [0] * len(TRANSPORTS)
            self._usage.reached(project_id, Milestone.CONNECTION)
        counts[_PLACES[connection.name]] += 1
        if project_id in self.watched:
            self._note(project_id, connection, "opened", subscription.user.id)

    def closed(self, connection: Connection) -> None:
        """Count a connection that was open and is lost. It still belongs to its user."""
        subscription = connection.subscription
        if subscription is None:
            return
        project_id = subscription.user.project_id
        counts = self._counts[project_id]
        counts[_PLACES[connection.name]] -= 1
        if not any(counts):
            del self._counts[project_id]
        if connection in self._closing:
            self._closing.discard(connection)
        elif project_id in self.watched:
            self._note(project_id, connection, "closed", subscription.user.id, CLOSED_BY_CLIENT)

    def closing(self, connection: Connection, code: CloseCode) -> None:
        """Note that the worker closes a connection that is open."""
        subscription = connection.subscription
        if subscription is not None and subscription.user.project_id in self.watched:
            self._closing.add(connection)
            self._note(subscription.user.project_id, connection, "closed", subscription.user.id, code.reason)

    def refused(self, project_id: ProjectId, connection: Connection, code: str) -> None:
        """Count a connection that is refused, with the code of the error."""
        self._usage.refused(project_id, code, connection.origin or "")
        if project_id in self.watched:
            self._note(project_id, connection, "refused", "", code)

    # -- read by the reports of this worker

    def __iter__(self) -> Iterator[tuple[ProjectId, Sequence[int]]]:
        return iter(self._counts.items())

    def of_project(self, project_id: ProjectId) -> Sequence[int]:
        """Return the connections of a project, a number for each of TRANSPORTS."""
        return self._counts.get(project_id, (0,) * len(TRANSPORTS))

    def by_transport(self) -> Mapping[str, int]:
        """Return the connections of all projects by transport."""
        sums = [sum(each) for each in zip(*self._counts.values(), strict=True)] or [0] * len(TRANSPORTS)
        return dict(zip(TRANSPORTS, sums, strict=True))

    def mark(self, connection_count: int) -> None:
        """Note how many connections this worker has had until now, so that `since` knows when each was opened."""
        if self._marks and self._marks[-1][0] == connection_count:
            return
        if len(self._marks) >= MARKS:
            del self._marks[: MARKS // 2 : 2]  # older ones are kept less exactly
        self._marks.append((connection_count, int(time.time())))

    def since(self, number: int) -> int:
        """Return the unix second by which the connection with this number had come."""
        place = bisect.bisect_left(self._marks, (number, 0))
        return self._marks[place][1] if place < len(self._marks) else int(time.time())

    def watch(self, project_id: ProjectId) -> None:
        """Make events of a project from now on. The reports of this worker keep it so, or end it."""
        self.watched |= {project_id}

    def take_events(self) -> dict[ProjectId, tuple[list[ConnectionEvent], int]]:
        """Return the events that are to be published, by project, with the number of those that were dropped."""
        self.noted.clear()
        taken = {
            project_id: (self._events.get(project_id, []), self._dropped.get(project_id, 0))
            for project_id in self._events.keys() | self._dropped.keys()
        }
        self._events, self._dropped, self._held = {}, {}, 0
        return taken

    def drop(self, project_id: ProjectId, count: int) -> None:
        """Count events that could not be published."""
        self._dropped[project_id] = self._dropped.get(project_id, 0) + count

    def _note(self, project_id: ProjectId, connection: Connection, kind: str, user_id: str, code: str = "") -> None:
        self.noted.set()
        if self._held >= HELD_EVENTS:
            self.drop(project_id, 1)
            return
        self._held += 1
        event = ConnectionEvent(
            int(time.time() * 1000),
            kind,
            connection.name,
            connection.session.connection_id,
            user_id,
            code,
            connection.origin or "",
        )
        self._events.setdefault(project_id, []).append(event)
