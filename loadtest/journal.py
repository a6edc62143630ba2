"""The record of events: which were lost, duplicated, reordered or misdelivered, and the latency of each.

Every payload carries a mark, `seq=000000000042;`, so that the record is the same for every server. Latency counts from
the moment when an event was scheduled, not from when the generator sent it (no coordinated omission). Two events are in
the wrong order only if the request of the later one to arrive had its response before the other request began.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

MARK = b"seq="
DIGITS = 12
EVERYBODY = "*"


def payload(number: int, size: int = 200) -> bytes:
    """Return the marked payload of an event: ASCII without characters that JSON or a query string escapes."""
    text = f"seq={number:0{DIGITS}d};"
    return (text + "x" * (size - len(text))).encode()


def mark_of(message: bytes) -> int | None:
    """Return the number of the event in a message, None if it has no mark."""
    at = message.find(MARK)
    return int(message[at + 4 : at + 4 + DIGITS]) if at >= 0 else None


class EventReceiver(Protocol):
    """A client that receives events, with its part of the record."""

    user: str
    first_number: int
    seen: list[int]
    out_of_order: int


@dataclass
class Faults:
    """Counts of faults. A run fails unless all are zero."""

    lost: int = 0
    doubled: int = 0
    reordered: int = 0
    misdelivered: int = 0
    failed: int = 0
    """Requests that were refused or got no response."""
    closed: int = 0
    """Connections that ended though the client did not close them."""
    resets: int = 0
    """Connections that received `reset` instead of a replay."""

    def __add__(self, other: "Faults") -> "Faults":
        mine, theirs = asdict(self), asdict(other)
        return Faults(**{name: mine[name] + theirs[name] for name in mine})

    def __bool__(self) -> bool:
        return any(asdict(self).values())

    def __str__(self) -> str:
        return ", ".join(f"{count} {name}" for name, count in asdict(self).items() if count) or "none"


class EventJournal:
    """The record of one measurement. Publishers and clients are in this process, and share its clock."""

    def __init__(self) -> None:
        self._users: list[str] = []
        self._scheduled: list[float] = []
        self._begun: list[float] = []
        self._responded: list[float | None] = []
        self._failed: set[int] = set()
        self.reasons: Counter[str] = Counter()
        """The responses to the requests that failed, with their counts."""
        self.received = 0
        self.latencies: list[float] = []
        self._awaited: tuple[int, asyncio.Future[None]] | None = None

    # -- sending

    @property
    def next_number(self) -> int:
        """The number of the next event."""
        return len(self._users)

    def open(self, user: str, scheduled: float) -> int:
        """Record an event for a user, or for EVERYBODY, and return its number."""
        self._users.append(user)
        self._scheduled.append(scheduled)
        self._begun.append(scheduled)
        self._responded.append(None)
        return len(self._users) - 1

    def begun(self, number: int, now: float) -> None:
        """Record when the request of an event was sent."""
        self._begun[number] = now

    def responded(self, number: int, now: float, ok: bool) -> None:
        """Record the response to the request of an event."""
        if ok:
            self._responded[number] = now
        else:
            self._failed.add(number)

    def response_times(self, first: int = 0) -> list[float]:
        """Return the seconds from the scheduled moment to the response, of all events from number `first` on."""
        times = zip(self._scheduled[first:], self._responded[first:], strict=True)
        return [responded - scheduled for scheduled, responded in times if responded is not None]

    def lags(self, first: int = 0) -> list[float]:
        """Return how many seconds late each request was sent: the lag of the generator."""
        return [begun - due for begun, due in zip(self._begun[first:], self._scheduled[first:], strict=True)]

    # -- receiving: the hot path

    def arrived(self, receiver: EventReceiver, number: int) -> None:
        """Record an event that arrived."""
        receiver.seen.append(number)
        self.received += 1
        if number < len(self._scheduled):
            self.latencies.append(time.perf_counter() - self._scheduled[number])
        if self._awaited is not None and self.received >= self._awaited[0]:
            _, waiter = self._awaited
            self._awaited = None
            waiter.set_result(None)

    async def until(self, count: int, seconds: float) -> bool:
        """Wait until `count` events have arrived in total. Return whether they did in time."""
        if self.received >= count:
            return True
        waiter = asyncio.get_running_loop().create_future()
        self._awaited = (count, waiter)
        try:
            await asyncio.wait_for(waiter, seconds)
        except TimeoutError:
            return False
        finally:
            self._awaited = None
        return True

    # -- the verdict

    def verify(self, receivers: Iterable[EventReceiver], *, replaying: bool = False) -> Faults:
        """Compare the events of each receiver with those sent to its user, and return the faults.

        With `replaying`, receivers must also have the events from before they connected.
        """
        by_user: dict[str, list[int]] = {}
        for number, user in enumerate(self._users):
            by_user.setdefault(user, []).append(number)
        to_all = by_user.get(EVERYBODY, [])
        faults = Faults(failed=len(self._failed))
        for receiver in receivers:
            first = 0 if replaying else receiver.first_number
            expected = {number for number in (*by_user.get(receiver.user, ()), *to_all) if number >= first}
            faults += self._compare(expected, receiver.seen)
            faults.reordered += receiver.out_of_order
        return faults

    def _compare(self, expected: set[int], seen: Sequence[int]) -> Faults:
        counts = Counter(seen)
        faults = Faults(
            lost=len(expected - counts.keys() - self._failed),
            doubled=sum(count - 1 for count in counts.values()),
            misdelivered=len(counts.keys() - expected),
        )
        latest = float("-inf")
        for number in dict.fromkeys(seen):
            if number >= len(self._users):
                continue
            responded = self._responded[number]
            faults.reordered += responded is not None and responded < latest
            latest = max(latest, self._begun[number])
        return faults


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return percentiles in milliseconds, {} if there are no values."""
    if not seconds:
        return {}
    ordered = sorted(seconds)
    last = len(ordered) - 1
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
    return {name: ordered[min(last, int(share * len(ordered)))] * 1000 for name, share in shares.items()}


Row = dict[str, Any]
