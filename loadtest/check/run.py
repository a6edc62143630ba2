"""One run: on each topology, users with devices and writers, and the faults of that topology one after the other."""

import asyncio
import contextlib
import random
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import redis
from websockets.exceptions import WebSocketException

from loadtest.check.comparison import CheckedUser, compare
from loadtest.check.devices import DEVICES, DeviceClient
from loadtest.check.fault import Fault
from loadtest.check.observer import History, Observer
from loadtest.check.rest import Rest
from loadtest.check.topologies import HEALED_SECONDS, TOPOLOGIES, RunningTopology
from loadtest.check.violations import MOST_KEPT, FaultRecord, Violation, ViolationKind
from loadtest.check.write_journal import WriteJournal
from loadtest.check.writers import Writers
from loadtest.servers.gateway import GATEWAY

MOST_SHOWN = 20
"""The number of violations that are printed when they occur. The result contains the first MOST_KEPT."""

FAULT_FAILED = (
    *(AssertionError, OSError, subprocess.TimeoutExpired),
    *(redis.RedisError, httpx.HTTPError, WebSocketException),
)
"""The exceptions of a fault's function.

They mean that the fault does not heal, or that the function found a violation.
"""

RUN_UP_SECONDS = 1.0
"""The time during which writers write before a fault begins."""


@dataclass(frozen=True)
class CheckPlan:
    """The plan of a run. After `seconds` no further fault begins. Each fault is injected at least once."""

    seed: int
    users: int
    seconds: float
    fault_seconds: float
    faults: Sequence[Fault]
    command: tuple[str, ...] = GATEWAY
    patience_seconds: float = 20.0
    """The time limit for a device to reach the position of the store."""

    fail_fast: bool = False
    keep: Path | None = None
    """The directory in which logs and data are kept. If it is None, they are deleted."""

    @property
    def topologies(self) -> list[str]:
        """The names of the topologies that the faults need, in the order in which they run."""
        return [name for name in TOPOLOGIES if any(fault.topology == name for fault in self.faults)]


