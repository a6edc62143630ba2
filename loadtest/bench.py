"""One run: its sizes, what takes part, and what all scenarios need."""

import asyncio
import contextlib
import gc
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from loadtest import machine
from loadtest.clients import Crowd
from loadtest.journal import Faults, Journal, Row
from loadtest.machine import Cores, ProcessGoneError, Usage
from loadtest.targets import FLOORS
from loadtest.targets.base import MissingError, Target
from loadtest.targets.gateway import GatewayTarget

DELIVERY_SECONDS = 10.0
"""What has not come by then is lost."""

TRAILING_SECONDS = 0.05
"""How long a server is still watched after the last event: what it does behind a delivery is part of its cost."""

VERDICT_SECONDS = 0.25
"""How long events that nobody waits for, because they are too many, may take before the books are closed."""


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    name: str
    warm_up: int
    """Connections that are there before anything is measured: enough to use up what memory a start leaves free."""
    idle_steps: tuple[int, ...]
    """Connections at which memory is read; 0 is as many as the file limit allows, for the gateway alone."""
    idle_seconds: float
    heartbeat_seconds: float
    connects: int
    missed_events: int
    crowds: tuple[int, ...]
    """Connections that an event goes to."""
    peers_crowd: int
    """Largest crowd for peers: all of them are connected at once."""
    rounds: int
    messages: int
    """Events in each round."""
    round_seconds: float
    """A round is cut short at about that."""
    fanout_users: int
    """Users that an event goes to, with a connection each."""
    broadcast_users: int
    """Users of the project when everyone is sent to."""
    unicast_users: int
    unicast_seconds: float
    sync_users: int
    sync_rate: float
    sync_seconds: float
    inboxes: tuple[int, ...]
    list_requests: int
    """Of each filter of each inbox, in all rounds."""
    storm: int
    storm_of_one: int
    """Connections of one user."""
    recovery_users: int
    outages: tuple[tuple[str, float], ...]
    """How Redis is lost, one after the other, and for how many seconds: `kill`, `restart` or `pause`."""
    hostile_users: int
    """Those who must not notice."""
    hostile_peers: int
    """Of each kind."""
    hostile_rate: float
    hostile_seconds: float
    durability_seconds: float
    burst_events: int
    burst_repeats: int
    soak_users: int
    soak_rate: float
    soak_seconds: float = 0.0


FULL = Plan(
    name="full",
    warm_up=1000,
    idle_steps=(500, 1000, 2000, 0),
    idle_seconds=25,
    heartbeat_seconds=25,
    connects=2000,
    missed_events=10,
    crowds=(250, 1000, 4000),
    peers_crowd=1000,
    rounds=5,
    messages=20,
    round_seconds=0.8,
    fanout_users=4000,
    broadcast_users=100_000,
    unicast_users=1000,
    unicast_seconds=3,
    sync_users=100,
    sync_rate=200,
    sync_seconds=4,
    inboxes=(100, 10_000, 100_000),
    list_requests=100,
    storm=10_000,
    storm_of_one=1000,
    recovery_users=10_000,
    outages=(("kill", 1), ("pause", 10)),
    hostile_users=500,
    hostile_peers=10,
    hostile_rate=200,
    hostile_seconds=4,
    durability_seconds=2,
    burst_events=20,
    burst_repeats=20,
    soak_users=1000,
    soak_rate=100,
)

QUICK = Plan(
    name="quick",
    warm_up=500,
    idle_steps=(500, 1000),
    idle_seconds=4,
    heartbeat_seconds=2,
    connects=500,
    missed_events=10,
    crowds=(500,),
    peers_crowd=500,
    rounds=5,
    messages=20,
    round_seconds=1.0,
    fanout_users=500,
    broadcast_users=2000,
    unicast_users=200,
    unicast_seconds=1.5,
    sync_users=50,
    sync_rate=100,
    sync_seconds=2,
    inboxes=(100, 2000),
    list_requests=40,
    storm=500,
    storm_of_one=200,
    recovery_users=500,
    outages=(("kill", 1),),
    hostile_users=100,
    hostile_peers=5,
    hostile_rate=100,
    hostile_seconds=2,
    durability_seconds=0.7,
    burst_events=20,
    burst_repeats=5,
    soak_users=100,
    soak_rate=50,
)

TINY = Plan(
    name="tiny",
    warm_up=2,
    idle_steps=(5, 10),
    idle_seconds=1.5,
    heartbeat_seconds=0.5,
    connects=10,
    missed_events=3,
    crowds=(10,),
    peers_crowd=10,
    rounds=2,
    messages=5,
    round_seconds=0.5,
    fanout_users=10,
    broadcast_users=30,
    unicast_users=10,
    unicast_seconds=0.5,
    sync_users=5,
    sync_rate=40,
    sync_seconds=0.5,
    inboxes=(20, 40),
    list_requests=15,
    storm=10,
    storm_of_one=5,
    recovery_users=10,
    outages=(("restart", 0.2), ("pause", 0.2)),
    hostile_users=5,
    hostile_peers=1,
    hostile_rate=20,
    hostile_seconds=1,
    durability_seconds=0.2,
    burst_events=5,
    burst_repeats=2,
    soak_users=10,
    soak_rate=40,
)

LONG = replace(
    FULL,
    name="long",
    outages=tuple((how, seconds) for seconds in (1, 10, 60) for how in ("kill", "restart", "pause")),
)

PLANS = {plan.name: plan for plan in (FULL, LONG, QUICK, TINY)}


