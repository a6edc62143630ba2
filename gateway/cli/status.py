"""`status`: what runs now, from the reports that processes leave in the store. No HTTP is needed."""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.configuration import read_settings, with_known_secret_key
from gateway.cli.store_access import bundled_valkey_runs, run_with_projects
from gateway.cli.terminal import printable

if TYPE_CHECKING:
    from gateway.cli.status_report import Status
    from gateway.store.projects import ProjectStore

NOTHING_RUNS = 3
"""The exit code if no process serves, as `systemctl status` has it."""

MEGABYTE = 1024 * 1024
LANES = 20
"""How many lanes are printed."""


@click.command()
@click.option("--watch", is_flag=True, help="Repeat until interrupted.")
@click.option("--seconds", type=click.FloatRange(0.2), default=2.0, show_default=True, help="Between repetitions.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with --watch one on each line.")
def status(watch: bool, seconds: float, as_json: bool) -> None:
    """Print what runs now and the latest failures.

    It shows the processes, connections, store, deliveries and jobs.

    It is read from the store, where each process reports every two seconds, so it shows all machines.

    The exit code is 0 if the gateway serves, 3 if no process does, and 1 if the store cannot be reached.
    """
    settings = with_known_secret_key(read_settings())
    if settings.embedded and not bundled_valkey_runs(settings):
        _nothing_runs(
            f"nothing runs with the data of {settings.data_dir}: start it with `inbox-gateway serve`", as_json
        )
    serves = False

    async def work(projects: "ProjectStore") -> None:
        from gateway.cli.status_report import read_status

        nonlocal serves
        while True:
            found = await read_status(projects)
            serves = found.serves
            if watch and not as_json:
                click.clear()
            click.echo(_as_json(found, indent=None if watch else 2) if as_json else printable("\n".join(_lines(found))))
            if not watch:
                return
            sys.stdout.flush()
            await asyncio.sleep(seconds)

    try:
        # The keys of projects are not used, so another secret key does no harm here.
        run_with_projects(settings, work, check_secret_key=False)
    except KeyboardInterrupt:
        return
    if not serves:
        sys.exit(NOTHING_RUNS)


def _nothing_runs(text: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"processes": [], "problem": text}))
    else:
        click.echo(text)
    sys.exit(NOTHING_RUNS)


def _as_json(found: "Status", indent: int | None) -> str:
    import msgspec

    return json.dumps(msgspec.to_builtins(found), indent=indent, ensure_ascii=False)


def _lines(found: "Status") -> Iterator[str]:
    """Yield the lines of a screen, a paragraph for each part."""
    yield f"inbox-gateway {found.version}  {found.at[:19].replace('T', ' ')} UTC"
    yield ""
    if found.processes:
        rows = [
            (
                each["kind"],
                each["host"],
                str(each["pid"]),
                each["version"],
                duration(each["uptime_seconds"]),
                f"{each['connections']:,}" if each["kind"] == "worker" else "",
                f"{each['loop_lag_ms']:.1f} ms",
                f"{each['redis_ms']:.1f} ms" if each["redis_ms"] is not None else "unreachable",
            )
            for each in found.processes
        ]
        yield from _table(("process", "host", "pid", "version", "up", "connections", "busy", "store"), rows)
    else:
        yield "no process runs: start one with `inbox-gateway serve`"
    counts = {name: count for name, count in found.connections.items() if name != "total" and count}
    named = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())
    yield ""
    yield f"connections  {found.connections['total']:,}{f' ({named})' if named else ''}"
    for each in found.servers:
        yield f"store        {_server(each)}"
    yield from _deliveries(found)
    jobs = found.jobs
    late = f", the first for {duration(jobs['late_seconds'])}" if jobs["waiting"] and jobs["late_seconds"] else ""
    yield f"jobs         {jobs['running']:,} running, {jobs['waiting']:,} waiting{late}"
    if found.failures:
        yield ""
        failed = [
            (each.failed_at[:19].replace("T", " "), each.project, each.channel, each.state, each.reason)
            for each in found.failures
        ]
        yield from _table(("failed at (UTC)", "project", "channel", "state", "reason"), failed)


def _deliveries(found: "Status") -> Iterator[str]:
    waiting = sum(each.waiting for each in found.lanes)
    parked = sum(each.state == "parked" for each in found.lanes)
    late = max((each.late_seconds for each in found.lanes if each.state != "parked"), default=0)
    yield f"deliveries   {waiting:,} users wait, the oldest for {duration(late)}; {parked:,} lanes are parked"
    if found.lanes:
        yield ""
        rows = [
            (each.project, each.lane, each.state, f"{each.waiting:,}", duration(each.late_seconds), each.reason or "")
            for each in found.lanes[:LANES]
        ]
        yield from _table(("project", "lane", "state", "waiting", "late", "reason"), rows)
        yield ""


def _server(server: dict[str, Any]) -> str:
    if server["problem"]:
        return f"{server['name']}: {server['problem']}"
    used, most = server["used_memory"], server["max_memory"]
    parts = [
        f"{server['version']} {server['name']}".rstrip(),
        f"{used // MEGABYTE:,} of {most // MEGABYTE:,} MB ({100 * used // most} %)"
        if most
        else f"{used // MEGABYTE:,} MB, no limit",
        f"{server['clients']:,} clients",
        f"{server['commands_per_second']:,} commands/s",
        server["persistence"] if server["saves_well"] else f"{server['persistence']}, WRITING TO DISK FAILS",
    ]
    if server["replicas"]:
        parts.append(f"{server['replicas']} replicas")
    if server["evicted_keys"]:
        parts.append(f"{server['evicted_keys']:,} KEYS EVICTED")
    return ", ".join(parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    for row in (head, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def duration(seconds: int) -> str:
    """Return a time in at most two units."""
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if seconds >= size:
            return f"{seconds // size} {unit} {seconds % size // smaller} {name}"
    return f"{seconds} s"
