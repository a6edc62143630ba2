"""The command line of the load tests: `python -m loadtest --help`."""

import dataclasses
import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import click
import uvloop

from loadtest import baseline, machine, peers, published, report
from loadtest.bench import Bench, Entrant
from loadtest.check.__main__ import main as check
from loadtest.cores import Cores, raise_file_limit, run_with
from loadtest.origin import OtherPrograms, description
from loadtest.scenarios import SCENARIOS
from loadtest.sizes import FULL, PLANS, QUICK, Sizes
from loadtest.targets import PEERS
from loadtest.targets.base import REST, SSE, WEBSOCKET, MissingError
from loadtest.targets.remote import ADAPTERS, RemoteTarget

RESULTS = Path("build/loadtest")


class _Commands(click.Group):
    """Commands with `run` as the default."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert `run` before options."""
        if not args or (args[0].startswith("-") and args[0] not in ("-h", "--help")):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def main() -> None:
    """Measure the cost of the gateway, beside its peers and bare system calls.

    The default command is `run`. `run --help` lists its options.
    """


@main.command()
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(list(SCENARIOS)),
    help="Run only this scenario. May be repeated. Default: all.",
)
@click.option(
    "--transport",
    "transports",
    multiple=True,
    type=click.Choice([WEBSOCKET, SSE]),
    help="Measure only this transport. Default: both.",
)
@click.option(
    "--quick", "plan", flag_value="quick", help="Use small sizes (under 3 minutes) and compare with the baseline."
)
@click.option("--plan", type=click.Choice(list(PLANS)), help="The sizes of the run. Default: full.")
@click.option(
    "--peers",
    "names",
    default="",
    help=f"Comma-separated peers: {', '.join(PEERS)}, or all, or none. Default: with the full sizes all that are "
    "installed, else none. A named peer must be installed.",
)
@click.option(
    "--url",
    "urls",
    multiple=True,
    help=f"A running server: KIND=http://HOST:PORT[,pid=N]. Kinds: {', '.join(ADAPTERS)}.",
)
@click.option("--install-peers", is_flag=True, help=f"Install missing peers into {peers.CACHE} first.")
@click.option("--gateway/--no-gateway", default=True, help="Whether to measure the gateway.")
@click.option("--workers", default=1, show_default=True, help="Worker processes of the gateway.")
@click.option("--soak", default=0.0, help="Seconds of the soak. Default: no soak.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=RESULTS, show_default=True, help="The directory of the results."
)
@click.option(
    "--compare",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Fail if a ratio is more than 30 % worse than in this file, a baseline or a result. Default with --quick: the "
    "committed baseline.",
)
@click.option("--write-baseline", is_flag=True, help="Write the ratios of this run into the committed baseline.")
def run(
    only: tuple[str, ...],
    transports: tuple[str, ...],
    plan: str | None,
    names: str,
    urls: tuple[str, ...],
    install_peers: bool,
    gateway: bool,
    workers: int,
    soak: float,
    out: Path,
    compare: Path | None,
    write_baseline: bool,
) -> None:
    """Run scenarios and print a table.

    The exit code is 1 if an event was lost, duplicated or reordered, a request or a server failed, or a ratio is worse
    than in the baseline.
    """
    sizes = PLANS[plan or FULL.name]
    sizes = dataclasses.replace(sizes, soak=dataclasses.replace(sizes.soak, seconds=soak))
    started = time.monotonic()

    def report_progress(text: str) -> None:
        click.echo(f"{time.monotonic() - started:6.1f} s {text}", err=True)

    if install_peers:
        peers.install_all(report_progress)
    raise_file_limit()
    cores = Cores.divide()
    entrants = _entrants(names, urls, cores, sizes)
    run_with(cores.clients)
    bench = Bench(sizes, cores, transports or (WEBSOCKET, SSE), entrants, gateway, workers, report_progress)
    where, others = description(cores), OtherPrograms()
    _measure(bench, only or tuple(SCENARIOS))
    ratios = baseline.ratios(bench.rows)
    notes: list[str] = []
    worse: dict[str, float] = {}
    if compare is None and sizes.name == QUICK.name and not write_baseline:
        compare = baseline.FILE
    if compare is not None and gateway:
        before = baseline.covered(baseline.load(compare, sizes.name), only or tuple(SCENARIOS), bench.transports)
        ratios, worse = _compared(bench, ratios, before)
        notes.append(_verdict(ratios, before, worse))
    where |= {"seconds": round(time.monotonic() - started), "others_busy": others.share()}
    summary = report.write(bench, where, ratios, out, notes)
    click.echo(summary)
    for name, how in bench.missing.items():
        click.echo(f"{name}: not installed: {how}")
    for line in [*bench.errors, *notes]:
        click.echo(line)
    click.echo(f"{where['seconds']} s; {out}/report.html, table.md, result.json")
    if write_baseline:
        baseline.write(baseline.FILE, sizes.name, ratios, where)
    if bench.failed:
        click.echo("FAILED: the faults above", err=True)
        sys.exit(1)
    sys.exit(1 if worse else 0)


