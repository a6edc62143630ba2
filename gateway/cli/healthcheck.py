"""`healthcheck`: for containers, which have no other program to ask with."""

import sys
import urllib.request

import click

from gateway.cli.banner import base_address
from gateway.cli.common import read_settings

ANSWER_SECONDS = 2.0


@click.command()
@click.option("--ready", is_flag=True, help="Ask /readyz, which needs the store too, instead of /healthz.")
def healthcheck(ready: bool) -> None:
    """Ask the local gateway for its health.

    The exit code is 1 if it is not well, or does not answer.
    """
    address = f"{base_address(read_settings())}/{'readyz' if ready else 'healthz'}"
    # A proxy of the environment is for other hosts.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(address, timeout=ANSWER_SECONDS).close()
    except OSError as problem:
        click.echo(f"{address}: {getattr(problem, 'reason', problem)}", err=True)
        sys.exit(1)
    click.echo("ok")
