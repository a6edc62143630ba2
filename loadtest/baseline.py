"""What a run is compared with: ratios to the floors of the same run, which a faster or slower machine does not move."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from loadtest.journal import Row
from loadtest.targets.floor import RAW, AsyncioFloorTarget

FILE = Path(__file__).parent / "baseline.json"
MOST_REGRESSION = 0.3
SCENARIO_OF = {"cpu": "fanout", "memory": "idle"}
"""Which scenario a figure comes from."""

Ratios = dict[str, float]
"""By name: `websocket cpu`, `sse memory`, …"""


def ratios(rows: list[Row]) -> Ratios:
    """Give our CPU per delivery over a Python `socket.send` of equal bytes, and memory over a bare asyncio protocol."""
    found: Ratios = {}
    ours = [row for row in rows if row["ours"]]
    for row in ours:
        if row["scenario"] == "fanout" and row.get("ratio_python"):
            found[f"{row['transport']} cpu"] = row["ratio_python"]  # that of the largest crowd comes last
    floors = [row for row in rows if row["scenario"] == "idle" and row["target"] == AsyncioFloorTarget.name]
    for row in ours:
        alike = [floor for floor in floors if floor["transport"] == RAW and floor["connections"] == row["connections"]]
        if row["scenario"] == "idle" and alike and alike[0].get("kb"):
            found[f"{row['transport']} memory"] = row["kb_server"] / alike[0]["kb"]
    return {name: round(value, 3) for name, value in found.items()}


def load(path: Path, plan: str) -> Ratios:
    """Read the ratios of a baseline, or of the result of an earlier run; none for a plan that it does not have."""
    content: Mapping[str, Any] = json.loads(path.read_text())
    if "rows" in content:
        return dict(content["ratios"]) if content["plan"]["name"] == plan else {}
    return dict(content.get(plan, {}).get("ratios", {}))


def write(path: Path, plan: str, found: Ratios, machine: Mapping[str, Any]) -> None:
    """Put ratios into a baseline, and where they come from; those of other plans stay."""
    content = json.loads(path.read_text()) if path.exists() else {}
    known = content.get(plan, {}).get("ratios", {})
    content[plan] = {"ratios": {**known, **found}, "machine": dict(machine)}
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def covered(before: Ratios, scenarios: Collection[str], transports: Collection[str]) -> Ratios:
    """Give the ratios of a baseline that a run of these should have found, too."""
    figures = [figure for figure, scenario in SCENARIO_OF.items() if scenario in scenarios]
    names = [f"{transport} {figure}" for transport in transports for figure in figures]
    return {name: before[name] for name in names if name in before}


def regressions(now: Ratios, before: Ratios) -> dict[str, float]:
    """Give the ratios that are worse by more than MOST_REGRESSION, as a share: 0.5 is half as much again."""
    worse = {name: now[name] / before[name] - 1 for name in before if name in now and before[name] > 0}
    return {name: round(share, 3) for name, share in worse.items() if share > MOST_REGRESSION}
