"""One run: its sizes, the servers that take part, and the rows that it finds."""

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
    """It was asked for by name: it is an error when it is not installed."""


@dataclass
class Bench:
    """A run of scenarios, which add rows."""

    sizes: Sizes
    cores: Cores
    transports: tuple[str, ...]
    peers: Sequence[Entrant] = ()
    with_gateway: bool = True
    workers: int = 1
    say: Callable[[str], None] = print
    floors: Sequence[Entrant] = tuple(Entrant(kind.name, kind) for kind in FLOORS)
    rows: list[Row] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    """How each server that is not installed would be installed, by name."""
    errors: list[str] = field(default_factory=list)
    """What could not be measured to the end."""

    # -- the servers

    def gateway(self, **settings: str) -> GatewayTarget:
        """Return a gateway that is not started."""
        return GatewayTarget(self.cores, self.workers, **settings)

    @contextlib.asynccontextmanager
    async def started(self, entrant: Entrant) -> AsyncIterator[Target | None]:
        """Run a server for a block; None when it is not installed. Raises MissingError when it is required then."""
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
            self.error(f"{entrant.name}: {problem}")  # the other servers are still measured
        finally:
            await target.stop()

    def error(self, problem: str) -> None:
        """Record and print what could not be measured; the run fails then."""
        self.errors.append(problem)
        self.say(f"  ERROR: {problem}")

    @contextlib.asynccontextmanager
    async def own(self, **settings: str) -> AsyncIterator[GatewayTarget]:
        """Run a gateway for a block."""
        target = self.gateway(**settings)
        try:
            await target.start()
            yield target
        finally:
            await target.stop()

    def spoken(self, target: Target) -> list[str]:
        """Return the transports of a target that are measured."""
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
        self.say(f"  {target.name} {transport} × {connections}: {shown}" + (f"  FAULTS: {faults}" if faults else ""))

    @property
    def failed(self) -> bool:
        """Whether any row has faults, a soak was not flat, or something could not be measured."""
        wrong = any(any(row["faults"].values()) or row.get("flat") is False for row in self.rows)
        return wrong or bool(self.errors)
