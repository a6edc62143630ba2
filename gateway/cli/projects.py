"""`project`: projects and their secrets."""

from typing import TYPE_CHECKING

import click

from gateway.cli.arguments import check_name, no_project, no_workspace, workspace_id_of
from gateway.cli.configuration import read_settings, with_secret_key
from gateway.cli.project_keys import project_keys
from gateway.cli.project_transfer import project_export, project_import
from gateway.cli.store_access import run_with_projects
from gateway.domain.limits import MAX_LIMIT

if TYPE_CHECKING:
    from gateway.domain.principal import Project
    from gateway.store.projects import ProjectStore


_LIMIT = click.IntRange(0, MAX_LIMIT)


@click.group()
def project() -> None:
    """Administer projects, secrets and keys."""


project.add_command(project_keys)
project.add_command(project_export)
project.add_command(project_import)


@project.command("create")
@click.argument("name")
@click.option("--hmac/--no-hmac", default=True, show_default=True, help="Require user HMACs.")
@click.option("--workspace", default="default", show_default=True, help="Id of its workspace.")
def project_create(name: str, hmac: bool, workspace: str) -> None:
    """Create a project and print its keys."""
    from gateway.domain.ids import WorkspaceId
    from gateway.store.errors import TooManyProjectsError, UnknownWorkspaceError

    check_name(name)

    async def work(projects: "ProjectStore") -> None:
        try:
            _show(
                await projects.create(name, hmac, workspace_id=WorkspaceId(workspace_id_of(workspace))),
                with_secret=True,
            )
        except UnknownWorkspaceError:
            raise no_workspace(workspace) from None
        except TooManyProjectsError as problem:
            raise click.ClickException(f"the workspace would have {problem}") from None

    run_with_projects(with_secret_key(read_settings()), work)


@project.command("list")
def project_list() -> None:
    """List projects, without their secrets."""

    async def work(projects: "ProjectStore") -> None:
        for found in await projects.all():
            _show(found)

    # This works even after the secret key was lost, because `rotate-secret` needs the API keys that are listed.
    run_with_projects(with_secret_key(read_settings()), work, check_secret_key=False)


@project.command("set")
@click.argument("api_key")
@click.option("--name", help="New name.")
@click.option("--hmac/--no-hmac", default=None, help="Require user HMACs.")
@click.option(
    "--allowed-origins", help='Comma-separated origins of pages that may call; "" for those of INBOX_ALLOWED_ORIGINS.'
)
@click.option("--item-retention-count", metavar="N|default", help="Notifications kept per user; 0 keeps all.")
@click.option(
    "--item-retention-seconds", metavar="N|default", help="Seconds for which notifications are kept; 0 is unlimited."
)
@click.option("--event-retention-count", metavar="N|default", help="Events of each type kept in the project's log.")
@click.option("--event-retention-seconds", metavar="N|default", help="Seconds for which its log keeps events.")
@click.option("--max-users", metavar="N", type=_LIMIT, help="Users that the project may have; 0 is no limit.")
@click.option("--max-storage-bytes", metavar="N", type=_LIMIT, help="Bytes that it may store; 0 is no limit.")
@click.option("--max-sends-per-minute", metavar="N", type=_LIMIT, help="Requests to send a minute; 0 is no limit.")
@click.option("--max-sends-per-month", metavar="N", type=_LIMIT, help="Requests to send a month; 0 is no limit.")
@click.option("--strict/--no-strict", default=None, help="Refuse unknown fields and parameters, or only report them.")
def project_set(
    api_key: str,
    name: str | None,
    hmac: bool | None,
    allowed_origins: str | None,
    item_retention_count: str | None,
    item_retention_seconds: str | None,
    event_retention_count: str | None,
    event_retention_seconds: str | None,
    strict: bool | None,
    **limits: int | None,
) -> None:
    """Change a project on every node."""
    from gateway.domain.origin import read_origin
    from gateway.domain.retention import MAX_ITEMS, MAX_SECONDS
    from gateway.store.jobs import JobStore
    from gateway.store.project_records import ProjectChange

    settings = with_secret_key(read_settings())
    origins: list[str] | None = None
    if allowed_origins is not None:
        given = [part.strip() for part in allowed_origins.split(",") if part.strip()]
        origins = [origin for origin in map(read_origin, given) if origin is not None]
        if len(origins) < len(given):
            wrong = ", ".join(part for part in given if read_origin(part) is None)
            raise click.UsageError(f"{wrong}: an origin is written https://app.example.com, https://*.example.com or *")
    if name is not None:
        check_name(name)
    count = _bound("--item-retention-count", item_retention_count, MAX_ITEMS)
    seconds = _bound("--item-retention-seconds", item_retention_seconds, MAX_SECONDS)
    events = _bound("--event-retention-count", event_retention_count, MAX_ITEMS, least=1)
    event_seconds = _bound("--event-retention-seconds", event_retention_seconds, MAX_SECONDS)

    change = ProjectChange(
        name,
        hmac,
        origins,
        count,
        seconds,
        strict,
        event_retention_count=events,
        event_retention_seconds=event_seconds,
        **limits,
    )

    async def work(projects: "ProjectStore") -> None:
        found = await projects.update(api_key, change)
        if found is None:
            raise no_project(api_key)
        keep = found.item_retention(settings.item_retention)
        if keep.bounded and (count, seconds) != (None, None):
            await JobStore(projects.client).enqueue_retention(found.id, keep)
        _show(found)

    run_with_projects(settings, work)


