"""`admin`: the people who may sign in to the dashboard.

Whoever may run this command may do everything anyway: it needs the gateway's settings. So it is also the way in when
nobody can sign in any more.
"""

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import click

from gateway.cli.configuration import read_settings, with_secret_key
from gateway.cli.store_access import run_with_projects

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
