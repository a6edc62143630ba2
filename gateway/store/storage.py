"""What a project stores: users, notifications and bytes. Users are counted, and the rest estimated from some.

Exact figures would need a number that every write of an inbox changes, which would make each of them dearer. A random
sample of users costs nothing until somebody asks, and then some milliseconds of Redis, once in CACHE_SECONDS for a
project. It sees deletion, retention and broadcasts as they are: what is read is what is there.

`MEMORY USAGE` counts a value with its keys and overhead. Large values are sampled by Redis itself. What belongs to no
project, the fragmentation of memory and replicas are not counted.
"""

import math
import random
import statistics
import time
from collections.abc import Callable, Sequence

import msgspec

from gateway.domain.ids import ProjectId
from gateway.domain.notification import BUCKETS
from gateway.domain.principal import User
from gateway.domain.project_event import ProjectEventType
from gateway.store import keys
from gateway.store.audience import AudienceStore
from gateway.store.directory import Directory
from gateway.store.redis.client import CALLS_AT_ONCE, MEMORY_USAGE, Argument, FunctionClient
from gateway.store.redis.problems import decoding

SAMPLED_USERS = 100
SAMPLED_CONTENTS = 50
CACHE_SECONDS = 600

CONFIDENCE = 1.96
"""How many standard errors a margin has: the value is within it in 95 % of cases (of a normal distribution)."""

_INDEXES = [f"{keys.USER_SUFFIXES[name]}{bucket}" for name in ("INBOX", "TOPICS") for bucket in BUCKETS]
_OTHERS = [keys.USER_SUFFIXES[name] for name in keys.USER_KEYS if name != "ITEMS"]
_PARTS = ["", *_OTHERS, *_INDEXES]
"""The suffixes of the keys of a user that are measured. The index by category has a name for each category, and as many
entries as that of the inbox, so it counts as large as that."""


class Estimate(msgspec.Struct, frozen=True):
    """A value, and how far the true one is away at most in 95 % of cases; 0 for an exact one."""

    value: int
    margin: int = 0


class StorageReport(msgspec.Struct, frozen=True):
    """What a project stored at a time (unix ms). `sampled` is how many of its users were looked at."""

    at_ms: int
    users: int
    sampled: int
    items: Estimate
    inbox_bytes: Estimate
    directory_bytes: int
    content_bytes: Estimate
    event_bytes: Estimate
    places: int = -1
    """How many users the project had ever had, -1 in reports of earlier versions."""

    @property
    def total(self) -> Estimate:
        """The sum of all bytes."""
        parts = (self.inbox_bytes, self.content_bytes, self.event_bytes)
        return Estimate(
            self.directory_bytes + sum(part.value for part in parts),
            round(math.sqrt(sum(part.margin**2 for part in parts))),  # the errors are independent
        )


class StorageEstimator:
    """Measures projects. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient, directory: Directory, unix: Callable[[], float] = time.time):
        self._client = client
        self._directory = directory
        self._audience = AudienceStore(client)
        self._unix = unix

    async def of_project(self, project_id: ProjectId) -> StorageReport:
        """Return what a project stores, as it was measured at most CACHE_SECONDS ago."""
        key = keys.storage(project_id)
        cached = await self._client.command("GET", key)
        if cached is not None:
            with decoding("the storage of a project"):
                return msgspec.json.decode(cached, type=StorageReport)
        report = await self._measure(project_id)
        if report.users:  # else it costs nothing to measure, and a limit would not notice its first users
            await self._client.command("SET", key, msgspec.json.encode(report), "EX", CACHE_SECONDS)
        return report

    async def _measure(self, project_id: ProjectId) -> StorageReport:
        places = await self._directory.user_index_size(project_id)
        users = await self._audience.count_users(project_id, places)
        sample = await self._sample(project_id, places, users)
        items: list[int] = []
        sizes: list[int] = []
        for user in sample:
            key = keys.user(project_id, user.id)
            replies = await self._client.commands(
                ("HLEN", key + keys.USER_SUFFIXES["ITEMS"]),
                *((MEMORY_USAGE, key + suffix) for suffix in (*_PARTS, keys.USER_SUFFIXES["ITEMS"])),
            )
            count, *used = (reply or 0 for reply in replies)
            items.append(count)
            inboxes = sum(used[1 + len(_OTHERS) :][: len(BUCKETS)])
            sizes.append(sum(used) + inboxes)
        return StorageReport(
            int(self._unix() * 1000),
            users,
            len(sample),
            _estimate(items, users),
            _estimate(sizes, users),
            await self._memory(keys.directory(project_id)) + 16 * places,
            await self._contents(project_id),
            await self._events(project_id),
            places,
        )

    async def _sample(self, project_id: ProjectId, places: int, users: int) -> list[User]:
        """Return all users if there are few, or as many random ones. Places of deleted users are drawn again."""
        if places <= SAMPLED_USERS:
            return await self._audience.users_at(project_id, range(places))
        drawn = min(places, math.ceil(SAMPLED_USERS * places / max(users, 1)))
        drawn = min(drawn, 50 * SAMPLED_USERS)
        found = await self._audience.users_at(project_id, random.sample(range(places), drawn))
        return found[:SAMPLED_USERS]

    async def _contents(self, project_id: ProjectId) -> Estimate:
        """Return the bytes of contents that many inboxes share: those of broadcasts."""
        names, key = keys.contents(project_id), keys.contents(project_id)
        count = await self._client.command("SCARD", names)
        if not count:
            return Estimate(0)
        found = await self._client.command("SRANDMEMBER", names, SAMPLED_CONTENTS)
        own = await self._memory(key)
        sizes = await self._memories([keys.content(project_id, _text(each)) for each in found])
        estimate = _estimate(sizes, count)
        return Estimate(own + estimate.value, estimate.margin)

    async def _events(self, project_id: ProjectId) -> Estimate:
        """Return the bytes of the log of events, the index by user included, which has 10 bytes an event."""
        key = keys.project_events(project_id)
        streams = [f"{key}{keys.EVENT_SUFFIXES['EVENT_STREAM']}{each.code}" for each in ProjectEventType]
        sizes = await self._memories(streams)
        counts = await self._client.commands(*(("XLEN", name) for name in streams))
        value = sum(sizes) + 10 * sum(counts)
        return Estimate(value, value // 10 if value else 0)  # Redis looks at a few nodes of each stream

    async def _memory(self, key: str) -> int:
        return (await self._memories([key]))[0]

    async def _memories(self, names: Sequence[str]) -> list[int]:
        found: list[int] = []
        for part in range(0, len(names), CALLS_AT_ONCE):
            commands: list[tuple[Argument, ...]] = [(MEMORY_USAGE, name) for name in names[part : part + CALLS_AT_ONCE]]
            found += [reply or 0 for reply in await self._client.commands(*commands)]
        return found


def _estimate(sample: Sequence[int], population: int) -> Estimate:
    """Return the sum over a population of which a random sample is known."""
    if not sample or not population:
        return Estimate(0)
    if len(sample) >= population:
        return Estimate(sum(sample))
    share = 1 - len(sample) / population  # the part that is not known
    deviation = statistics.stdev(sample) if len(sample) > 1 else float(sample[0])  # of one user, nothing is known
    error = deviation * math.sqrt(share / len(sample))
    return Estimate(round(statistics.fmean(sample) * population), math.ceil(CONFIDENCE * error * population))


def _text(packed: bytes) -> str:
    digits = packed.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
