"""Messages to the operator while a command runs."""

import contextlib

import click

from gateway.telemetry.logs import log


def notice(text: str) -> None:
    """Write a message to the log if the process has one that is not a terminal, else to standard error."""
    if log.writer is not None and not log.is_terminal:
        log.warning("notice", message=text)
    else:
        with contextlib.suppress(OSError):
            click.echo(f"inbox-gateway: {text}", err=True)
