"""`announce`: prints the gateway's address and the first steps once the workers are ready.

A secret is printed once, and only to a terminal: other output, such as the log of a service, is stored.
"""

import contextlib
import shlex
import sys
import time
import urllib.request
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from gateway.cli.addresses import base_address, dashboard_base
from gateway.cli.admins import new_setup_address
from gateway.cli.configuration import read_settings
from gateway.cli.demo import (
    DemoKeys,
    environment_path,
    exports,
    keys_path,
    read_demo_keys,
    write_demo_keys,
    write_environment,
)
from gateway.cli.errors import CommandError
from gateway.cli.notices import notice
from gateway.cli.store_access import run_with_projects
from gateway.server.errors import ServerError
from gateway.settings import Settings
from gateway.telemetry.logs import configure_logging

if TYPE_CHECKING:
    from gateway.store.projects import ProjectStore

READY_SECONDS = 60.0

_SEND_ONE = """\
  Send one:

curl -sS -X POST "$INBOX/notifications" \\
  -H "X-MAGICBELL-API-KEY: $API_KEY" -H "X-MAGICBELL-API-SECRET: $API_SECRET" \\
  -d '{"notification":{"title":"Hello, Ada","content":"Sent with curl","recipients":[{"external_id":"ada"}]}}'
"""


@click.command(hidden=True)
def announce() -> None:
    """Wait for the workers, then print the gateway's address; `serve` runs this."""
    settings = read_settings()
    local = base_address(settings)
    if not _wait_until_ready(local):
        configure_logging(settings.log_level)
        notice(f"the gateway at {local} is not ready yet: see the messages above")
        return
    base = settings.public_url or local
    keys = read_demo_keys(settings) if settings.embedded and not settings.bootstrap_api_key else None
    if keys is not None:
        write_environment(settings, keys, base)
    with contextlib.suppress(OSError):  # standard output is closed or full
        _print(settings, keys, base, _demo_line(local, base) + _dashboard_line(settings, dashboard_base(settings)))


def _dashboard_line(settings: Settings, base: str) -> str:
    """Return the line with the address of the dashboard, "" if it is off.

    While there is no admin, that is an address which creates the first one. It has a secret, so only a terminal gets
    it.
    """
    if settings.admin != "on":
        return ""
    if not _is_terminal():
        return f"  Dashboard   {base}/admin/ (the first time: inbox-gateway admin setup-link)\n\n"
    address = ""

    async def work(projects: "ProjectStore") -> None:
        nonlocal address
        address = await new_setup_address(projects.client, base)

    if not settings.embedded or settings.valkey_socket.exists():  # otherwise this would start the bundled Valkey
        with contextlib.suppress(CommandError, ServerError):
            run_with_projects(settings, work, check_secret_key=False)
    if not address:
        return f"  Dashboard   {base}/admin/\n\n"
    return f"  Dashboard   {address}\n              creates the first account: once, within an hour\n\n"


def _print(settings: Settings, keys: DemoKeys | None, base: str, demo: str) -> None:
    click.echo(f"\n  The inbox gateway serves at {base}\n")
    if keys is not None and _is_terminal() and not keys.shown:
        click.echo(_with_secret(settings, keys, base, demo))
        write_demo_keys(settings, replace(keys, shown=True))
    elif keys is not None:
        click.echo(_without_secret(settings, demo))
    elif not settings.bootstrap_api_key:
        click.echo(f"{demo}  Projects    inbox-gateway project list | create NAME\n")


def _with_secret(settings: Settings, keys: DemoKeys, base: str, demo: str) -> str:
    return (
        f"{demo}  Variables for a shell, which the README's examples use:\n\n{exports(base, keys)}\n\n"
        f"{_SEND_ONE}\n"
        f"  The secret is not printed again. It is stored in {environment_path(settings)} and {keys_path(settings)}.\n"
    )


def _without_secret(settings: Settings, demo: str) -> str:
    path = environment_path(settings)
    return (
        f"{demo}  Variables for a shell, which the README's examples use:\n\n. {shlex.quote(str(path.absolute()))}\n\n"
        f"{_SEND_ONE}"
    )


def _demo_line(local: str, base: str) -> str:
    """Return the line with the address of the demo, "" if the gateway serves none."""
    with contextlib.suppress(OSError, ValueError), _opener().open(f"{local}/demo", timeout=2):
        return f"  Demo page   {base}/demo\n\n"
    return ""


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _opener() -> urllib.request.OpenerDirector:
    """Return what requests this gateway: HTTP_PROXY and the like are for other hosts."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _wait_until_ready(base: str) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    opener = _opener()
    while time.monotonic() < deadline:
        # ValueError: an invalid host name. Then nothing listens, and `serve` has reported it.
        with contextlib.suppress(OSError, ValueError), opener.open(f"{base}/readyz", timeout=2):
            return True
        time.sleep(0.1)
    return False
