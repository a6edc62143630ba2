"""One run: its sizes, the servers that take part, and the measured rows."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from loadtest.cores import Cores
from loadtest.figures import rounded, short
from loadtest.journal import Faults, Row
from loadtest.machine import ProcessGoneError
from loadtest.sizes import Sizes
from loadtest.targets import FLOORS
from loadtest.targets.base import MissingError, Target
from loadtest.targets.gateway import GatewayTarget


@dataclass(frozen=True)
class Entrant:
    """A server that takes part."""

    name: str
    build: Callable[[Cores], Target]
    required: bool = False
    """Whether it was requested by name, and must be installed."""


@dataclass
class Bench:
    """A run of scenarios. Scenarios add rows to it."""

    sizes: Sizes
    cores: Cores
    transports: tuple[str, ...]
    peers: Sequence[Entrant] = ()
    with_gateway: bool = True
    workers: int = 1
    progress: Callable[[str], None] = print
    floors: Sequence[Entrant] = tuple(Entrant(kind.name, kind) for kind in FLOORS)
    rows: list[Row] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    """How to install each server that is not installed, by name."""
    errors: list[str] = field(default_factory=list)
    """The measurements that failed."""

    # -- the servers

    def gateway(self, **settings: str) -> GatewayTarget:
        """Return a gateway that is not started."""
        return GatewayTarget(self.cores, self.workers, **settings)

    @contextlib.asynccontextmanager
    async def started(self, entrant: Entrant) -> AsyncIterator[Target | None]:
        """Run a server for a block. Yield None if it is not installed, or raise MissingError if it is required."""
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
            self.progress(f"  {entrant.name}: not installed: {missing}")
            yield None
            return
        except BaseException:
            await target.stop()
            raise
        try:
            yield target
        except (OSError, ProcessGoneError) as problem:
            self.error(f"{entrant.name}: {problem}")  # the run continues with the other servers
        finally:
            await target.stop()

    def error(self, problem: str) -> None:
        """Record and print a measurement that failed. The run then fails."""
        self.errors.append(problem)
        self.progress(f"  ERROR: {problem}")

    @contextlib.asynccontextmanager
    async def own(self, **settings: str) -> AsyncIterator[GatewayTarget]:
        """Run a gateway for a block."""
        target = self.gateway(**settings)
        try:
            await target.start()
            yield target
        finally:
            await target.stop()

    def measured_transports(self, target: Target) -> list[str]:
        """Return the transports of a target that this run measures."""
        return [name for name in target.transports if name in self.transports or name == "raw"]

    # -- the rows

    def add(
        self, scenario: str, target: Target, transport: str, connections: int, faults: Faults, **figures: Any
    ) -> None:
        """Add a row and print it."""
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
            f"{name} {short(value)}"
            for name, value in rounded(figures).items()
            if value is not None and not isinstance(value, list)
        )
        self.progress(
            f"  {target.name} {transport} × {connections}: {shown}" + (f"  FAULTS: {faults}" if faults else "")
        )

    @property
    def failed(self) -> bool:
        """Whether any row has faults, a soak was not flat, or something could not be measured."""
        wrong = any(any(row["faults"].values()) or row.get("flat") is False for row in self.rows)
        return wrong or bool(self.errors)
