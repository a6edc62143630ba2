"""Usage figures of projects: written as things happen, and read without a scan.

    by month     hash of counts, kept 25 months          by minute    4 bytes a figure in a string an hour, kept 25 h
    by day       the same, kept 100 days                 failures     the newest 50
    milestones   when each was first reached             refusals     counts of 10 minutes, kept for two of these

A day begins at midnight UTC. A write that is repeated because Redis's reply to it was lost counts twice.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from typing import NamedTuple

import msgspec

from gateway.domain.ids import ProjectId
from gateway.store import keys
from gateway.store.redis.client import CALLS_AT_ONCE, Argument, FunctionClient, StoreUnavailableError
from gateway.store.redis.problems import decoding
from gateway.store.usage_counts import FAILED_STATES, Failure, Milestone, ProjectCounts, UsageCounts

WRITE_SECONDS = 1.0
KEEP_MONTHS = 25
KEEP_DAYS = 100
KEEP_HOURS = 25
KEPT_FAILURES = 50
FAILURES_SECONDS = 30 * 24 * 3600
REFUSALS_SECONDS = 600
ENDED_PERIODS = 2000
"""How many months and days that are over, and no longer change, a process remembers: some 4 MB."""

_BYTES = 4
_MINUTES = 60

_Command = tuple[Argument, ...]


class Series(IntEnum):
    """The figures that are kept by minute, in the order in which an hour has them."""

    CONNECTIONS = 0
    STORED = 1
    SENDS = 2
    DELIVERIES = 3
    FAILURES = 4


class Refusal(NamedTuple):
    """How many connections and requests of users were refused lately, with which error, on pages of which origin."""

    code: str
    origin: str
    times: int


class Period(NamedTuple):
    """The counts of a month or a day. `deliveries` has those that ended, by channel and state."""

    name: str
    sends: int = 0
    broadcasts: int = 0
    stored: int = 0
    suppressed: int = 0
    deliveries: Mapping[str, Mapping[str, int]] = {}


class UsageWriter:
    """Writes the counts of this process. `run` must be running; call `write` at the end."""

    def __init__(self, client: FunctionClient, counts: UsageCounts, unix: Callable[[], float] = time.time):
        self.counts = counts
        self._client = client
        self._unix = unix
        self._expiring: set[str] = set()
        self._day = ""

    async def run(self) -> None:
        """Write once a second while there is something to write, until cancelled."""
        while True:
            await self.counts.noted.wait()
            await asyncio.sleep(WRITE_SECONDS)
            await self.write()

    async def write(self) -> None:
        """Write what was counted. What Redis does not take now is written later."""
        counts, milestones = self.counts.take()
        try:
            commands: list[_Command] = [
                ("HSETNX", keys.milestones(project_id), milestone.value, at_ms)
                for (project_id, milestone), at_ms in milestones.items()
            ]
            for project_id, each in counts.items():
                commands += self._commands(project_id, each)
            await self._send(commands)
        except Exception as problem:  # whatever the reason is, what was counted must not be lost
            self._expiring.clear()
            self.counts.put_back(counts, milestones)
            if not isinstance(problem, StoreUnavailableError):
                raise

    async def sample_connections(self, connections: Iterable[tuple[ProjectId, int]]) -> None:
        """Add the live connections that projects have on this worker to the present minute."""
        at = datetime.fromtimestamp(self._unix(), UTC)
        commands: list[_Command] = []
        for project_id, count in connections:
            commands += self._minute(project_id, at, {Series.CONNECTIONS: count})
        await self._send(commands)

    async def _send(self, commands: Sequence[_Command]) -> None:
        for first in range(0, len(commands), CALLS_AT_ONCE):
            await self._client.commands(*commands[first : first + CALLS_AT_ONCE])

    def _commands(self, project_id: ProjectId, counts: ProjectCounts) -> list[_Command]:
        at = datetime.fromtimestamp(self._unix(), UTC)
        fields = {name: getattr(counts, name) for name in ("sends", "broadcasts", "stored", "suppressed")}
        fields |= {f"{channel}:{state}": count for (channel, state), count in counts.deliveries.items()}
        commands: list[_Command] = []
        for key, days in (
            (keys.usage(project_id, f"{at:%Y-%m}"), 31 * KEEP_MONTHS),
            (keys.usage(project_id, f"{at:%Y-%m-%d}"), KEEP_DAYS + 1),
        ):
            added: list[_Command] = [("HINCRBY", key, name, count) for name, count in fields.items() if count]
            commands += self._kept(key, added, days * 24 * 3600, at)
        failed = sum(count for (_, state), count in counts.deliveries.items() if state in FAILED_STATES)
        series = {
            Series.STORED: counts.stored,
            Series.SENDS: counts.sends,
            Series.DELIVERIES: counts.deliveries.total(),
            Series.FAILURES: failed,
        }
        return [*commands, *self._minute(project_id, at, series), *self._recent(project_id, counts, at)]

    def _minute(self, project_id: ProjectId, at: datetime, series: Mapping[Series, int]) -> list[_Command]:
        words: list[Argument] = []
        for name, count in series.items():
            if count:
                words += ("INCRBY", "u32", f"#{name * _MINUTES + at.minute}", count)
        key = keys.usage_minutes(project_id, f"{at:%Y-%m-%dT%H}")
        added: list[_Command] = [("BITFIELD", key, "OVERFLOW", "SAT", *words)] if words else []
        return self._kept(key, added, (KEEP_HOURS + 1) * 3600, at)

    def _recent(self, project_id: ProjectId, counts: ProjectCounts, at: datetime) -> list[_Command]:
        """Return the commands that store the newest failures and refusals."""
        commands: list[_Command] = []
        if counts.failures:
            key = keys.latest_failures(project_id)
            commands += [
                ("LPUSH", key, *(msgspec.json.encode(each) for each in counts.failures)),
                ("LTRIM", key, 0, KEPT_FAILURES - 1),
                ("EXPIRE", key, FAILURES_SECONDS),
            ]
        if counts.refusals:
            key = keys.refusals(project_id, _window(at.timestamp()))
            added: list[_Command] = [
                ("HINCRBY", key, f"{code} {origin}", count) for (code, origin), count in counts.refusals.items()
            ]
            commands += self._kept(key, added, 3 * REFUSALS_SECONDS, at)
        return commands

    def _kept(self, key: str, commands: list[_Command], seconds: int, at: datetime) -> list[_Command]:
        """Return commands that write to a key, with its expiry once a day."""
        day = f"{at:%Y-%m-%d}"
        if day != self._day:
            self._day = day
            self._expiring.clear()
        if not commands or key in self._expiring:
            return commands
        self._expiring.add(key)
        return [*commands, ("EXPIRE", key, seconds)]


class UsageReader:
    """Reads the figures. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient, unix: Callable[[], float] = time.time):
        self._client = client
        self._unix = unix
        self._ended: dict[tuple[ProjectId, str], Period] = {}

    @property
    def now(self) -> datetime:
        """The present time in UTC."""
        return datetime.fromtimestamp(self._unix(), UTC)

    async def months(self, project_id: ProjectId, count: int) -> list[Period]:
        """Return the last months, the present one last."""
        now = self.now
        numbers = [12 * now.year + now.month - 1 - back for back in reversed(range(count))]
        return await self._periods(project_id, [f"{number // 12}-{number % 12 + 1:02}" for number in numbers])

    async def days(self, project_id: ProjectId, count: int) -> list[Period]:
        """Return the last days, today last."""
        today: date = self.now.date()
        return await self._periods(project_id, [str(today - timedelta(days=back)) for back in reversed(range(count))])

    async def minutes(self, project_id: ProjectId, count: int) -> tuple[datetime, Mapping[Series, list[int]]]:
        """Return the first of the last minutes, and each series with a number for each minute, the present one last."""
        end = self.now.replace(second=0, microsecond=0)
        start = end - timedelta(minutes=count - 1)
        hour, hours = start.replace(minute=0), []
        while hour <= end:
            hours.append(hour)
            hour += timedelta(hours=1)
        names = [keys.usage_minutes(project_id, f"{hour:%Y-%m-%dT%H}") for hour in hours]
        parts: list[bytes] = [part or b"" for part in await self._client.commands(*(("GET", name) for name in names))]
        return start, {
            series: [each for part in parts for each in _numbers(part, series)][start.minute :][:count]
            for series in Series
        }

    async def failures(self, project_id: ProjectId, count: int) -> list[Failure]:
        """Return the newest failures, the newest first."""
        found = await self._client.command("LRANGE", keys.latest_failures(project_id), 0, count - 1)
        with decoding("a failure"):
            return [msgspec.json.decode(each, type=Failure) for each in found]

    async def milestones(self, project_id: ProjectId) -> Mapping[Milestone, int]:
        """Return the unix ms of the milestones that were reached."""
        names = [each.value for each in Milestone]
        found = await self._client.command("HMGET", keys.milestones(project_id), *names)
        return {each: int(at) for each, at in zip(Milestone, found, strict=True) if at is not None}

    async def refusals(self, project_id: ProjectId) -> list[Refusal]:
        """Return what was refused in the last ten to twenty minutes, the most frequent first."""
        window = _window(self._unix())
        flat = await self._client.commands(
            *(("HGETALL", keys.refusals(project_id, each)) for each in (window, window - 1))
        )
        counts: dict[tuple[str, str], int] = {}
        for part in flat:
            for name, count in zip(part[::2], part[1::2], strict=True):
                code, _, origin = name.decode(errors="replace").partition(" ")
                counts[code, origin] = counts.get((code, origin), 0) + int(count)
        found = [Refusal(code, origin, times) for (code, origin), times in counts.items()]
        return sorted(found, key=lambda each: (-each.times, each.code, each.origin))

    async def _periods(self, project_id: ProjectId, names: Sequence[str]) -> list[Period]:
        missing = [name for name in names if (project_id, name) not in self._ended]
        if not missing:
            return [self._ended[project_id, name] for name in names]
        replies = await self._client.commands(*(("HGETALL", keys.usage(project_id, name)) for name in missing))
        read = {name: _period(name, reply) for name, reply in zip(missing, replies, strict=True)}
        found = [read.get(name) or self._ended[project_id, name] for name in names]
        if len(self._ended) >= ENDED_PERIODS:
            self._ended.clear()
        yesterday = self.now - timedelta(days=1)
        ended = (each for each in read.values() if each.name < f"{yesterday:%Y-%m-%d}"[: len(each.name)])
        self._ended.update({(project_id, each.name): each for each in ended})
        return found


def _period(name: str, flat: Sequence[bytes]) -> Period:
    counts: dict[str, int] = {}
    deliveries: dict[str, dict[str, int]] = {}
    for raw, count in zip(flat[::2], flat[1::2], strict=True):
        channel, colon, state = raw.decode(errors="replace").partition(":")
        if colon:
            deliveries.setdefault(channel, {})[state] = int(count)
        elif channel in Period._fields:
            counts[channel] = int(count)
    return Period(name, **counts, deliveries=deliveries)


def _numbers(part: bytes, series: Series) -> list[int]:
    """Return the numbers of a series for the minutes of an hour."""
    first = series * _MINUTES * _BYTES
    own = part[first : first + _MINUTES * _BYTES].ljust(_MINUTES * _BYTES, b"\0")
    return [int.from_bytes(own[at : at + _BYTES]) for at in range(0, len(own), _BYTES)]


def _window(unix: float) -> int:
    return int(unix // REFUSALS_SECONDS)
