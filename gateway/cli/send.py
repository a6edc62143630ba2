"""`send`: a notification from a shell, by the same command as that of the API."""

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.arguments import find_only_project
from gateway.cli.configuration import read_settings, with_secret_key
from gateway.cli.store_access import bundled_valkey_runs, run_with_projects

if TYPE_CHECKING:
    from gateway.cli.sending import Sent
    from gateway.store.projects import ProjectStore

NOT_SHOWN = 3
"""The exit code if no open inbox had it within `--wait`."""

_WAIT_SECONDS = 30.0

_OPTIONS = {"recipients[0].external_id": "--to", "recipients[0].email": "--email", "action_url": "--action-url"}
"""The options whose fields have other names."""


@click.command()
@click.option("--to", "external_id", help="External id of the user, who is created if unknown.")
@click.option("--email", help="Email of the user, in place of the external id or with it.")
@click.option("--title", required=True, help="Title.")
@click.option("--content", help="Text below the title.")
@click.option("--category", help="Category, by which users choose channels.")
@click.option("--topic", help="Topic, to which users may subscribe.")
@click.option("--action-url", help="Address that a click opens.")
@click.option("--api-key", help="The project's API key.  [default: that of INBOX_BOOTSTRAP_API_KEY, or the only one]")
@click.option("--wait", is_flag=True, help=f"Wait up to {_WAIT_SECONDS:.0f} s until an open inbox has it.")
def send(
    external_id: str | None,
    email: str | None,
    title: str,
    content: str | None,
    category: str | None,
    topic: str | None,
    action_url: str | None,
    api_key: str | None,
    wait: bool,
) -> None:
    """Send a notification to one user, and print who had it. It needs no API secret, only access to the store.

    \b
    inbox-gateway send --to ada --title "Hello"

    Other channels, such as mail, are used as the project has configured them, while a process delivers.

    The exit code is 0 if it was sent, 1 if it was not, and 3 if no open inbox had it within --wait.
    """
    if not external_id and not email:
        raise click.UsageError("name the user with --to, --email, or both")
    fields = {
        "title": title,
        "content": content,
        "category": category,
        "topic": topic,
        "action_url": action_url,
        "recipients": [{"external_id": external_id, "email": email}],
    }
    settings = with_secret_key(read_settings())
    serves = not settings.embedded or bundled_valkey_runs(settings)
    found: list[Sent] = []
    at = time.strftime("%H:%M:%S")

    async def work(projects: "ProjectStore") -> None:
        from gateway.cli.sending import ShellSender

        project = await find_only_project(projects, api_key or settings.bootstrap_api_key)
        sender = ShellSender(settings, projects.client)
        found.append(await sender.send(project, _checked(fields), wait_seconds=_WAIT_SECONDS if wait else 0.0))

    run_with_projects(settings, work)
    (sent,) = found
    _print(sent, external_id or email or "", at, serves=serves)
    if wait and sent.in_inbox and not sent.shown:
        sys.exit(NOT_SHOWN)


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields as the API would read them. Raises UsageError, which names each option that is wrong."""
    from gateway.api.v1.sending import NOTIFICATION

    problems: list[str] = []
    values = NOTIFICATION.read({name: value for name, value in fields.items() if value is not None}, "", problems)
    if problems:
        raise click.UsageError("\n".join(map(_named, problems)))
    return dict(values)


def _named(problem: str) -> str:
    """Return a fault with the option in place of the field."""
    _, _, rest = problem.partition("'")
    field, _, text = rest.partition("'")
    return f"{_OPTIONS.get(field, f'--{field}')}{text}" if text else problem


def _print(sent: "Sent", name: str, at: str, *, serves: bool) -> None:
    click.echo(f"sent         {sent.notification_id} at {at}")
    click.echo(f"project      {sent.project.name} ({sent.project.api_key})")
    click.echo(f"user         {name}, id {sent.user_id}{' (new)' if sent.is_new else ''}")
    if not sent.in_inbox:
        click.echo("inbox        not stored: a preference of the user or a delivery config of the project excludes it")
    elif sent.open:
        click.echo(f"inbox        stored; {sent.shown} of {sent.open} open inboxes have it")
    elif serves:
        click.echo("inbox        stored; the user has no inbox open now, and finds it there")
    else:
        click.echo("inbox        stored; no gateway runs now: `inbox-gateway serve` starts one")
    key = f" --api-key {sent.project.api_key}"
    click.echo(f"\nWhat became of it:  inbox-gateway explain {sent.user_id} {sent.notification_id}{key}")
