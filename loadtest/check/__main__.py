"""The command line of the checker: `python -m loadtest check`."""

import asyncio
import secrets
import shlex
import signal
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path

import click
import uvloop

from loadtest.check import report
from loadtest.check.fault import Fault
from loadtest.check.faults import FAULTS
from loadtest.check.run import CheckPlan, PromiseCheck
from loadtest.servers.gateway import GATEWAY

PROGRESS_SECONDS = 5.0
QUICK_USERS = 8
QUICK_FAULT_SECONDS = 1.5


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--fault",
    "names",
    multiple=True,
    type=click.Choice([fault.name for fault in FAULTS]),
    help="Inject only this fault. May be repeated. Default: all.",
)
@click.option(
    "--topology",
    type=click.Choice(sorted({fault.topology for fault in FAULTS})),
    help="Inject only the faults of this topology. Default: all.",
)
@click.option("--users", type=click.IntRange(1), default=16, show_default=True, help="Users, with four devices each.")
@click.option(
    "--seconds",
    type=click.FloatRange(0),
    default=300.0,
    show_default=True,
    help="The time during which new faults are injected.",
)
@click.option(
    "--fault-seconds", type=click.FloatRange(0.1), default=4.0, show_default=True, help="The duration of a fault."
)
@click.option(
    "--patience",
    "patience_seconds",
    type=click.FloatRange(1),
    default=20.0,
    show_default=True,
    help="The time within which every device must catch up.",
)
@click.option("--fail-fast", is_flag=True, help="Stop after the first fault with a violation.")
@click.option(
    "--quick", is_flag=True, help="Inject the faults that differ most, once and briefly. Takes about 100 seconds."
)
@click.option("--seed", type=int, help="Repeat the schedule and the writes of a run. Default: random.")
@click.option(
    "--json", "path", type=click.Path(path_type=Path, dir_okay=False), help="Write the result into this file."
)
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep logs and data in this new directory."
)
@click.option("--gateway-command", default=shlex.join(GATEWAY), help="The command of the gateway without `serve`.")
def main(
    names: tuple[str, ...],
    topology: str | None,
    users: int,
    seconds: float,
    fault_seconds: float,
    patience_seconds: float,
    fail_fast: bool,
    quick: bool,
    seed: int | None,
    path: Path | None,
    keep: Path | None,
    gateway_command: str,
) -> None:
    """Check the promises of the gateway under faults.

    Workers, Redis, connections, disks and clocks fail, and no event may be lost, duplicated or reordered. Users write
    and read over WebSocket, SSE and polling. Every event must follow the previous one, with the counts that result from
    it. After each fault every device must have exactly the items that the store lists. Otherwise the exit code is 1.
    """
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored under `nohup`, and gateways reload at SIGHUP
    faults = _chosen(names, topology, quick)
    if quick:
        users, seconds, fault_seconds = min(users, QUICK_USERS), 0.0, QUICK_FAULT_SECONDS
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    plan = CheckPlan(
        seed,
        users,
        seconds,
        fault_seconds,
        faults,
        command=tuple(shlex.split(gateway_command)),
        patience_seconds=patience_seconds,
        fail_fast=fail_fast,
        keep=keep,
    )
    started = time.monotonic()

    def report_progress(text: str) -> None:
        click.echo(f"{time.monotonic() - started:6.1f} s  {text}", err=True)

    report_progress(f"seed {seed}: {users} users, {len(faults)} faults")
    check = PromiseCheck(plan, report_progress, lambda record: report_progress(report.line(record)))
    uvloop.run(_with_progress(check, report_progress))
    result = report.Result(
        seed, users, round(time.monotonic() - started, 1), check.records, check.violations, check.count
    )
    click.echo(report.table(check.records))
    click.echo(report.violations(result))
    click.echo(f"{result.seconds:.0f} s, seed {seed}")
    if path is not None:
        report.write(result, path)
    sys.exit(1 if check.count else 0)


def _chosen(names: Collection[str], topology: str | None, quick: bool) -> list[Fault]:
    """Return the faults to inject. A named fault is injected even in a quick run. Raise UsageError if there is none."""
    faults = [
        fault
        for fault in FAULTS
        if (fault.name in names if names else fault.quick or not quick) and topology in (None, fault.topology)
    ]
    if not faults:
        raise click.UsageError("none of these faults is of this topology")
    return faults


async def _with_progress(check: PromiseCheck, report_progress: Callable[[str], None]) -> None:
    async def progress() -> None:
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            report_progress(check.progress())

    showing = asyncio.create_task(progress(), name="progress")
    try:
        await check.run()
    finally:
        showing.cancel()


if __name__ == "__main__":
    main()
