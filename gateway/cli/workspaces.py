"""`workspace`: workspaces, and the revocation of their tokens."""

import time
from typing import TYPE_CHECKING

import click

from gateway.cli.arguments import check_name, no_workspace, workspace_id_of
from gateway.cli.configuration import read_settings, with_secret_key
from gateway.cli.store_access import run_with_workspaces

if TYPE_CHECKING:
    from gateway.domain.principal import Workspace
    from gateway.store.workspaces import WorkspaceStore


@click.group()
def workspace() -> None:
    """Create, list and rename workspaces."""


@workspace.command("create")
@click.argument("title")
def workspace_create(title: str) -> None:
    """Create a workspace and print its id."""
    check_name(title)

    async def work(workspaces: "WorkspaceStore") -> None:
        _show_workspace(await workspaces.create(title))

    run_with_workspaces(work)


@workspace.command("list")
def workspace_list() -> None:
    """List workspaces."""

    async def work(workspaces: "WorkspaceStore") -> None:
        for found in await workspaces.all():
            _show_workspace(found)

    run_with_workspaces(work)


@workspace.command("rename")
@click.argument("workspace_id")
@click.argument("title")
def workspace_rename(workspace_id: str, title: str) -> None:
    """Change the title of a workspace."""
    from gateway.domain.ids import WorkspaceId

    check_name(title)

    async def work(workspaces: "WorkspaceStore") -> None:
        found = await workspaces.rename(WorkspaceId(workspace_id_of(workspace_id)), title)
        if found is None:
            raise no_workspace(workspace_id)
        _show_workspace(found)

    run_with_workspaces(work)


@workspace.command("revoke-token")
@click.argument("token")
def workspace_revoke_token(token: str) -> None:
    """Revoke a workspace token on every node."""
    from gateway.auth.workspaces import WorkspaceTokens
    from gateway.domain.errors import ApiError

    settings = with_secret_key(read_settings())
    try:
        claims = WorkspaceTokens(settings.secret_key).read(token)
    except ApiError as error:
        raise click.ClickException(f"this token cannot be revoked: {error}") from None

    async def work(workspaces: "WorkspaceStore") -> None:
        await workspaces.revoke_token(claims.token_id, int(claims.expires_at - time.time()) + 60)
        click.echo("revoked")

    run_with_workspaces(work)


def _show_workspace(found: "Workspace") -> None:
    click.echo(f"title        {found.title}")
    click.echo(f"id           {found.id}\n")
