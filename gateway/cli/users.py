"""`user`: what is stored about a person, and its erasure."""

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import click

from gateway.cli.arguments import find_only_project
from gateway.cli.backups import complete_file
from gateway.cli.configuration import read_settings, with_secret_key
from gateway.cli.store_access import run_with_projects
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.api.v2.user_export import UserExportResource
    from gateway.domain.ids import ProjectId
    from gateway.domain.principal import User
    from gateway.store.directory import Directory
    from gateway.store.projects import ProjectStore
    from gateway.store.redis.client import FunctionClient

_api_key = click.option(
    "--api-key", help="The project's API key.  [default: that of INBOX_BOOTSTRAP_API_KEY, or the only one]"
)


@click.group()
def user() -> None:
    """Export or erase what is stored about a user."""


@user.command("export")
@click.argument("user")
@click.argument("file", metavar="FILE|-", default="-")
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@_api_key
def user_export(user: str, file: str, force: bool, api_key: str | None) -> None:
    """Write what is stored about USER into FILE, as a JSON document.

    USER is an id, an external id, or an email address. Without FILE, the document goes to standard output. Secrets and
    the values of channel tokens are redacted. It is the document of `GET /v2/users/{user}/export`.
    """

    async def work(settings: Settings, client: "FunctionClient", found: "User") -> None:
        # Only its owner can read the file, and it is complete or not there.
        with click.open_file(file, "wb") if file == "-" else complete_file(file, force) as output:
            async for part in _exports(settings, client).document(found):
                output.write(part)
            output.write(b"\n")

    _run_on_user(user, api_key, work)


@user.command("erase")
@click.argument("user")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@_api_key
def user_erase(user: str, yes: bool, api_key: str | None) -> None:
    """Delete USER with everything that is stored about them.

    Their open inboxes are closed on every node. USER is an id, an external id, or an email address. What remains for a
    while, such as the id in the audit log, is listed in docs/production/erasure.md. Running it again completes an
    erasure that was interrupted.
    """

    async def work(settings: Settings, client: "FunctionClient", found: "User") -> None:
        if not yes:
            named = ", ".join(each for each in (found.external_id, found.email) if each)
            click.confirm(f"Erase the user {found.id} ({named})?", abort=True, err=True)
        await _erase(settings, client, found)
        click.echo(f"the user {found.id} is erased")

    _run_on_user(user, api_key, work)


def _run_on_user(
    name: str, api_key: str | None, work: "Callable[[Settings, FunctionClient, User], Awaitable[None]]"
) -> None:
    from gateway.store.directory import Directory

    settings = with_secret_key(read_settings())

    async def run(projects: "ProjectStore") -> None:
        project = await find_only_project(projects, api_key or settings.bootstrap_api_key)
        found = await _find(Directory(projects.client, time.monotonic), project.id, name)
        await work(settings, projects.client, found)

    run_with_projects(settings, run)


async def _find(directory: "Directory", project_id: "ProjectId", name: str) -> "User":
    """Return the user with this id, external id or email. Raises ClickException if there is none."""
    from gateway.domain.principal import normalize_email

    text = name.removeprefix("external_id:").removeprefix("email:")
    for wanted in (f"u:{text}", f"x:{text}", f"e:{normalize_email(text)}"):
        found = await directory.find(project_id, wanted)
        if found is not None:
            return found
    raise click.ClickException(f"the project has no user '{name}'")


async def _erase(settings: Settings, client: "FunctionClient", user: "User") -> None:
    from gateway.domain.project_event import ProjectEvent, ProjectEventType
    from gateway.store.audit_log import AuditEntry, AuditLog, AuditRetention
    from gateway.store.deletion import UserDeletion
    from gateway.store.directory import Directory
    from gateway.store.project_event_log import EventRetention, ProjectEventLog
    from gateway.store.project_events import ProjectEvents

    # In this order, an erasure that is interrupted is completed by the next one.
    await UserDeletion(client).delete(user)
    await Directory(client, time.monotonic).forget(user)
    retention = EventRetention(settings.project_events, settings.project_events_seconds)
    event = ProjectEvent(ProjectEventType.USER_DELETED, user.id)
    await ProjectEvents(ProjectEventLog(client, retention)).write(user.project_id, event)
    entry = AuditEntry(
        actor="command line",
        via="command_line",
        action="user_erase",
        summary="Erase a user",
        project_id=user.project_id,
        target={"user": user.id},
    )
    await AuditLog(client, AuditRetention(settings.audit_entries, settings.audit_seconds)).append(entry)


def _exports(settings: Settings, client: "FunctionClient") -> "UserExportResource":
    from gateway.api.v2.user_export import UserExportResource
    from gateway.store.channel_tokens import ChannelTokenStore
    from gateway.store.contents import ContentStore
    from gateway.store.directory import Directory
    from gateway.store.event_log import LogRetention
    from gateway.store.installations import InstallationStore
    from gateway.store.item_pages import ItemPages
    from gateway.store.preferences import PreferenceStore
    from gateway.store.project_event_log import EventRetention, ProjectEventLog
    from gateway.store.subscriptions import SubscriptionStore
    from gateway.store.tokens import TokenStore
    from gateway.store.user_pages import UserPages

    log_retention = LogRetention(settings.log_retention_events, settings.log_retention_seconds)
    return UserExportResource(
        directory=Directory(client, time.monotonic),
        users=UserPages(client),
        preferences=PreferenceStore(client, log_retention),
        subscriptions=SubscriptionStore(client),
        channel_tokens=ChannelTokenStore(client),
        tokens=TokenStore(client),
        installations=InstallationStore(client, settings.secret_key),
        items=ItemPages(client, ContentStore(client)),
        log=ProjectEventLog(client, EventRetention(settings.project_events, settings.project_events_seconds)),
    )