def _measure(bench: Bench, scenarios: tuple[str, ...]) -> None:
    for name in scenarios:
        bench.progress(name)
        try:
            uvloop.run(SCENARIOS[name](bench))
        except MissingError as missing:
            raise click.ClickException(f"not installed: {missing}") from None
        except Exception as problem:
            if isinstance(problem, (KeyboardInterrupt, AssertionError)):
                raise
            bench.error(f"{name}: {type(problem).__name__}: {problem}")


def _compared(
    bench: Bench, ratios: baseline.Ratios, before: baseline.Ratios
) -> tuple[baseline.Ratios, dict[str, float]]:
    """Return the ratios, and how much worse those are that got worse in two measurements."""
    worse = baseline.regressions(ratios, before)
    if worse:
        bench.progress(
            f"worse than the baseline: {worse}; measuring once more, because other programs may have disturbed the run"
        )
        ratios = _better(ratios, _again(bench, worse))
        worse = baseline.regressions(ratios, before)
    for name in before.keys() - ratios.keys():
        bench.error(f"{name}: the baseline has this ratio, but it was not measured")
    return ratios, worse


def _again(bench: Bench, worse: Iterable[str]) -> baseline.Ratios:
    """Measure the scenarios of some ratios again. Faults and errors count as in the first measurement."""
    transports = tuple(dict.fromkeys(name.split()[0] for name in worse if not name.startswith(REST)))
    scenarios = tuple(dict.fromkeys(baseline.SCENARIO_OF[name.split()[1]] for name in worse))
    again = dataclasses.replace(bench, transports=transports, peers=(), rows=[], errors=[])
    _measure(again, scenarios)
    bench.errors += [f"the second time: {problem}" for problem in again.errors]
    for row in again.rows:
        if any(row["faults"].values()):
            bench.errors.append(f"the second time: {row['scenario']}: {row['target']}: {row['faults']}")
    return baseline.ratios(again.rows)


def _better(ratios: baseline.Ratios, again: baseline.Ratios) -> baseline.Ratios:
    """Return the better of two measurements for each ratio: other programs can only make a ratio worse."""
    return ratios | {name: min(value, ratios.get(name, value)) for name, value in again.items()}


def _entrants(names: str, urls: tuple[str, ...], cores: Cores, sizes: Sizes) -> list[Entrant]:
    """Return the peers that take part. Raise UsageError."""
    named = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in named if name not in (*PEERS, "all", "none")]
    if unknown:
        raise click.UsageError(f"--peers: unknown: {', '.join(unknown)}; known are {', '.join(PEERS)}, all and none")
    if not named:
        named = ["all"] if sizes.name == FULL.name else ["none"]
    entrants = [
        Entrant(kind.name, kind, required=name in named)
        for name, kind in PEERS.items()
        if name in named or "all" in named
    ]
    for url in urls:
        try:
            target = RemoteTarget.parse(cores, url)
        except ValueError as problem:
            raise click.UsageError(f"--url: {problem}") from None
        entrants.append(Entrant(target.name, lambda cores, url=url: RemoteTarget.parse(cores, url), required=True))  # type: ignore[misc] # bound now
    return entrants


def _verdict(ratios: baseline.Ratios, before: baseline.Ratios, worse: dict[str, float]) -> str:
    compared = [f"{name} {ratios[name]:.2f} (baseline {before[name]:.2f})" for name in before if name in ratios]
    if not compared:
        return "Ratios to the floor of the same run: none to compare"
    verdict = f"WORSE by more than {baseline.MOST_REGRESSION:.0%}: {', '.join(worse)}" if worse else "no ratio is worse"
    return f"Ratios to the floor of the same run: {'; '.join(compared)}: {verdict}"


@main.command("docs")
@click.argument("result", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=RESULTS / "result.json")
def write_docs(result: Path) -> None:
    """Write the tables and plots of a result into docs/performance.md.

    RESULT is by default that of the last run. A result with faults or errors, or of a plan other than `full`, is
    refused.
    """
    content = json.loads(result.read_text())
    faults = [row["scenario"] for row in content["rows"] if any(row["faults"].values()) or row.get("flat") is False]
    if faults or content["errors"]:
        raise click.ClickException(f"{result} has faults: {', '.join([*faults, *content['errors']])}")
    if content["plan"]["name"] != FULL.name:
        raise click.ClickException(f"{result} is of the plan {content['plan']['name']}, not {FULL.name}")
    published.write(content)
    click.echo(f"Written: {published.PAGE.relative_to(machine.ROOT)}, its plots and its JSON")


main.add_command(check, "check")

if __name__ == "__main__":
    os.chdir(machine.ROOT)
    main()