@project.command("delete")
@click.argument("api_key")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def project_delete(api_key: str, yes: bool) -> None:
    """Delete a project and its users.

    The users' inboxes are deleted too. A project whose record cannot be read can also be deleted.
    """
    from gateway.store.jobs import JobStore
    from gateway.store.project_deletion import ProjectDeletion
    from gateway.store.redis.problems import StoreDataError

    if not yes:
        click.confirm(f"Delete the project {api_key} with everything in it?", abort=True)

    async def work(projects: "ProjectStore") -> None:
        deletion = ProjectDeletion(projects)
        try:
            found = await projects.by_api_key(api_key)
            if found is None:
                raise no_project(api_key)
            await deletion.delete(found)
            ids = [found.id]
        except StoreDataError:
            ids = await deletion.discard(api_key)
        jobs = JobStore(projects.client)
        for project_id in ids:
            await jobs.enqueue_project_deletion(project_id)
            await deletion.forget(project_id)
        click.echo(f"the project {api_key} is deleted; its data is removed in the background while a gateway runs")

    run_with_projects(with_secret_key(read_settings()), work, check_secret_key=False)


@project.command("rotate-secret")
@click.argument("api_key")
@click.option(
    "--overlap",
    type=click.IntRange(0),
    default=3600,
    show_default=True,
    help="Seconds for which the old secret stays valid.",
)
@click.option(
    "--lost-secret-key",
    is_flag=True,
    help="The INBOX_SECRET_KEY that encrypted the old secret is lost: revoke the old secret, use the current key.",
)
def project_rotate_secret(api_key: str, overlap: int, lost_secret_key: bool) -> None:
    """Create a new secret and print it."""

    async def work(projects: "ProjectStore") -> None:
        found = await projects.rotate_secret(api_key, 0 if lost_secret_key else overlap)
        if found is None:
            raise no_project(api_key)
        _show(found, with_secret=True)

    run_with_projects(with_secret_key(read_settings()), work, check_secret_key=not lost_secret_key)


def _bound(option: str, text: str | None, most: int, least: int = 0) -> int | str | None:
    from gateway.domain.retention import DEFAULT

    if text is None or text == DEFAULT:
        return text
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
        raise click.UsageError(
            f'{option} is a whole number from {least} to {most}, or "{DEFAULT}" for the gateway\'s setting'
        )
    return int(text)


def _show(found: "Project", with_secret: bool = False) -> None:
    click.echo(f"name         {found.name}")
    click.echo(f"id           {found.id}")
    click.echo(f"api key      {found.api_key}")
    if with_secret:
        click.echo(f"api secret   {found.secrets[0]}")
    click.echo(f"hmac         {'required' if found.hmac_enabled else 'not required'}")
    click.echo(f"origins      {', '.join(found.allowed_origins) or 'those of INBOX_ALLOWED_ORIGINS'}")
    if found.strict:
        click.echo("strict       unknown fields and parameters are refused")
    if (found.item_retention_count, found.item_retention_seconds) != (None, None):
        click.echo(f"keeps        {_kept(found)}")
    if (found.event_retention_count, found.event_retention_seconds) != (None, None):
        parts = ((found.event_retention_count, "of each type"), (found.event_retention_seconds, "seconds"))
        click.echo(f"keeps events {', '.join(f'at most {most} {what}' for most, what in parts if most)}")
    for name, most in found.limits._asdict().items():
        if most:
            click.echo(f"{name.removeprefix('max_').replace('_', ' '):<12} at most {most:,}")
    click.echo(f"workspace    {found.workspace_id}\n")


def _kept(found: "Project") -> str:
    count, seconds = found.item_retention_count, found.item_retention_seconds
    items = {None: "INBOX_ITEM_RETENTION_COUNT items", 0: "all items"}.get(count, f"{count} items per user")
    age = {None: "for INBOX_ITEM_RETENTION_SECONDS", 0: "without a time limit"}.get(seconds, f"for {seconds} seconds")
    return f"{items}, {age}"
