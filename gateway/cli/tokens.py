"""`token`: user tokens, user HMACs and workspace tokens."""

import time
from typing import TYPE_CHECKING

import click

from gateway.cli.arguments import find_project, no_workspace, workspace_id_of
from gateway.cli.configuration import read_settings, with_secret_key
from gateway.cli.store_access import run_with_projects, run_with_workspaces

if TYPE_CHECKING:
    from gateway.store.projects import ProjectStore
    from gateway.store.workspaces import WorkspaceStore

USER_SECONDS = 3600
WORKSPACE_SECONDS = 30 * 24 * 3600


@click.command()
@click.option("--api-key", help="The project's API key.")
@click.option("--external-id", help="The user's external id.")
@click.option("--email", help="The user's email.")
@click.option(
    "--expires-in", type=click.IntRange(1), help="Seconds until it expires.  [default: 3600; for a workspace 30 days]"
)
@click.option("--hmac", is_flag=True, help="Print the user's HMAC instead of a token.")
@click.option(
    "--workspace",
    is_flag=False,
    flag_value="default",
    help="Print a token for this workspace, by default the default one.",
)
def token(
    api_key: str | None,
    external_id: str | None,
    email: str | None,
    expires_in: int | None,
    hmac: bool,
    workspace: str | None,
) -> None:
    """Sign a token for a user or a workspace.

    A user's token is the same as one that your backend would sign.
    """
    if workspace is not None:
        if api_key or external_id or email or hmac:
            raise click.UsageError("--workspace can only be combined with --expires-in")
        _print_workspace_token(workspace, expires_in or WORKSPACE_SECONDS)
    elif api_key is None:
        raise click.UsageError("name the project with --api-key, or use --workspace")
    else:
        _print_user_token(api_key, external_id, email, expires_in or USER_SECONDS, hmac)


def _print_workspace_token(workspace_id: str, expires_in: int) -> None:
    from gateway.auth.workspaces import WorkspaceTokens
    from gateway.domain.ids import WorkspaceId

    settings = with_secret_key(read_settings())
    workspace_id = workspace_id_of(workspace_id)

    async def work(workspaces: "WorkspaceStore") -> None:
        if workspace_id not in {found.id for found in await workspaces.all()}:
            raise no_workspace(workspace_id)
        click.echo(WorkspaceTokens(settings.secret_key).sign(WorkspaceId(workspace_id), expires_in))

    run_with_workspaces(work)


def _print_user_token(api_key: str, external_id: str | None, email: str | None, expires_in: int, hmac: bool) -> None:
    from gateway.auth.credentials import user_hmac
    from gateway.auth.tokens import user_token
    from gateway.domain.principal import Identity, normalize_email

    if not external_id and not email:
        raise click.UsageError("name the user with --external-id or --email")
    identity = Identity(external_id, normalize_email(email) if email else None)

    async def work(projects: "ProjectStore") -> None:
        found = await find_project(projects, api_key)
        if hmac:
            click.echo(user_hmac(found.secrets[0], identity.external_id or identity.email or ""))
        else:
            now = int(time.time())
            click.echo(user_token(found, identity, now, now + expires_in))

    run_with_projects(with_secret_key(read_settings()), work)