class PromiseCheck:
    """A run. `records` and `violations` grow while it runs."""

    def __init__(self, plan: CheckPlan, report_progress: Callable[[str], None], show: Callable[[FaultRecord], None]):
        self.plan = plan
        self.records: list[FaultRecord] = []
        self.violations: list[Violation] = []
        self.count = 0
        """The number of all violations, including those that are not kept."""
        self._report_progress = report_progress
        self._show = show
        self._started = time.monotonic()
        self._record = FaultRecord("start", "")
        self._population: _Population | None = None
        self._step = ""

    async def run(self) -> None:
        """Inject every fault of the plan once, then all again until the time of the plan is over."""
        choice = random.Random(self.plan.seed)
        names = self.plan.topologies
        for number, name in enumerate(names):
            faults = [fault for fault in self.plan.faults if fault.topology == name]
            # A topology's share of the time is its share of the faults.
            left = self.plan.seconds - (time.monotonic() - self._started)
            remaining = [fault for fault in self.plan.faults if fault.topology in names[number:]]
            end = time.monotonic() + left * len(faults) / len(remaining)
            with self._directory(name) as directory:
                self._report_progress(f"starting {name}")
                async with (
                    TOPOLOGIES[name](directory, self.plan.command) as topology,
                    self._populated(topology) as population,
                ):
                    for fault in _schedule(faults, choice, end):
                        await self._inject(population, fault, choice)
                        if self.plan.fail_fast and self.count:
                            return

    def report(self, kind: ViolationKind, who: str, detail: str) -> None:
        """Record a violation, and print it if it is one of the first."""
        self.count += 1
        if self.count <= MOST_SHOWN:
            self._report_progress(f"{kind.value}: {who}: {detail}")
        self._record.violations += 1
        kinds = self._record.kinds
        kinds[kind.value] = kinds.get(kind.value, 0) + 1
        if len(self.violations) < MOST_KEPT:
            seconds = round(time.monotonic() - self._started, 1)
            self.violations.append(Violation(kind, who, detail, self._record.fault, seconds))

    def progress(self) -> str:
        """Return a line on the current fault and the counts so far."""
        if self._population is None:
            return "starting"
        sums = self._population.sums()
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
        with tempfile.TemporaryDirectory(prefix="check") as temporary:
            yield Path(temporary)

    @contextlib.asynccontextmanager
    async def _populated(self, topology: RunningTopology) -> AsyncIterator["_Population"]:
        """Create the users, and keep their devices connected and the writers running for a block."""
        names = [f"{topology.name}-user{number}" for number in range(self.plan.users)]
        users = [CheckedUser(name, WriteJournal(), History()) for name in names]
        rest = Rest(topology.front.port)
        writers = Writers(self.plan.seed, rest, {user.name: user.journal for user in users}, self.report)
        await writers.greet()
        await topology.prepare_users(rest, names)
        for user in users:
            for number, kind in enumerate(DEVICES):
                observer = Observer(f"{user.name}/{kind.transport}{number}", user.history, self.report)
                user.devices.append(kind(user.name, topology.front.port, rest, observer))
            user.journal.forget((await rest.listed(user.name))[0])
        population = self._population = _Population(topology, rest, users, writers)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(device.run(), name=device.transport) for user in users for device in user.devices
            ]
            running.append(tasks.create_task(writers.run(), name="writers"))
            running.append(
                tasks.create_task(topology.accompany(rest, writers.gate, self.report), name=f"traffic-{topology.name}")
            )
            # A device that connected after the first writes would list items whose events no device has received.
            async with asyncio.timeout(HEALED_SECONDS):
                while any(device.observer.replica is None for device in population.devices):
                    await asyncio.sleep(0.01)
            yield population
            for task in running:
                task.cancel()
        self._population = None
        await rest.aclose()

    async def _inject(self, population: "_Population", fault: Fault, choice: random.Random) -> None:
        record = self._record = FaultRecord(fault.name, fault.topology, round(time.monotonic() - self._started, 1))
        self.records.append(record)
        before, started = population.sums(), time.monotonic()
        population.lossy |= fault.may_lose
        for device in population.devices:
            # Resets stay allowed for later faults: the first write to a user of a promoted replica begins a new epoch.
            device.observer.resets_allowed = population.lossy or fault.may_reset
        population.writers.gate.opened.set()
        self._report_progress(f"{fault.name} …")
        self._step = "injecting"
        await asyncio.sleep(RUN_UP_SECONDS)
        await self._run_fault(population.topology, fault, self.plan.fault_seconds * choice.uniform(0.8, 1.2), choice)
        healed = time.monotonic()
        await self._heal(population)
        self._step = "catching up"
        await asyncio.gather(*(self._catch_up(population, user) for user in population.users))
        record.recovery_seconds = round(time.monotonic() - healed, 2)
        for user in population.users:
            await compare(population.rest, user, self.report, may_lose=fault.may_lose)
        self._step = "verifying"
        await population.topology.verify(self.report, fault)
        record.seconds = round(time.monotonic() - started, 1)
        for name, value in population.sums().items():
            setattr(record, name, value - before[name])
        self._show(record)

    async def _run_fault(self, topology: RunningTopology, fault: Fault, seconds: float, choice: random.Random) -> None:
        try:
            if measured := await fault.inject(topology, choice, seconds):
                self._report_progress(f"{fault.name}: {measured}")
        except FAULT_FAILED as problem:
            self.report(ViolationKind.NOT_HEALED, topology.name, f"{type(problem).__name__}: {problem}")

    async def _heal(self, population: "_Population") -> None:
        """Wait until the servers are ready, and until every write in progress is acknowledged."""
        self._step = "healing"
        try:
            await population.topology.until_healed()
        except TimeoutError:
            detail = f"not ready within {HEALED_SECONDS:.0f} s"
            self.report(ViolationKind.NOT_HEALED, population.topology.name, detail)
        for write in await population.writers.gate.until_idle(HEALED_SECONDS):
            self.report(ViolationKind.NEVER_ACKNOWLEDGED, write, f"repeated for {HEALED_SECONDS:.0f} s")

    async def _catch_up(self, population: "_Population", user: CheckedUser) -> None:
        """Wait until all devices of a user have reached the position of the store."""
        deadline = time.monotonic() + self.plan.patience_seconds
        while True:
            # Read again each time, because a request that its client gave up may still be processed.
            try:
                async with asyncio.timeout(HEALED_SECONDS):
                    position = await population.rest.position(user.name)
            except TimeoutError:
                detail = f"the gateway refused reads for {HEALED_SECONDS:.0f} s"
                self.report(ViolationKind.STALLED, user.name, detail)
                return
            behind = [device for device in user.devices if device.observer.position != position]
            if not behind:
                return
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.05)
        for device in behind:
            at = device.observer.position
            detail = f"at {at}, the store at {position}; its last connection ended: {device.last_end}"
            self.report(ViolationKind.STALLED, f"{user.name}/{device.transport}", detail)


@dataclass
class _Population:
    """The users of a topology with their devices, and the writers."""

    topology: RunningTopology
    rest: Rest
    users: list[CheckedUser]
    writers: Writers
    lossy: bool = False
    """Whether any fault so far may have lost acknowledged writes."""

    @property
    def devices(self) -> list[DeviceClient]:
        return [device for user in self.users for device in user.devices]

    def sums(self) -> dict[str, int]:
        """Return the counts of a FaultRecord since the start, by the names of its fields."""
        observers = [device.observer for device in self.devices]
        return {
            "sent": self.writers.gate.acknowledged,
            "retried": self.writers.gate.repeated,
            "delivered": sum(observer.events for observer in observers),
            "connected": sum(observer.connected for observer in observers),
            "resumed": sum(observer.resumed for observer in observers),
            "reset": sum(observer.resets for observer in observers),
        }


def _schedule(faults: Sequence[Fault], choice: random.Random, end: float) -> Iterator[Fault]:
    """Yield every fault once, then all again in other orders, until the monotonic time `end`."""
    first = True
    while True:
        for fault in choice.sample(faults, len(faults)):
            if not first and time.monotonic() > end:
                return
            yield fault
        first = False
        if time.monotonic() > end:
            return
