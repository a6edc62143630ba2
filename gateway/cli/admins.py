"""`admin`: the people who may sign in to the dashboard.

Whoever may run this command may do everything anyway: it needs the gateway's settings. So it is also the way in when
nobody can sign in any more.
"""

import contextlib
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.addresses import dashboard_base
from gateway.cli.configuration import read_settings, with_secret_key
from gateway.cli.store_access import check_store_exists, run_with_projects
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.domain.admin import Role
    from gateway.domain.ids import WorkspaceId
    from gateway.store.admins import AdminRecord, AdminStore
    from gateway.store.projects import ProjectStore
    from gateway.store.redis.client import FunctionClient

_ROLES = ("owner", "admin", "editor", "viewer")


@click.group()
def admin() -> None:
    """Administer the people who may sign in to the dashboard."""


@admin.command("create")
@click.argument("email")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, without asking.")
@click.option("--role", type=click.Choice(_ROLES), default="owner", show_default=True, help="What the admin may do.")
@click.option("--workspace", help="Id of the workspace where the role applies.  [default: all workspaces]")
@click.option("--name", default="", help="The name that others see.")
def admin_create(email: str, password_stdin: bool, role: str, workspace: str | None, name: str) -> None:
    """Create an admin.

    The password has at least 12 characters.
    """
    from gateway.store.errors import EmailTakenError, TooManyError

    _check_email(email)
    roles = _roles(role, workspace)
    hashed = _hashed(_read_password(password_stdin), email)

    async def work(client: "FunctionClient", admins: "AdminStore") -> None:
        await _check_workspace(client, workspace)
        try:
            record = await admins.create(email, name, roles, password=hashed)
        except EmailTakenError:
            raise click.ClickException(f"there is an admin {email}: `admin reset-password` sets the password") from None
        except TooManyError as problem:
            raise click.ClickException(f"there would be {problem}") from None
        await _audit(client, "admin_create", "Create an admin", record, role=role, workspace=workspace or "all")
        _show(record)

    _run(work)


@admin.command("list")
def admin_list() -> None:
    """List the admins."""

    async def work(client: "FunctionClient", admins: "AdminStore") -> None:
        for record in await admins.all():
            _show(record)

    _run(work)


@admin.command("reset-password")
@click.argument("email")
@click.option("--password-stdin", is_flag=True, help="Read the new password from standard input.")
@click.option("--link", is_flag=True, help="Print a link by which the admin chooses the password.")
def admin_reset_password(email: str, password_stdin: bool, link: bool) -> None:
    """Set another password, and end all sessions of the admin."""
    import msgspec

    from gateway.store.admin_links import INVITATION_SECONDS, AdminLinkStore
    from gateway.store.admin_sessions import AdminSessionStore

    if link and password_stdin:
        raise click.UsageError("use --link or --password-stdin, not both")
    hashed = "" if link else _hashed(_read_password(password_stdin), email)

    async def work(client: "FunctionClient", admins: "AdminStore") -> None:
        record = await _find(admins, email)
        if link:
            click.echo(setup_address(_base(), await AdminLinkStore(client).create(record, INVITATION_SECONDS)))
        else:
            await admins.change(record.id, lambda before: msgspec.structs.replace(before, password=hashed))
            click.echo(f"the password of {record.email} is set")
        await AdminSessionStore(client).end_all(record.id)
        await _audit(client, "admin_reset_password", "Reset a password", record, link=link)

    _run(work)


@admin.command("remove")
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def admin_remove(email: str, yes: bool) -> None:
    """Remove an admin, and end all sessions."""
    from gateway.store.admin_sessions import AdminSessionStore
    from gateway.store.errors import LastOwnerError

    if not yes:
        click.confirm(f"Remove the admin {email}?", abort=True)

    async def work(client: "FunctionClient", admins: "AdminStore") -> None:
        record = await _find(admins, email)
        try:
            await admins.remove(record.id)
        except LastOwnerError:
            raise click.ClickException("nobody would be left who may change admins: create another owner") from None
        await AdminSessionStore(client).end_all(record.id)
        await _audit(client, "admin_remove", "Remove an admin", record)
        click.echo(f"the admin {record.email} is removed")

    _run(work)


@admin.command("token")
@click.argument("email")
@click.option(
    "--expires-in", type=click.IntRange(1), default=24 * 3600, show_default=True, help="Seconds until it expires."
)
def admin_token(email: str, expires_in: int) -> None:
    """Print a token of an admin for scripts.

    It may do what the admin may, also what the dashboard asks the password for.
    """
    from gateway.store.admin_sessions import AdminSessionStore, SessionKind

    async def work(client: "FunctionClient", admins: "AdminStore") -> None:
        record, until = await _find(admins, email), int(time.time()) + expires_in
        new = await AdminSessionStore(client).begin(
            record.id, SessionKind.TOKEN, agent="command line", seconds=expires_in, confirmed_until=until
        )
        await _audit(client, "admin_token", "Create a token of an admin", record, session_id=new.session.id)
        click.echo(new.secret)

    _run(work)


