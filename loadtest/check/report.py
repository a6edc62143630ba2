"""The results of a run: a table and JSON."""

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from loadtest.check.violations import FaultRecord, Violation

HEAD = ("fault", "times", "seconds", "sent", "retried", "delivered", "resumed", "reset", "recovery", "violations")
MOST_SHOWN = 20


@dataclass(frozen=True)
class Result:
    """A finished run."""

    seed: int
    users: int
    seconds: float
    records: Sequence[FaultRecord]
    violations: Sequence[Violation]
    violation_count: int


def table(records: Sequence[FaultRecord]) -> str:
    """Return a Markdown table with a row for each fault. A row has the sums of all times a fault was injected."""
    rows = [list(HEAD), ["-" * len(name) for name in HEAD]]
    rows += [_row(name, [one for one in records if one.fault == name]) for name in dict.fromkeys(map(_name, records))]
    rows.append(_row("all", records))
    widths = [max(len(row[index]) for row in rows) for index in range(len(HEAD))]
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in rows
    )


def line(record: FaultRecord) -> str:
    """Return a line on one fault, for the progress."""
    return (
        f"{record.fault}: sent {record.sent}, delivered {record.delivered}, resumed {record.resumed}, "
        f"reset {record.reset}, recovered in {record.recovery_seconds:.1f} s, violations {record.violations}"
    )


def write(result: Result, path: Path) -> None:
    """Write a run as JSON."""
    body = {
        **{name: getattr(result, name) for name in ("seed", "users", "seconds", "violation_count")},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "faults": [asdict(record) for record in result.records],
        "violations": [violation.as_json() for violation in result.violations],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body, indent=2) + "\n")


def violations(result: Result) -> str:
    """Return a line for each of the first violations, and a line with the number of each kind."""
    lines = [str(violation) for violation in result.violations[:MOST_SHOWN]]
    if result.violation_count > MOST_SHOWN:
        lines.append(f"… and {result.violation_count - MOST_SHOWN} more")
    kinds: dict[str, int] = {}
    for record in result.records:
        for kind, count in record.kinds.items():
            kinds[kind] = kinds.get(kind, 0) + count
    summary = ", ".join(f"{count} × {kind}" for kind, count in kinds.items())
    return "\n".join([*lines, f"VIOLATIONS: {summary}" if summary else "no violation"])


def _name(record: FaultRecord) -> str:
    return record.fault


def _row(name: str, records: Sequence[FaultRecord]) -> list[str]:
    sums = [sum(getattr(record, column) for record in records) for column in HEAD[3:8]]
    slowest = max((record.recovery_seconds for record in records), default=0.0)
    seconds = sum(record.seconds for record in records)
    found = sum(record.violations for record in records)
    return [name, str(len(records)), f"{seconds:.0f}", *map(str, sums), f"{slowest:.1f} s", str(found)]