@dataclass(frozen=True)
class Entrant:
    """A server that takes part."""

    name: str
    build: Callable[[Cores], Target]
    required: bool = False
    """Asked for by name: that it is missing is an error then."""


@dataclass
class Bench:
    """A run of scenarios. Rows are what it found."""

    plan: Plan
    cores: Cores
    transports: tuple[str, ...]
    peers: Sequence[Entrant] = ()
    with_gateway: bool = True
    workers: int = 1
    say: Callable[[str], None] = print
    floors: Sequence[Entrant] = tuple(Entrant(kind.name, kind) for kind in FLOORS)
    rows: list[Row] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    """What ended before it was measured."""

    # -- who takes part

    def gateway(self, **settings: str) -> GatewayTarget:
        """Build a gateway."""
        return GatewayTarget(self.cores, self.workers, **settings)

    @contextlib.asynccontextmanager
    async def started(self, entrant: Entrant) -> AsyncIterator[Target | None]:
        """Start a server for a block; None, and a note, when it is not installed. Raises MissingError if required."""
        if entrant.name in self.missing:
            yield None
            return
        target = entrant.build(self.cores)
        try:
            await target.start()
        except MissingError as missing:
            await target.stop()
            if entrant.required:
                raise
            self.missing[entrant.name] = str(missing)
            self.say(f"  {entrant.name}: not installed: {missing}")
            yield None
            return
        except BaseException:
            await target.stop()
            raise
        try:
            yield target
        except (OSError, ProcessGoneError) as problem:
            self.error(f"{entrant.name}: {problem}")  # the others are still to be measured
        finally:
            await target.stop()

    def error(self, problem: str) -> None:
        """Note what could not be measured, which makes the run a failure."""
        self.errors.append(problem)
        self.say(f"  ERROR: {problem}")

    @contextlib.asynccontextmanager
    async def own(self, **settings: str) -> AsyncIterator[GatewayTarget]:
        """Start a gateway for a block."""
        target = self.gateway(**settings)
        try:
            await target.start()
            yield target
        finally:
            await target.stop()

    def spoken(self, target: Target) -> list[str]:
        """Give the transports of a target that were asked for."""
        return [name for name in target.transports if name in self.transports or name == "raw"]

    # -- what is found

    def add(
        self, scenario: str, target: Target, transport: str, connections: int, faults: Faults, **figures: Any
    ) -> None:
        """Write down a row and show it."""
        row = {
            "scenario": scenario,
            "target": target.name,
            "ours": target.keeps_inbox,
            "transport": transport,
            "connections": connections,
            **rounded(figures),
            "faults": asdict(faults),
            "settings": target.settings,
        }
        self.rows.append(row)
        shown = ", ".join(
            f"{name} {_short(value)}"
            for name, value in rounded(figures).items()
            if value is not None and not isinstance(value, list)
        )
        self.say(f"  {target.name} {transport} × {connections}: {shown}" + (f"  FAULTS: {faults}" if faults else ""))

    @property
    def failed(self) -> bool:
        """Whether any event was lost, doubled or out of order, or anything else went wrong."""
        wrong = any(any(row["faults"].values()) or row.get("flat") is False for row in self.rows)
        return wrong or bool(self.errors)


class Meter:
    """CPU of a target and of the clients over a stretch of time. Raises ProcessGoneError when a process ended."""

    def __init__(self, target: Target):
        self._pids = target.pids()
        self._target = target
        self._before = machine.usage(self._pids)

    async def trailing(self) -> None:
        """Wait for what the server still does when everything has arrived, so that it is counted."""
        await asyncio.sleep(TRAILING_SECONDS)

    def read(self) -> Usage:
        """Give what was spent since the beginning."""
        return machine.usage(self._pids) - self._before

    def figures(self, count: float) -> dict[str, Any]:
        """Give the CPU of each of `count`, by role; None where the processes are not known."""
        spent = self.read()
        figures: dict[str, Any] = {**spent.per(count), "server_busy": spent.server_busy(self._target.cores)}
        if not self._pids:
            figures |= dict.fromkeys(("cpu_us", "cpu_us_server", "cpu_us_redis", "server_busy"))
        return {**figures, "client_busy": spent.client_busy}


@contextlib.contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Keep our own collector from pausing the clients."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def crowd_faults(crowd: Crowd) -> Faults:
    """Count what went wrong with the connections themselves."""
    return Faults(closed=crowd.ended, resets=crowd.resets)


async def verdict(crowd: Crowd, journal: Journal) -> Faults:
    """Count what went wrong, once what came too often had time to come."""
    await asyncio.sleep(VERDICT_SECONDS)
    return crowd_faults(crowd) + journal.verify(crowd.clients)


async def until(condition: Callable[[], Any], seconds: float = DELIVERY_SECONDS) -> bool:
    """Wait until a condition holds; say whether it did in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.005)
    return True


def median_or_none(values: Sequence[float | None]) -> float | None:
    """Give the median of what is known."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def rounded(figures: dict[str, Any]) -> dict[str, Any]:
    """Keep four digits of every figure: there is no more in them."""
    return {name: _rounded(value) for name, value in figures.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return rounded(value)
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value


def _short(value: Any) -> str:
    if isinstance(value, dict):
        shown = {name: value[name] for name in ("p50", "p99") if name in value} or value
        return "/".join(_short(each) for each in shown.values())
    return f"{value:g}" if isinstance(value, float) else str(value)
