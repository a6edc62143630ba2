"""`project`: projects, their secrets and their keys."""

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.common import (
    check_name,
    no_project,
    no_workspace,
    project_of,
    read_settings,
    run_with_projects,
    with_secret_key,
    workspace_named,
)

if TYPE_CHECKING:
    from gateway.domain.principal import Project
    from gateway.store.projects import ProjectStore


@click.group()
def project() -> None:
    """Administer projects, secrets and keys."""


@project.command("create")
@click.argument("name")
@click.option("--hmac/--no-hmac", default=True, show_default=True, help="Require user HMACs.")
@click.option("--workspace", default="default", show_default=True, help="Id of the workspace it belongs to.")
def project_create(name: str, hmac: bool, workspace: str) -> None:
    """Create a project and print its keys."""
    from gateway.domain.principal import WorkspaceId
    from gateway.store.errors import TooManyProjectsError, UnknownWorkspaceError

    check_name(name)

    async def work(projects: "ProjectStore") -> None:
        try:
            _show(
                await projects.create(name, hmac, workspace_id=WorkspaceId(workspace_named(workspace))),
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

    # Also for who has lost the secret key: the keys that are listed are what `rotate-secret` needs.
    run_with_projects(with_secret_key(read_settings()), work, check_secret_key=False)


@project.command("set")
@click.argument("api_key")
@click.option("--name", help="Another name.")
@click.option("--hmac/--no-hmac", default=None, help="Require user HMACs, or not.")
@click.option("--allowed-origins", help='Comma-separated origins of pages that may call; "" for the gateway\'s own.')
@click.option("--item-retention-count", metavar="N|default", help="Notifications kept per user; 0 keeps all.")
@click.option("--item-retention-seconds", metavar="N|default", help="How long notifications are kept; 0 is for ever.")
@click.option(
    "--strict/--no-strict", default=None, help="Refuse fields and parameters that are not known, or name them."
)
def project_set(
    api_key: str,
    name: str | None,
    hmac: bool | None,
    allowed_origins: str | None,
    item_retention_count: str | None,
    item_retention_seconds: str | None,
    strict: bool | None,
) -> None:
    """Change a project, at once on every node."""
    from gateway.domain.origin import read_origin
    from gateway.domain.retention import MOST_ITEMS, MOST_SECONDS
    from gateway.store.jobs import JobStore
    from gateway.store.projects import ProjectChange

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
    count = _bound("--item-retention-count", item_retention_count, MOST_ITEMS)
    seconds = _bound("--item-retention-seconds", item_retention_seconds, MOST_SECONDS)

    async def work(projects: "ProjectStore") -> None:
        found = await projects.update(api_key, ProjectChange(name, hmac, origins, count, seconds, strict))
        if found is None:
            raise no_project(api_key)
        keep = found.item_retention(settings.item_retention)
        if keep.bounded and (count, seconds) != (None, None):
            await JobStore(projects.client).enqueue_retention(found.id, keep)
        _show(found)

    run_with_projects(settings, work)


@project.command("delete")
@click.argument("api_key")
@click.option("--yes", is_flag=True, help="Ask nothing.")
def project_delete(api_key: str, yes: bool) -> None:
    """Delete a project and its users.

    Their inboxes are deleted too. A project whose record cannot be read can be deleted as well.
    """
    from gateway.store.jobs import JobStore
    from gateway.store.redis.problems import StoreDataError

    if not yes:
        click.confirm(f"Delete the project {api_key} with everything in it?", abort=True)

    async def work(projects: "ProjectStore") -> None:
        try:
            found = await projects.by_api_key(api_key)
            if found is None:
                raise no_project(api_key)
            await projects.delete(found)
            ids = [found.id]
        except StoreDataError:
            ids = await projects.discard(api_key)
        jobs = JobStore(projects.client)
        for project_id in ids:
            await jobs.enqueue_project_deletion(project_id)
            await projects.forget_deleted(project_id)
        click.echo(f"the project {api_key} is deleted; its data is removed in the background while a gateway runs")

    run_with_projects(with_secret_key(read_settings()), work, check_secret_key=False)


@project.command("rotate-secret")
@click.argument("api_key")
@click.option("--overlap", type=click.IntRange(0), default=3600, show_default=True, help="Seconds the old one counts.")
@click.option(
    "--lost-secret-key",
    is_flag=True,
    help="The INBOX_SECRET_KEY that the old secret was encrypted with is lost: end it at once, use the present key.",
)
def project_rotate_secret(api_key: str, overlap: int, lost_secret_key: bool) -> None:
    """Create a new secret and print it."""

    async def work(projects: "ProjectStore") -> None:
        found = await projects.rotate_secret(api_key, 0 if lost_secret_key else overlap)
        if found is None:
            raise no_project(api_key)
        _show(found, with_secret=True)

    run_with_projects(with_secret_key(read_settings()), work, check_secret_key=not lost_secret_key)


@project.group("keys")
def project_keys() -> None:
    """Administer the keys of signed tokens.

    They are the public keys of the key pairs that your backend signs user tokens with (RS256, ES256).
    """


@project_keys.command("add")
@click.argument("api_key")
@click.argument("file", type=click.File())
@click.option("--kid", help="Name of the key; unless given, that in the file, or its thumbprint.")
def project_keys_add(api_key: str, file: Any, kid: str | None) -> None:
    """Add the public keys of a file.

    FILE is a public key in PEM, a JWK, or a JWKS document.
    """
    added = _keys_of(file.read(), kid)
    _check_keys(added, file.name)

    async def work(projects: "ProjectStore") -> None:
        await _change_keys(projects, api_key, lambda keys: [*keys, *added])

    run_with_projects(with_secret_key(read_settings()), work)


@project_keys.command("list")
@click.argument("api_key")
def project_keys_list(api_key: str) -> None:
    """List a project's keys: their algorithm and name."""

    async def work(projects: "ProjectStore") -> None:
        for key in (await project_of(projects, api_key)).public_keys:
            click.echo(f"{key.algorithm}  {key.id}")

    run_with_projects(with_secret_key(read_settings()), work)


@project_keys.command("remove")
@click.argument("api_key")
@click.argument("kid")
def project_keys_remove(api_key: str, kid: str) -> None:
    """Remove a key and end what rests on it."""

    def without(keys: list[Any]) -> list[Any]:
        if kid not in (key["kid"] for key in keys):
            raise click.ClickException(f"the project has no key {kid}")
        return [key for key in keys if key["kid"] != kid]

    async def work(projects: "ProjectStore") -> None:
        await _change_keys(projects, api_key, without)

    run_with_projects(with_secret_key(read_settings()), work)


def _bound(option: str, text: str | None, most: int) -> int | str | None:
    from gateway.domain.retention import DEFAULT

    if text is None or text == DEFAULT:
        return text
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= most):
        raise click.UsageError(
            f'{option} is a whole number from 0 to {most}, or "{DEFAULT}" for the gateway\'s setting'
        )
    return int(text)


