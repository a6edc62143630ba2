"""One run: a site for each topology, users with devices and writers on it, and faults one after the other."""

import asyncio
import contextlib
import random
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import redis
from websockets.exceptions import WebSocketException

from loadtest.check.devices import DEVICES, Device
from loadtest.check.faults import Fault
from loadtest.check.journal import Journal
from loadtest.check.rest import RefusedError, Rest
from loadtest.check.sites import HEALED_SECONDS, SITES, Site
from loadtest.check.violations import MOST_KEPT, Kind, Record, Violation
from loadtest.check.witness import History, Witness
from loadtest.check.writers import Writers
from loadtest.servers.gateway import GATEWAY

MOST_SAID = 20
"""Violations that are shown at once; the rest is in the result."""

STRIKING_FAILED = (
    *(AssertionError, OSError, subprocess.TimeoutExpired),
    *(redis.RedisError, httpx.HTTPError, WebSocketException),
)
"""What a fault may raise that does not heal, or that sees a promise broken."""

RUN_UP_SECONDS = 1.0
"""How long writers write before a fault strikes."""


@dataclass(frozen=True)
class Plan:
    """What to do. `seconds` bounds the striking of new faults, not their healing; each is struck once at least."""

    seed: int
    users: int
    seconds: float
    fault_seconds: float
    faults: Sequence[Fault]
    command: tuple[str, ...] = GATEWAY
    patience_seconds: float = 20.0
    """How long a device may take to reach where the store is."""

    fail_fast: bool = False
    keep: Path | None = None
    """Where logs and data stay; nowhere by default."""

    @property
    def topologies(self) -> list[str]:
        """Which sites are needed, in order."""
        return [name for name in SITES if any(fault.topology == name for fault in self.faults)]


@dataclass
class User:
    """One user's side of the proof."""

    name: str
    journal: Journal
    history: History
    devices: list[Device] = field(default_factory=list)


