"""The files of a run: `result.json`, `table.md`, and `report.html` with the plots, in one directory.

`result.json` contains everything from which the others are generated, so that they can be generated again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from loadtest import goals, plots
from loadtest.baseline import Ratios
from loadtest.bench import Bench
from loadtest.journal import Row
from loadtest.targets.base import REST

Result = Mapping[str, Any]
"""The content of result.json."""

Table = tuple[list[str], list[list[Any]]]
"""The head and the rows."""

_READING = """
CPU is all CPU time of a server and its Redis, in user space and the kernel. The request that triggers an event is
included: with a thousand connections a delivery includes a thousandth of a request, with 250 a 250th.

A floor receives the same requests, and sends each connection the same payload, or as many bytes as the gateway sends. A
ratio is to the floor of the nearest size. A floor never writes two events at once, but the gateway may: see writes per
delivery.

The highest rate is that of requests at a constant rate, each for one user. Latency counts from the moment when a
request is due. A rate holds if nothing is lost, 99 % arrive within 250 ms, and no queue remains. The highest rate is
accurate to 8 %. A ≥ means that the clients were busier than the server, which might reach a higher rate. The ratio of
p99 to p50 is the median of five windows. The percentiles are of all events.

A broadcast goes to all users, of whom a hundred are connected. It ends when GET /broadcasts/{id} returns that it is
processed. During it, Redis has its own core: with two cores, it is that of the clients, which do nearly nothing. A page
of an inbox is compared with the same page of the smallest inbox, and both are requested alternately. The CPU of Redis
is that of its whole process.

Memory is the growth of the resident set per connection, of all processes and of Redis, after a garbage collection if
the server is Python or Node. The memory of the kernel for a socket is not included for any server.

A REST request is compared with one bare Python process that sends the same call, or for a POST a smaller one, to the
same Redis, and writes as many bytes (loadtest/targets/servers/bare_path.py lists what it leaves out). Both alternate on
connections that stay open. In this measurement the gateway writes its access log.

Deliveries wait when the delivery worker starts. Their providers answer at once, and run beside the clients. The rate of
a core is what the CPU of the worker alone would allow; the worker has one core, and Redis shares that of the clients if
there are two. Live events beside deliveries are measured with the worker on any core.

In all others, no server writes access logs, compresses or encrypts. The gateway has no rate limits and no limit of
connections per user, but checks credentials (connects: existing users, by HMAC) and stores the inbox. Peers store
nothing.
"""
"""The notes below the tables."""


def write(bench: Bench, machine: Mapping[str, Any], ratios: Ratios, directory: Path, notes: Sequence[str]) -> str:
    """Write all files, and return the tables of the goals and of the servers."""
    directory.mkdir(parents=True, exist_ok=True)
    result = {
        "machine": machine,
        "plan": asdict(bench.sizes),
        "workers": bench.workers,
        "ratios": ratios,
        "not_installed": bench.missing,
        "errors": bench.errors,
        "notes": list(notes),
        "rows": bench.rows,
    }
    (directory / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    short = "\n\n".join(table(*content) for _, content in summaries(bench.rows))
    parts = [*summaries(bench.rows), *_details(bench.rows)]
    reading = "\n".join(f"- {line}" for line in how_to_read(machine))
    text = "\n\n".join([where(result), *(f"## {title}\n\n{table(*content)}" for title, content in parts), reading])
    (directory / "table.md").write_text(text + "\n")
    (directory / "report.html").write_text(_page(result))
    return short


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table as Markdown with aligned columns."""
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


# ---- the first tables


def summaries(rows: Sequence[Row]) -> list[tuple[str, Table]]:
    """Return the table of the goals and that of the servers, with their titles, without empty ones."""
    found = [
        ("Goals and measurements", goals.table(goals.judge(rows))),
        ("Side by side", servers(rows)),
    ]
    return [(title, content) for title, content in found if content[1]]


