"""The command line. A deployment needs only `serve`.

The supervisor's process stays small: modules that only some commands need are imported inside these commands.
"""

import contextlib
import sys
from typing import NoReturn

import click

from gateway import __version__
from gateway.cli.admins import admin
from gateway.cli.backups import backup, restore
from gateway.cli.banner import announce
from gateway.cli.bootstrap import prepare
from gateway.cli.delivering import deliver
from gateway.cli.doctor import doctor
from gateway.cli.errors import CommandError
from gateway.cli.explain import explain
from gateway.cli.healthcheck import healthcheck
from gateway.cli.inspection import list_settings, openapi
from gateway.cli.projects import project
from gateway.cli.send import send
from gateway.cli.serving import serve, worker
from gateway.cli.status import status
from gateway.cli.tokens import token
from gateway.cli.users import user
from gateway.cli.workspaces import workspace
from gateway.server.errors import ServerError
from gateway.settings import SettingsError
from gateway.telemetry.logs import log

_REPORTED = (CommandError, SettingsError, ServerError)
"""Exceptions whose message is for the operator."""


def main() -> None:
    """Run a command. An error is printed to standard error in one sentence, and the exit code is 1."""
    try:
        cli(standalone_mode=True)
    except OSError as problem:
        if log.writer is not None:
            raise  # the traceback goes to the log of a process that has one
        _give_up(f"cannot read or write {problem.filename or 'its input or output'}: {problem.strerror or problem}")
    except _REPORTED as problem:
        if log.writer is not None and not log.is_terminal:
            log.critical("cannot_go_on", message=str(problem))
            sys.exit(1)
        _give_up(str(problem))


def _give_up(reason: str) -> NoReturn:
    with contextlib.suppress(OSError):
        click.echo(f"inbox-gateway: {reason}", err=True)
    sys.exit(1)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="inbox-gateway")
def cli() -> None:
    """A self-hosted, real-time notification inbox.

    It is configured by environment variables, INBOX_*: `settings` lists them with their defaults and descriptions.
    Start it with `serve`; `doctor` finds problems.
    """


for command in (
    serve,
    worker,
    deliver,
    prepare,
    announce,
    project,
    workspace,
    user,
    admin,
    token,
    backup,
    restore,
    doctor,
    status,
    send,
    explain,
    openapi,
    list_settings,
    healthcheck,
):
    cli.add_command(command)
