"""What a run leaves behind: `result.json`, `table.md` and `report.html` with the plots, in one directory."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from loadtest.baseline import Ratios
from loadtest.bench import Bench
from loadtest.charts import Chart, Line
from loadtest.journal import Row

Column = tuple[str, Callable[[Row], Any]]

_READING = """
CPU counts everything that a server and its Redis compute, in user space and the kernel, the request that triggers an
event included: with a thousand connections a delivery bears a thousandth of a request, with 250 a 250th.

A floor takes the same requests and sends to each connection the same payload, or as many bytes as the gateway does: a
ratio is that to the nearest size. It never joins two events in one write, as the gateway may: see writes per delivery.

The highest rate is of requests for one user each that arrive at a constant rate, with latency from when one was due:
nothing lost, 99 % within 250 ms, no queue left. It is known to 15 %. With ≥ the clients were busier than the server,
which might have done more.

Memory is the growth of the resident set per connection, of all processes and of Redis, after a collection of garbage
where the server is Python or Node. What the kernel keeps for a socket is in nobody's.

Nobody writes access logs, compresses or encrypts; the gateway has no rate limits and no limit of connections per user,
but checks credentials (connects: known users, by HMAC) and stores the inbox. Peers store nothing.
"""
"""What one must know to read the table."""

_PERCENTILES = ("p50", "p90", "p99", "p99.9", "max")


def write(bench: Bench, machine: Mapping[str, Any], ratios: Ratios, directory: Path, notes: Sequence[str]) -> str:
    """Write everything; give the summary table."""
    directory.mkdir(parents=True, exist_ok=True)
    result = {
        "machine": machine,
        "plan": asdict(bench.plan),
        "ratios": ratios,
        "not_installed": bench.missing,
        "errors": bench.errors,
        "notes": list(notes),
        "rows": bench.rows,
    }
    (directory / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    summary = table(*_summary(bench.rows))
    details = [(title, table(*content)) for title, content in _details(bench.rows)]
    reading = "\n".join(f"- {line}" for line in _how_to_read(machine))
    text = "\n\n".join(
        [_where(bench, machine), summary, reading, *(f"## {title}\n\n{body}" for title, body in details)]
    )
    (directory / "table.md").write_text(text + "\n")
    (directory / "report.html").write_text(_page(bench, machine, notes))
    return summary


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Lay out a table, as Markdown that is readable as it is."""
    cells = [list(head), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(head))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _cell(value: Any) -> str:
    if value is None or value == {}:
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


# ---- the one table


def _summary(rows: Sequence[Row]) -> tuple[list[str], list[list[Any]]]:
    head = [
        "server",
        "transport",
        "KB a connection",
        "CPU a delivery, µs",
        "× send() of as many bytes",
        "bytes a message",
        "client's CPU a delivery, µs",
        "CPU a published + delivered message, µs",
        "of it Redis",
        "highest rate /s",
        "p50 / p99 ms at half of it",
        "connects /s",
        "faults",
    ]
    body = []
    for target, transport in dict.fromkeys((row["target"], row["transport"]) for row in rows):
        if transport == "rest":
            continue
        mine = [row for row in rows if (row["target"], row["transport"]) == (target, transport)]
        fanout, floors = _best_crowd([row for row in mine if row["scenario"] == "fanout"])
        idle = _at_most(mine, 2000)
        unicast = next((row for row in mine if row["scenario"] == "unicast" and row["at"].startswith("50%")), {})
        connect = next((row for row in mine if row["scenario"] == "connect" and row["how"] in _ORDINARY), {})
        latency = unicast.get("latency_ms") or {}
        body += [
            [
                target,
                transport,
                idle.get("kb"),
                fan.get("cpu_us"),
                fan.get("ratio_python"),
                fan.get("bytes_per_message"),
                fan.get("cpu_us_client"),
                unicast.get("cpu_us"),
                unicast.get("cpu_us_redis") or None,
                _highest(mine),
                f"{latency['p50']:.3g} / {latency['p99']:.3g}" if latency else None,
                connect.get("per_second"),
                _faults(mine),
            ]
            for fan in (floors or [fanout])
        ]
    return head, body


_ORDINARY = ("HMAC", "no credentials")


def _best_crowd(rows: Sequence[Row]) -> tuple[Row, list[Row]]:
    """Give the row of the crowd nearest to 1,000 connections; floors have one for each size of message."""
    if not rows:
        return {}, []
    size = min((row["connections"] for row in rows), key=lambda connections: abs(connections - 1000))
    found = [row for row in rows if row["connections"] == size]
    return found[0], found if len(found) > 1 else []


def _highest(rows: Sequence[Row]) -> str | None:
    """Give the highest rate that held; none of them is one where none did."""
    row = next((row for row in rows if row["scenario"] == "unicast" and row["highest"]), None)
    if row is None:
        return None
    limited_by_clients = row["client_busy"] > (row["server_busy"] or 0)
    return ("≥ " if limited_by_clients else "") + f"{row['highest']:,.0f}"


def _how_to_read(machine: Mapping[str, Any]) -> list[str]:
    """Give the notes, with what the machine's cores mean."""
    server, redis, clients = (set(machine[f"{name}_cores"]) for name in ("server", "redis", "client"))
    if server & clients:
        cores = "There is one core only, which the clients share: rates and latencies say little, CPU and memory hold."
    elif server & redis:
        cores = (
            "Server and Redis share one core: the gateway's highest rate is that of both together. Clients have others."
        )
    else:
        cores = "The server has one core, Redis another one, and clients the rest."
    return [*(" ".join(part.split()) for part in _READING.split("\n\n")), cores]