def servers(rows: Sequence[Row]) -> Table:
    """Return the table of the servers, ours first."""
    head = [
        "server",
        "transport",
        "KB per connection",
        "CPU per delivery, µs",
        "× send() of equal bytes",
        "× the same in C",
        "bytes per message",
        "CPU of the client per delivery, µs",
        "CPU per published and delivered message, µs",
        "of that Redis",
        "highest rate /s",
        "p50 / p99 ms at half of it",
        "connects /s",
        "faults",
    ]
    body = []
    for target, transport in dict.fromkeys((row["target"], row["transport"]) for row in rows):
        if transport == REST:
            continue
        mine = [row for row in rows if (row["target"], row["transport"]) == (target, transport)]
        fanout, floors = _best_crowd([row for row in mine if row["scenario"] == "fanout"])
        idle = _at_most(mine, 2000)
        unicast = next((row for row in mine if row["scenario"] == "unicast" and row["at"].startswith("50%")), {})
        connect = next((row for row in mine if row["scenario"] == "connect" and row["how"] in goals.ORDINARY_WAYS), {})
        latency = unicast.get("latency_ms") or {}
        body += [
            [
                target,
                transport,
                idle.get("kb"),
                fan.get("cpu_us"),
                fan.get("ratio_python"),
                fan.get("ratio_c"),
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


def _best_crowd(rows: Sequence[Row]) -> tuple[Row, list[Row]]:
    """Return a row of the crowd nearest to 1,000 connections, and all rows of that crowd if there are several.

    Floors have a row for each size of message.
    """
    if not rows:
        return {}, []
    size = min((row["connections"] for row in rows), key=lambda connections: abs(connections - 1000))
    found = [row for row in rows if row["connections"] == size]
    return found[0], found if len(found) > 1 else []


def _highest(rows: Sequence[Row]) -> str | None:
    """Return the highest rate that held, None if none did."""
    row = next((row for row in rows if row["scenario"] == "unicast" and row["highest"]), None)
    if row is None:
        return None
    limited_by_clients = row["client_busy"] > (row["server_busy"] or 0)
    return ("≥ " if limited_by_clients else "") + f"{row['highest']:,.0f}"


def how_to_read(machine: Mapping[str, Any]) -> list[str]:
    """Return the notes, with one on the cores of the machine."""
    server, redis, clients = (set(machine[f"{name}_cores"]) for name in ("server", "redis", "client"))
    if server & clients:
        cores = "Server and clients share the only core: CPU and memory are valid, rates and latencies mean little."
    elif server & redis:
        cores = (
            "Server and Redis share a core: the highest rate of the gateway is that of both. Clients have other cores."
        )
    else:
        cores = "The server has one core, Redis another one, and the clients have the rest."
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
        hidden = {"scenario", "ours", "faults", "settings", "samples", "rounds_cpu_us", "growth", "allowed", "failures"}
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


# ---- the page


_STYLE = (
    f"<style>body{{font:14px system-ui;margin:2em;max-width:1200px}}{plots.STYLE}svg{{width:800px;max-width:100%;"
    "display:block;margin:1.5em 0}table{border-collapse:collapse;margin:1em 0;font-size:12px}td,th{border:1px solid "
    "#ddd;padding:3px 6px;text-align:right}td:first-child,th:first-child{text-align:left}.scroll{overflow-x:auto}"
    "</style>"
)


def _page(result: Result) -> str:
    rows = result["rows"]
    missing = [f"{name}: not installed: {how}" for name, how in result["not_installed"].items()]
    summary, details = (
        [f'<h2>{escape(title)}</h2><div class="scroll">{_html_table(*content)}</div>' for title, content in tables]
        for tables in (summaries(rows), _details(rows))
    )
    return "\n".join(
        [
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>What the inbox gateway costs</title>',
            _STYLE,
            f"<h1>What the inbox gateway costs</h1><p>{escape(where(result))}</p>",
            *(f"<p>{escape(note)}</p>" for note in [*result["notes"], *missing, *result["errors"]]),
            *summary,
            *(chart.svg() for chart in [*plots.of_servers(rows).values(), *plots.of_ourselves(rows)]),
            "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in how_to_read(result["machine"])) + "</ul>",
            *details,
            "</html>",
        ]
    )


def _html_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(_cell(value))}</td>" for value in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def where(result: Result) -> str:
    """Return the commit, the machine and the plan of a result, as a sentence."""
    machine = result["machine"]
    return (
        f"Commit {machine['commit']}, {machine['date']}: {machine['cores']} cores ({machine['cpu']}), "
        f"{machine['memory_gb']} GB, Linux {machine['kernel']}, Python {machine['python']}; server on core "
        f"{_list(machine['server_cores'])}, Redis on {_list(machine['redis_cores'])}, clients on "
        f"{_list(machine['client_cores'])}; plan {result['plan']['name']}, {result['workers']} worker(s), "
        f"{machine['seconds']} s, during which other programs used {machine['others_busy']:.0%} of the cores."
    )


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
