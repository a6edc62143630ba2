"""The cost of the access log per request: `python -m loadtest.access_log`.

Two gateways with separate stores, one of them with INBOX_ACCESS_LOG=false, alternately receive the same requests, so
that other programs affect both alike. The result is the difference in CPU time of their workers per request, as the
kernel counts it.

Two identical processes differ by some 10 µs per request for their whole lifetime. Therefore several pairs are measured,
and the result is the median.
"""

import contextlib
import statistics
import tempfile
from pathlib import Path

import click
import httpx

from loadtest.servers.gateway import Gateway, running_gateway, user_headers

PAIRS = 7
TURNS = 6
REQUESTS = 500
WARM_UP = 500


def cpu_seconds(gateway: Gateway) -> float:
    """Return the CPU time of the only worker of a gateway, in seconds."""
    (worker,) = gateway.children("worker")
    threads = Path(f"/proc/{worker}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def run_turn(gateway: Gateway, http: httpx.Client, requests: int) -> float:
    """Send requests, and return the CPU time per request in microseconds."""
    headers = user_headers("ada")
    before = cpu_seconds(gateway)
    for _ in range(requests):
        http.get("/notifications", headers=headers).raise_for_status()
    return (cpu_seconds(gateway) - before) / requests * 1e6


def measure_pair(turns: int, requests: int, swapped: bool) -> tuple[float, float]:
    """Return the CPU time per request of two new gateways in microseconds: with the log, and without."""
    settings = ("false", "true") if swapped else ("true", "false")
    taken: dict[str, list[float]] = {setting: [] for setting in settings}
    with tempfile.TemporaryDirectory(prefix="log") as name, contextlib.ExitStack() as stack:
        sides = {}
        for setting in settings:
            gateway = stack.enter_context(
                running_gateway(Path(name) / setting, INBOX_ACCESS_LOG=setting, PYTHONHASHSEED="0")
            )
            http = stack.enter_context(httpx.Client(base_url=gateway.url, timeout=30))
            run_turn(gateway, http, WARM_UP)
            sides[setting] = (gateway, http)
        for turn in range(turns):
            for setting in settings if turn % 2 == 0 else reversed(settings):
                taken[setting].append(run_turn(*sides[setting], requests))
    # Other programs only add to the time, so the fastest turns are the most exact.
    with_log, without = (statistics.quantiles(taken[setting], n=4)[0] for setting in ("true", "false"))
    return with_log, without


@click.command()
@click.option("--pairs", type=click.IntRange(1), default=PAIRS, show_default=True, help="Pairs of gateways.")
@click.option("--turns", type=click.IntRange(2), default=TURNS, show_default=True, help="Turns of each gateway.")
@click.option("--requests", type=click.IntRange(1), default=REQUESTS, show_default=True, help="Requests in a turn.")
def main(pairs: int, turns: int, requests: int) -> None:
    """Measure the cost of a line of the access log."""
    found = [measure_pair(turns, requests, swapped=pair % 2 == 1) for pair in range(pairs)]
    for with_log, without in found:
        print(f"{with_log:7.1f} µs of CPU per request with the access log, {without:7.1f} without")
    costs = [with_log - without for with_log, without in found]
    spread = f"median of {pairs} pairs; {min(costs):.1f} to {max(costs):.1f}"
    print(f"a line costs {statistics.median(costs):.1f} µs ({spread})")


if __name__ == "__main__":
    main()