def _keys_of(text: str, kid: str | None) -> list[Any]:
    """Read a file of keys as JWKs, or objects that hold a PEM; they are checked later."""
    named = {"kid": kid} if kid else {}
    if text.lstrip().startswith("-----"):
        return [{"pem": text, **named}]
    try:
        found = json.loads(text)
    except ValueError:
        raise click.ClickException("the file holds neither PEM nor JSON") from None
    keys = found["keys"] if isinstance(found, dict) and "keys" in found else [found]
    if named and len(keys) != 1:
        raise click.UsageError("--kid names one key, and the file has several")
    return [{**key, **named} if isinstance(key, dict) else key for key in keys]


def _check_keys(keys: list[Any], name: str) -> None:
    """Raise ClickException, with messages about the file of this name, when it holds what is no key to register."""
    from gateway.auth.jwks import read_keys

    problems: list[str] = []
    read_keys(keys, "keys", problems)
    if problems:
        # "Param 'keys[0].crv' must be P-256" is about a request; that of a PEM has no member's name.
        texts = (re.sub(r"^Param 'keys\[(\d+)\](?:\.pem|\.(\w+))?'", _in_a_file, problem) for problem in problems)
        raise click.ClickException(f"{name}: {'; '.join(texts)}")


def _in_a_file(found: re.Match[str]) -> str:
    key = f"key {int(found[1]) + 1}"
    return f"{key}: {found[2]}" if found[2] else key


async def _change_keys(projects: "ProjectStore", api_key: str, edit: "Callable[[list[Any]], list[Any]]") -> None:
    from gateway.auth.jwks import read_keys

    found = await project_of(projects, api_key)
    problems: list[str] = []
    keys = read_keys(edit([key.jwk for key in found.public_keys]), "keys", problems)
    if problems:
        raise click.ClickException("; ".join(problems))
    await projects.set_keys(api_key, keys)


def _show(found: "Project", with_secret: bool = False) -> None:
    click.echo(f"name         {found.name}")
    click.echo(f"id           {found.id}")
    click.echo(f"api key      {found.api_key}")
    if with_secret:
        click.echo(f"api secret   {found.secrets[0]}")
    click.echo(f"hmac         {'required' if found.hmac_enabled else 'not required'}")
    click.echo(f"origins      {', '.join(found.allowed_origins) or 'those of INBOX_ALLOWED_ORIGINS'}")
    if found.strict:
        click.echo("strict       fields and parameters that are not known are refused")
    if (found.item_retention_count, found.item_retention_seconds) != (None, None):
        click.echo(f"keeps        {_kept(found)}")
    click.echo(f"workspace    {found.workspace_id}\n")


def _kept(found: "Project") -> str:
    count, seconds = found.item_retention_count, found.item_retention_seconds
    items = {None: "as many items as INBOX_ITEM_RETENTION_COUNT says", 0: "all items"}.get(
        count, f"{count} items a user"
    )
    age = {None: "as long as INBOX_ITEM_RETENTION_SECONDS says", 0: "for ever"}.get(seconds, f"for {seconds} seconds")
    return f"{items}, {age}"
