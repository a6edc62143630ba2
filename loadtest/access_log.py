"""What the access log costs a request: `python -m loadtest.access_log`.

Two gateways on stores of their own, one of them with INBOX_ACCESS_LOG=false, get the same requests in turns, so that
whatever else the machine does hits both. Compared is the CPU time of their workers a request, by the kernel's count.
"""

import contextlib
import statistics
import tempfile
from pathlib import Path

import click
import httpx

from loadtest.check.servers import Gateway, running_gateway, user_headers

TURNS = 20
REQUESTS = 1000
WARM_UP = 500


def cpu_seconds(gateway: Gateway) -> float:
    """Return the CPU time that a gateway's one worker has used."""
    (worker,) = gateway.children("worker")
    threads = Path(f"/proc/{worker}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def run_turn(gateway: Gateway, http: httpx.Client, requests: int) -> float:
    """Send requests; return the microseconds of CPU that each took."""
    headers = user_headers("ada")
    before = cpu_seconds(gateway)
    for _ in range(requests):
        http.get("/notifications", headers=headers).raise_for_status()
    return (cpu_seconds(gateway) - before) / requests * 1e6


@click.command()
@click.option("--turns", type=click.IntRange(2), default=TURNS, show_default=True, help="Turns of either gateway.")
@click.option("--requests", type=click.IntRange(1), default=REQUESTS, show_default=True, help="Requests in a turn.")
def main(turns: int, requests: int) -> None:
    """Measure what a line of the access log costs."""
    with tempfile.TemporaryDirectory(prefix="log") as name, contextlib.ExitStack() as stack:
        sides = []
        for setting in ("true", "false"):
            gateway = stack.enter_context(running_gateway(Path(name) / setting, INBOX_ACCESS_LOG=setting))
            http = stack.enter_context(httpx.Client(base_url=gateway.url, timeout=30))
            run_turn(gateway, http, WARM_UP)
            sides.append((gateway, http))
        taken: tuple[list[float], list[float]] = ([], [])
        for turn in range(turns):
            for index in (0, 1) if turn % 2 == 0 else (1, 0):
                taken[index].append(run_turn(*sides[index], requests))
    # Whatever else runs only adds: the quarter of the turns that it disturbed least tells most.
    with_log, without = (statistics.quantiles(side, n=4)[0] for side in taken)
    differences = [one - other for one, other in zip(*taken, strict=True)]
    print(f"with the access log    {with_log:7.1f} µs CPU a request (lower quartile of {turns} turns)")
    print(f"without                {without:7.1f} µs")
    print(
        f"a line costs           {with_log - without:7.1f} µs; median of the pairs {statistics.median(differences):.1f}"
    )


if __name__ == "__main__":
    main()