@admin.command("setup-link")
def admin_setup_link() -> None:
    """Print a link that creates the first owner.

    It works once, for an hour. It is refused once there is an admin.
    """
    check_store_exists(read_settings())

    async def work(client: "FunctionClient", admins: "AdminStore") -> None:
        address = await new_setup_address(client, _base())
        if not address:
            raise click.ClickException("there is an admin: `admin create` or an owner creates others")
        click.echo(address)

    _run(work)


async def ensure_owner(settings: Settings, client: "FunctionClient") -> None:
    """Create the owner of INBOX_ADMIN_EMAIL, unless there is such an admin. Raises ClickException."""
    from gateway.auth.passwords import PasswordHasher, password_fault
    from gateway.domain.admin import EVERY_WORKSPACE, Role
    from gateway.store.admins import AdminStore
    from gateway.store.errors import EmailTakenError

    admins, email = AdminStore(client), settings.admin_email
    if await admins.by_email(email) is not None:
        return
    password = _first_line(settings.admin_password_file)
    if fault := password_fault(password, email):
        raise click.ClickException(f"the password in INBOX_ADMIN_PASSWORD_FILE {fault}")
    with contextlib.suppress(EmailTakenError):  # another node has just created it
        hashed = await PasswordHasher().hash(password)
        record = await admins.create(email, "", {EVERY_WORKSPACE: Role.OWNER}, password=hashed)
        await _audit(client, "admin_create", "Create the admin of INBOX_ADMIN_EMAIL", record, role="owner")


async def new_setup_address(client: "FunctionClient", base: str) -> str:
    """Return the address that creates the first owner, "" if there is an admin."""
    from gateway.store.admin_links import SETUP_SECONDS, AdminLinkStore
    from gateway.store.admins import AdminStore

    if await AdminStore(client).any():
        return ""
    return setup_address(base, await AdminLinkStore(client).create(None, SETUP_SECONDS))


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text().partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeError) as problem:
        # Without the value, which is the password itself if somebody set it in place of its file.
        reason = getattr(problem, "strerror", None) or "it is no text"
        raise click.ClickException(f"INBOX_ADMIN_PASSWORD_FILE cannot be read: {reason}") from None


def setup_address(base: str, token: str) -> str:
    """Return the address at which somebody chooses a password. The token is in the fragment, which nothing logs."""
    return f"{base}/admin/setup#token={token}"


def _base() -> str:
    return dashboard_base(read_settings())


async def _find(admins: "AdminStore", email: str) -> "AdminRecord":
    record = await admins.by_email(email)
    if record is None:
        raise click.ClickException(f"there is no admin {email}: `inbox-gateway admin list` shows them")
    return record


def _run(work: "Callable[[FunctionClient, AdminStore], Awaitable[None]]") -> None:
    """Run `work` with a client of the store, and the admins."""
    from gateway.store.admins import AdminStore

    async def with_projects(projects: "ProjectStore") -> None:
        await work(projects.client, AdminStore(projects.client))

    run_with_projects(with_secret_key(read_settings()), with_projects)


async def _audit(client: "FunctionClient", action: str, summary: str, record: "AdminRecord", **detail: object) -> None:
    """Write an entry of the audit log about an admin."""
    from gateway.store.audit_log import AuditEntry, AuditLog, AuditRetention

    settings = read_settings()
    log = AuditLog(client, AuditRetention(settings.audit_entries, settings.audit_seconds))
    await log.append(
        AuditEntry(
            actor="command line",
            via="command_line",
            action=action,
            summary=summary,
            target={"email": record.email},
            detail=detail,
        )
    )


async def _check_workspace(client: "FunctionClient", workspace: str | None) -> None:
    from gateway.cli.arguments import no_workspace, workspace_id_of
    from gateway.store.workspaces import WorkspaceStore

    if workspace is not None:
        known = {found.id for found in await WorkspaceStore(client).all()}
        if workspace_id_of(workspace) not in known:
            raise no_workspace(workspace)


def _roles(role: str, workspace: str | None) -> "dict[WorkspaceId, Role]":
    from gateway.cli.arguments import workspace_id_of
    from gateway.domain.admin import EVERY_WORKSPACE, Role
    from gateway.domain.ids import WorkspaceId

    where = EVERY_WORKSPACE if workspace is None else WorkspaceId(workspace_id_of(workspace))
    return {where: Role(role)}


def _check_email(email: str) -> None:
    from gateway.domain.params import Text

    problems: list[str] = []
    Text(required=True, max_length=255, email=True).check(email, "email", problems)
    if problems:
        raise click.UsageError(f"{email} is no email address")


def _read_password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


def _hashed(password: str, email: str) -> str:
    """Return the hash of a new password. Raises ClickException for one that is too short or too easy."""
    import asyncio

    from gateway.auth.passwords import PasswordHasher, password_fault

    if fault := password_fault(password, email):
        raise click.ClickException(f"the password {fault}")

    async def run() -> str:
        return await PasswordHasher().hash(password)

    return asyncio.run(run())


def _show(record: "AdminRecord") -> None:
    click.echo(f"email        {record.email}")
    if record.name:
        click.echo(f"name         {record.name}")
    click.echo(f"id           {record.id}")
    for where, role in record.roles.items():
        click.echo(f"role         {role} in {'all workspaces' if where == '*' else f'workspace {where}'}")
    if not record.password:
        click.echo("password     not chosen yet")
    click.echo("")