def _at_most(rows: Sequence[Row], connections: int) -> Row:
    found = [row for row in rows if row["scenario"] == "idle" and row["connections"] <= connections]
    return found[-1] if found else {}


def _faults(rows: Sequence[Row]) -> str:
    counts: dict[str, int] = {}
    for row in rows:
        for name, count in row["faults"].items():
            counts[name] = counts.get(name, 0) + count
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"


# ---- a table for each scenario


def _details(rows: Sequence[Row]) -> list[tuple[str, tuple[list[str], list[list[Any]]]]]:
    found = []
    for scenario in dict.fromkeys(row["scenario"] for row in rows):
        mine = [row for row in rows if row["scenario"] == scenario]
        hidden = {"scenario", "ours", "faults", "settings", "samples", "rounds_cpu_us", "growth"}
        names = [name for name in dict.fromkeys(name for row in mine for name in row) if name not in hidden]
        head = [name.replace("_", " ") for name in names]
        found.append(
            (
                scenario,
                ([*head, "faults"], [[*(_flat(row.get(name)) for name in names), _faults([row])] for row in mine]),
            )
        )
    return found


def _flat(value: Any) -> Any:
    if isinstance(value, dict):
        return " / ".join(f"{value[name]:.3g}" for name in ("p50", "p99") if name in value)
    return value


# ---- the plots


_STYLE = (
    "<style>body{font:14px system-ui;margin:2em;max-width:1200px}svg{width:760px;max-width:100%;display:block;"
    "margin:1.5em 0}text{font:12px system-ui}.title{font-size:15px;font-weight:600}.tick{font-size:11px}"
    ".grid{stroke:#ddd}table{border-collapse:collapse;margin:1em 0;font-size:12px}td,th{border:1px solid #ddd;"
    "padding:3px 6px;text-align:right}td:first-child,th:first-child{text-align:left}.scroll{overflow-x:auto}"
    "</style>"
)


def _page(bench: Bench, machine: Mapping[str, Any], notes: Sequence[str]) -> str:
    charts = [chart.svg() for chart in _charts(bench.rows)]
    tables = [("Summary", _summary(bench.rows)), *_details(bench.rows)]
    missing = [f"{name}: not installed: {how}" for name, how in bench.missing.items()]
    return "\n".join(
        [
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>What the inbox gateway costs</title>',
            _STYLE,
            f"<h1>What the inbox gateway costs</h1><p>{escape(_where(bench, machine))}</p>",
            *(f"<p>{escape(note)}</p>" for note in [*notes, *missing, *bench.errors]),
            *charts,
            "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in _how_to_read(machine)) + "</ul>",
            *(
                f'<h2>{escape(title)}</h2><div class="scroll">{_html_table(*content)}</div>'
                for title, content in tables
            ),
            "</html>",
        ]
    )


def _html_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(_cell(value))}</td>" for value in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _where(bench: Bench, machine: Mapping[str, Any]) -> str:
    return (
        f"Commit {machine['commit']}, {machine['date']}: {machine['cores']} cores ({machine['cpu']}), "
        f"{machine['memory_gb']} GB, Linux {machine['kernel']}, Python {machine['python']}; server on core "
        f"{machine['server_cores']}, Redis on {machine['redis_cores']}, clients on {machine['client_cores']}; "
        f"plan {bench.plan.name}, {bench.workers} worker(s)."
    )


def _charts(rows: Sequence[Row]) -> list[Chart]:
    latency = Chart(
        "Publish to receive, at half of each server's highest rate",
        "percentile",
        "ms",
        log_y=True,
        categories=_PERCENTILES,
    )
    for row in rows:
        if row["scenario"] == "unicast" and row["at"].startswith("50%") and row["latency_ms"]:
            points = [(float(index), row["latency_ms"][name]) for index, name in enumerate(_PERCENTILES)]
            latency.lines.append(Line(f"{row['target']}, {row['transport']}", points))
    return [
        latency,
        Chart("CPU per delivery", "connections", "µs", _lines(rows, "fanout", "cpu_us"), log_x=True),
        Chart("Resident memory per idle connection", "connections", "KB", _lines(rows, "idle", "kb"), log_x=True),
        _listing(rows),
        *_soaks(rows),
    ]


def _lines(rows: Sequence[Row], scenario: str, figure: str) -> list[Line]:
    lines: dict[str, dict[float, float]] = {}
    for row in rows:
        if row["scenario"] == scenario and row.get(figure) is not None:
            points = lines.setdefault(f"{row['target']}, {row['transport']}", {})
            points.setdefault(row["connections"], row[figure])  # a floor's first row is that of the plain payload
    return [Line(name, list(points.items())) for name, points in lines.items()]


def _listing(rows: Sequence[Row]) -> Chart:
    chart = Chart("CPU per page of an inbox, server and Redis", "items in the inbox", "µs", log_x=True)
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row["scenario"] == "list":
            lines.setdefault(row["filter"], []).append((row["items"], row["cpu_us"]))
    chart.lines = [Line(name, points) for name, points in lines.items()]
    return chart


def _soaks(rows: Sequence[Row]) -> list[Chart]:
    charts = []
    for row in rows:
        if row["scenario"] == "soak":
            for figure, unit in (("_kb", "KB"), ("tasks", "tasks"), ("files", "file descriptors")):
                names = [name for name in row["samples"][0] if name.endswith(figure)] if row["samples"] else []
                lines = [Line(name, [(point["seconds"], point[name]) for point in row["samples"]]) for name in names]
                charts.append(Chart(f"Soak over {row['transport']}: {unit}", "seconds", unit, lines))
    return charts