class Check:
    """A run under way; `records` and `violations` grow with it."""

    def __init__(self, plan: Plan, say: Callable[[str], None], show: Callable[[Record], None]):
        self.plan = plan
        self.records: list[Record] = []
        self.violations: list[Violation] = []
        self.count = 0
        self._say = say
        self._show = show
        self._started = time.monotonic()
        self._record = Record("start", "")
        self._stage_now: _Stage | None = None
        self._step = ""

    async def run(self) -> None:
        """Strike every fault of the plan, and again until its time is over."""
        choice = random.Random(self.plan.seed)
        topologies = self.plan.topologies
        for number, topology in enumerate(topologies):
            faults = [fault for fault in self.plan.faults if fault.topology == topology]
            # A topology's share of the time is its share of the faults.
            left = self.plan.seconds - (time.monotonic() - self._started)
            still = [fault for fault in self.plan.faults if fault.topology in topologies[number:]]
            end = time.monotonic() + left * len(faults) / len(still)
            with self._directory(topology) as directory:
                self._say(f"starting {topology}")
                async with SITES[topology](directory, self.plan.command) as site, self._stage(site) as stage:
                    for fault in _schedule(faults, choice, end):
                        await self._strike(stage, fault, choice)
                        if self.plan.fail_fast and self.count:
                            return

    def report(self, kind: Kind, who: str, detail: str) -> None:
        """Take note of a violation."""
        self.count += 1
        if self.count <= MOST_SAID:
            self._say(f"{kind.value}: {who}: {detail}")
        self._record.violations += 1
        kinds = self._record.kinds
        kinds[kind.value] = kinds.get(kind.value, 0) + 1
        if len(self.violations) < MOST_KEPT:
            seconds = round(time.monotonic() - self._started, 1)
            self.violations.append(Violation(kind, who, detail, self._record.fault, seconds))

    def progress(self) -> str:
        """Say how it stands."""
        if self._stage_now is None:
            return "starting"
        sums = self._stage_now.sums()
        counted = ", ".join(f"{name} {sums[name]}" for name in ("sent", "delivered", "resumed", "reset"))
        return f"  … {self._record.fault} ({self._step}): {counted}, violations {self.count}"

    # -- inside

    @contextlib.contextmanager
    def _directory(self, topology: str) -> Iterator[Path]:
        if self.plan.keep is not None:
            directory = self.plan.keep / topology
            directory.mkdir(parents=True)
            yield directory
            return
        with tempfile.TemporaryDirectory(prefix="check") as name:
            yield Path(name)

    @contextlib.asynccontextmanager
    async def _stage(self, site: Site) -> AsyncIterator["_Stage"]:
        users = [User(f"{site.topology}-user{number}", Journal(), History()) for number in range(self.plan.users)]
        rest = Rest(site.front.port)
        writers = Writers(self.plan.seed, rest, {user.name: user.journal for user in users}, self.report)
        await writers.greet()
        await site.learn_users(rest, [user.name for user in users])
        for user in users:
            for number, kind in enumerate(DEVICES):
                witness = Witness(f"{user.name}/{kind.transport}{number}", user.history, self.report)
                user.devices.append(kind(user.name, site.front.port, rest, witness))
            user.journal.forget((await rest.listed(user.name))[0])
        stage = self._stage_now = _Stage(site, rest, users, writers)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(device.run(), name=device.transport) for user in users for device in user.devices
            ]
            running.append(tasks.create_task(writers.run(), name="writers"))
            # Who comes later has a list with events in it that nobody was told of.
            async with asyncio.timeout(HEALED_SECONDS):
                while any(device.witness.replica is None for device in stage.devices):
                    await asyncio.sleep(0.01)
            yield stage
            for task in running:
                task.cancel()
        self._stage_now = None
        await rest.aclose()

    async def _strike(self, stage: "_Stage", fault: Fault, choice: random.Random) -> None:
        record = self._record = Record(fault.name, fault.topology, round(time.monotonic() - self._started, 1))
        self.records.append(record)
        before, started = stage.sums(), time.monotonic()
        stage.lossy |= fault.may_lose
        for device in stage.devices:
            # Also later: users of a server that took over begin an epoch when they are next written to.
            device.witness.resets_allowed = stage.lossy or fault.may_reset
        stage.writers.gate.opened.set()
        self._say(f"{fault.name} …")
        self._step = "striking"
        await asyncio.sleep(RUN_UP_SECONDS)
        try:
            measured = await fault.strike(stage.site, choice, self.plan.fault_seconds * choice.uniform(0.8, 1.2))
            if measured:
                self._say(f"{fault.name}: {measured}")
        except STRIKING_FAILED as problem:
            self.report(Kind.NOT_HEALED, stage.site.topology, f"{type(problem).__name__}: {problem}")
        healed = time.monotonic()
        self._step = "healing"
        try:
            await stage.site.until_healed()
        except TimeoutError:
            self.report(Kind.NOT_HEALED, stage.site.topology, f"not ready within {HEALED_SECONDS:.0f} s")
        for write in await stage.writers.gate.until_idle(HEALED_SECONDS):
            self.report(Kind.NEVER_ACKNOWLEDGED, write, f"repeated for {HEALED_SECONDS:.0f} s")
        self._step = "catching up"
        await asyncio.gather(*(self._catch_up(stage, user) for user in stage.users))
        record.recovery_seconds = round(time.monotonic() - healed, 2)
        for user in stage.users:
            await self._compare(stage, user, fault)
        record.seconds = round(time.monotonic() - started, 1)
        for name, value in stage.sums().items():
            setattr(record, name, value - before[name])
        self._show(record)

    async def _catch_up(self, stage: "_Stage", user: User) -> None:
        """Wait until all of a user's devices are where the store is."""
        deadline = time.monotonic() + self.plan.patience_seconds
        while True:
            # Asked again and again: a request that was given up may still be carried out.
            try:
                async with asyncio.timeout(HEALED_SECONDS):
                    position = await stage.rest.position(user.name)
            except TimeoutError:
                self.report(Kind.STALLED, user.name, f"the store said for {HEALED_SECONDS:.0f} s to come again")
                return
            behind = [device for device in user.devices if device.witness.position != position]
            if not behind:
                return
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.05)
        for device in behind:
            witness = device.witness
            detail = f"at {witness.position}, the store at {position}; its last connection ended: {device.last_end}"
            self.report(Kind.STALLED, f"{user.name}/{device.transport}", detail)

    async def _compare(self, stage: "_Stage", user: User, fault: Fault) -> None:
        """Compare what the devices know, what the store lists, and what was acknowledged."""
        try:
            async with asyncio.timeout(HEALED_SECONDS):
                listed, position = await stage.rest.listed(user.name)
        except (RefusedError, TimeoutError) as problem:
            self.report(Kind.INBOX_DIFFERS, user.name, f"it can't be listed: {problem!r}")
            return
        for device in user.devices:
            witness = device.witness
            if witness.position == position and witness.replica is not None and witness.replica.items != listed:
                mine = {item["id"]: item for item in witness.replica.items}
                theirs = {item["id"]: item for item in listed}
                others = [name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name)]
                detail = f"{others[:3] or 'the order'} at {position}: {mine.get(others[0]) if others else ''}"
                self.report(Kind.INBOX_DIFFERS, f"{user.name}/{device.transport}", detail)
        if not fault.may_lose:
            self._compare_writes(user, {item["id"] for item in listed})
        user.journal.forget(listed)

    def _compare_writes(self, user: User, listed: set[str]) -> None:
        journal, history = user.journal, user.history
        # Who was told to reset did not see everything.
        was_reset = any(device.witness.resets for device in user.devices)
        for write in sorted(journal.expected - history.writes.keys()):
            notification_id = journal.sent.get(write)
            if (notification_id is None and was_reset) or notification_id in listed | journal.deleted:
                continue
            self.report(Kind.WRITE_LOST, user.name, f"{write} was acknowledged, and no event tells of it")
        for write in sorted(journal.once & history.writes.keys()):
            if len(history.writes[write]) > 1:
                where = ", ".join(map(str, history.writes[write]))
                self.report(Kind.WRITE_DOUBLED, user.name, f"{write} is at {where}")
        for write, notification_id in journal.sent.items():
            if notification_id not in listed | journal.deleted:
                self.report(Kind.WRITE_LOST, user.name, f"{write} was acknowledged, and {notification_id} is not there")


@dataclass
class _Stage:
    """A site with everybody on it."""

    site: Site
    rest: Rest
    users: list[User]
    writers: Writers
    lossy: bool = False

    @property
    def devices(self) -> list[Device]:
        return [device for user in self.users for device in user.devices]

    def sums(self) -> dict[str, int]:
        """Give what a record counts, since the start."""
        witnesses = [device.witness for device in self.devices]
        return {
            "sent": self.writers.gate.acknowledged,
            "retried": self.writers.gate.repeated,
            "delivered": sum(witness.events for witness in witnesses),
            "connected": sum(witness.connected for witness in witnesses),
            "resumed": sum(witness.resumed for witness in witnesses),
            "reset": sum(witness.resets for witness in witnesses),
        }


def _schedule(faults: Sequence[Fault], choice: random.Random, end: float) -> Iterator[Fault]:
    """Give every fault once, then again in other orders, until a monotonic time."""
    first = True
    while True:
        for fault in choice.sample(faults, len(faults)):
            if not first and time.monotonic() > end:
                return
            yield fault
        first = False
        if time.monotonic() > end:
            return
