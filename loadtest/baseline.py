"""The baseline: ratios to the floors of the same run. They do not depend on the speed of the machine."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from loadtest.journal import Row
from loadtest.targets.base import REST
from loadtest.targets.floor import RAW, AsyncioFloorTarget

FILE = Path(__file__).parent / "baseline.json"
MOST_REGRESSION = 0.3
REQUEST_FIGURES = ("create", "create_redis", "create_slowly", "mark", "list", "counts")
"""The kinds of requests whose CPU is compared with the bare path.

It is the CPU of the gateway. For one figure it is that of Redis.
"""

SCENARIO_OF = {"cpu": "fanout", "memory": "idle", **dict.fromkeys(REQUEST_FIGURES, "request")}
"""The scenario of each figure."""

Ratios = dict[str, float]
"""By name: `websocket cpu`, `sse memory`, `rest create`, …"""


def ratios(rows: list[Row]) -> Ratios:
    """Return the ratios of the gateway to the floors.

    The CPU of a delivery is divided by that of a Python `socket.send` of equal bytes, the memory of a connection by
    that of a bare asyncio protocol, and the CPU of a REST request by that of the same request of the bare path.
    """
    found: Ratios = {}
    ours = [row for row in rows if row["ours"]]
    for row in ours:
        if row["scenario"] == "fanout" and row.get("ratio_python"):
            found[f"{row['transport']} cpu"] = row["ratio_python"]  # the row of the largest crowd is the last
        if row["scenario"] == "request" and row["ratio"]:
            found[f"{row['transport']} {row['kind']}"] = row["ratio"]
            if row["kind"] == "create":  # for the other kinds, Redis does the same work on both sides
                found[f"{row['transport']} create_redis"] = row["ratio_redis"]
    floors = [row for row in rows if row["scenario"] == "idle" and row["target"] == AsyncioFloorTarget.name]
    for row in ours:
        alike = [floor for floor in floors if floor["transport"] == RAW and floor["connections"] == row["connections"]]
        if row["scenario"] == "idle" and alike and alike[0].get("kb"):
            found[f"{row['transport']} memory"] = row["kb_server"] / alike[0]["kb"]
    return {name: round(value, 3) for name, value in found.items()}


def load(path: Path, plan: str) -> Ratios:
    """Read the ratios of a plan from a baseline or the result of an earlier run.

    Return {} if it does not contain the plan.
    """
    content: Mapping[str, Any] = json.loads(path.read_text())
    if "rows" in content:
        return dict(content["ratios"]) if content["plan"]["name"] == plan else {}
    return dict(content.get(plan, {}).get("ratios", {}))


def write(path: Path, plan: str, found: Ratios, machine: Mapping[str, Any]) -> None:
    """Write ratios and their machine into a baseline. Those of other plans are kept."""
    content = json.loads(path.read_text()) if path.exists() else {}
    known = content.get(plan, {}).get("ratios", {})
    content[plan] = {"ratios": {**known, **found}, "machine": dict(machine)}
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def covered(before: Ratios, scenarios: Collection[str], transports: Collection[str]) -> Ratios:
    """Return the ratios of a baseline that a run of these scenarios and transports must also have."""
    figures = [figure for figure, scenario in SCENARIO_OF.items() if scenario in scenarios]
    names = [f"{transport} {figure}" for transport in (*transports, REST) for figure in figures]
    return {name: before[name] for name in names if name in before}


def regressions(now: Ratios, before: Ratios) -> dict[str, float]:
    """Return by how much ratios are worse, of those that are worse by more than MOST_REGRESSION. 0.5 is 50 %."""
    worse = {name: now[name] / before[name] - 1 for name in before if name in now and before[name] > 0}
    return {name: round(share, 3) for name, share in worse.items() if share > MOST_REGRESSION}
