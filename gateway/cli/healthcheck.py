"""`healthcheck`: the health check of a container image, which has no HTTP client of its own."""

import sys
import urllib.error
import urllib.request

import click

from gateway.cli.addresses import base_address, metrics_base
from gateway.cli.configuration import read_settings

RESPONSE_SECONDS = 2.0
MAX_SHOWN_BYTES = 1000


@click.command()
@click.option("--ready", is_flag=True, help="Request /readyz, which checks the store too, instead of /healthz.")
@click.option("--metrics", is_flag=True, help="Request it on INBOX_METRICS_PORT, as for a container of `deliver`.")
def healthcheck(ready: bool, metrics: bool) -> None:
    """Request the local gateway's health.

    The exit code is 1 if the gateway is not healthy or does not respond.
    """
    settings = read_settings()
    if metrics and not settings.metrics_port:
        raise click.UsageError("--metrics needs INBOX_METRICS_PORT")
    base = metrics_base(settings) if metrics else base_address(settings)
    address = f"{base}/{'readyz' if ready else 'healthz'}"
    # HTTP_PROXY and the like are for other hosts.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(address, timeout=RESPONSE_SECONDS).close()
    except urllib.error.HTTPError as refusal:
        with refusal:
            body = refusal.read(MAX_SHOWN_BYTES).decode(errors="replace")
        click.echo(f"{address} responded with {refusal.code}: {body}", err=True)
        sys.exit(1)
    except OSError as problem:
        cause = getattr(problem, "reason", problem)
        click.echo(
            f"{address} does not respond: {getattr(cause, 'strerror', None) or cause}. INBOX_HOST and INBOX_PORT must "
            "be those of the gateway",
            err=True,
        )
        sys.exit(1)
    click.echo("ok")
