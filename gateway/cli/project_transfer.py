"""`project export` and `project import`: a project in a file."""

import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway import __version__
from gateway.cli.arguments import find_project, no_workspace, workspace_id_of
from gateway.cli.backups import Progress, complete_file, opened, size, verify
from gateway.cli.configuration import read_settings, with_secret_key
from gateway.cli.errors import BackupRefusedError
from gateway.cli.store_access import run_with_projects
from gateway.settings import first_line

if TYPE_CHECKING:
    from gateway.store.backup_file import Header
    from gateway.store.projects import ProjectStore

_passphrase_file = click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File whose first line is the passphrase that encrypts API secrets and the secrets of integrations. Without "
    "it, they are left out.",
)


@click.command("export")
@click.argument("api_key")
@click.argument("file", metavar="FILE|-")
@_passphrase_file
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
def project_export(api_key: str, file: str, passphrase_file: Path | None, force: bool) -> None:
    """Write the project with API_KEY into FILE. `project import` imports it elsewhere.

    FILE has its settings, users with their inboxes, preferences, topics and tokens, integrations, delivery configs and
    webhook endpoints. It has no event logs, deliveries, jobs, statistics or audit log. The gateway may be running.
    """
    from gateway.store import keys
    from gateway.store.backup import server_version
    from gateway.store.backup_file import VERSION, BackupWriter, Header
    from gateway.store.project_transfer import SALT_BYTES, ProjectExport, key_of_passphrase

    settings, passphrase = with_secret_key(read_settings()), _passphrase(passphrase_file)
    salt = secrets.token_hex(SALT_BYTES) if passphrase else ""
    progress = Progress("exported")

    async def work(projects: "ProjectStore") -> None:
        found = await find_project(projects, api_key)
        server, at = await server_version(projects.client), datetime.now(UTC).isoformat(timespec="seconds")
        header = Header(VERSION, __version__, at, keys.FORMAT, server, "", found.api_key, found.id, salt)
        with complete_file(file, force) as output:
            writer = BackupWriter(output, header)

            def text() -> str:
                return f"{writer.counts['users']:,} users, {size(writer.written)}"

            file_key = key_of_passphrase(passphrase, salt) if passphrase else ""
            await ProjectExport(
                projects, settings.secret_key, writer, found, file_key, lambda: progress.show(text())
            ).run()
        progress.end(text())
        if not passphrase:
            click.echo("secrets are left out: --passphrase-file includes them", err=True)

    run_with_projects(settings, work)


@click.command("import")
@click.argument("file", metavar="FILE|-")
@_passphrase_file
@click.option("--new-keys", is_flag=True, help="Create another API key and secret. Earlier tokens are not accepted.")
@click.option("--workspace", default="default", show_default=True, help="Id of its workspace.")
def project_import(file: str, passphrase_file: Path | None, new_keys: bool, workspace: str) -> None:
    """Create a project from FILE, under a new id. The store may be another one, and the gateway may be running.

    The API key stays the same unless --new-keys is given, and must not be in use. The secret stays the same if the
    passphrase is given; otherwise a new one is printed.
    """
    from gateway.domain.ids import ProjectId, WorkspaceId
    from gateway.store.errors import BackupError, KeyTakenError, UnknownWorkspaceError
    from gateway.store.project_transfer import ProjectImport, key_of_passphrase
    from gateway.store.restoration import check_values

    settings, passphrase = with_secret_key(read_settings()), _passphrase(passphrase_file)
    with opened(file) as source:
        from gateway.store.backup_file import BackupReader

        verified, samples = verify(source, file)
        header = verified.header
        _check_header(header, passphrase)
        progress = Progress("imported")

        async def work(projects: "ProjectStore") -> None:
            source.seek(0)
            file_key = key_of_passphrase(passphrase, header.salt) if passphrase else ""
            transfer = ProjectImport(
                projects,
                settings.secret_key,
                ProjectId(header.project_id),
                file_key,
                lambda count: progress.show(f"{count:,} keys"),
            )
            try:
                if not new_keys:
                    await transfer.check_key(header.project)
                await check_values(projects.client, samples)
                records = BackupReader(source).records()
                created = await transfer.run(records, WorkspaceId(workspace_id_of(workspace)), new_keys)
            except KeyTakenError:
                raise click.ClickException(
                    f"a project has the key {header.project}: --new-keys creates another, or delete that project first"
                ) from None
            except UnknownWorkspaceError:
                raise no_workspace(workspace) from None
            except BackupError as problem:
                raise BackupRefusedError(str(problem)) from None
            progress.end(f"{transfer.imported:,} keys")
            click.echo(f"id           {created.id}\napi key      {created.api_key}")
            if new_keys or not passphrase:
                click.echo(f"api secret   {created.secrets[0]}")

        run_with_projects(settings, work)


def _check_header(header: "Header", passphrase: str) -> None:
    from gateway.store import keys
    from gateway.store.formats import sentence

    if not header.project:
        raise BackupRefusedError("the file has a whole store, not one project: `inbox-gateway restore` reads it")
    if header.store_format != keys.FORMAT:
        raise BackupRefusedError(f"{sentence(header.store_format)}: import it with version {header.product_version}")
    if not re.fullmatch(r"[1-9]\d*", header.project_id) or not re.fullmatch(r"([0-9a-f]{32})?", header.salt):
        raise BackupRefusedError("the file is damaged: its header is wrong")
    if passphrase and not header.salt:
        raise BackupRefusedError("the file has no secrets, so there is nothing to decrypt: leave --passphrase-file out")


def _passphrase(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        passphrase = first_line(str(file))
    except (OSError, UnicodeDecodeError) as problem:
        raise click.UsageError(f"{file} cannot be read: {problem}") from None
    if len(passphrase) < 12:
        raise click.UsageError(f"{file}: a passphrase has 12 characters or more")
    return passphrase
