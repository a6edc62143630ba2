"""What commands share: the settings, and the store that they work on."""

import contextlib
import os
import re
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.trouble import StoreTroubleError, store_trouble
from gateway.server.data_directory import DataDirectoryError, create_directory, create_private, read_private
from gateway.server.supervisor import Supervisor
from gateway.settings import Settings, load_settings
from gateway.telemetry.logs import log

if TYPE_CHECKING:
    from gateway.domain.principal import Project
    from gateway.store.projects import ProjectStore
    from gateway.store.workspaces import WorkspaceStore

REACH_SECONDS = 10.0

MAX_NAME_LENGTH = 255

MIN_KEY_LENGTH = 32
"""Of the file `secret.key`. We write 43 characters; a power loss may leave fewer."""


def read_settings(**overrides: Any) -> Settings:
    """Read the environment; overrides that are None do not count. Raises SettingsError."""
    return load_settings(os.environ, **overrides)


def secret_key_path(settings: Settings) -> Path:
    """Return the file of a secret key that was generated."""
    return settings.data_dir / "secret.key"


def with_secret_key(settings: Settings) -> Settings:
    """Read the secret key from the data directory, made at the first start, unless it is set.

    Raises DataDirectoryError.
    """
    if settings.secret_key:
        return settings
    path = secret_key_path(settings)
    create_directory(path.parent)
    if not path.exists():
        if not settings.embedded:
            notice(f"INBOX_SECRET_KEY is not set: using {path}. Nodes that share a Redis need the same key.")
        create_private(path, secrets.token_urlsafe(32))
    key = read_private(path).strip()
    if not re.fullmatch(f"[!-~]{{{MIN_KEY_LENGTH},}}", key):
        raise DataDirectoryError(
            f"{path} is empty or damaged: it must hold one line of at least {MIN_KEY_LENGTH} printable characters. "
            "Restore it from a backup, or set INBOX_SECRET_KEY: with another key, the stored API secrets cannot be read"
        )
    return replace(settings, secret_key=key)


def notice(text: str) -> None:
    """Say something on standard error: a line of the log in a process that has one."""
    if log.writer is not None and not log.is_terminal:
        log.warning("notice", message=text)
    else:
        with contextlib.suppress(OSError):
            click.echo(f"inbox-gateway: {text}", err=True)


def check_name(name: str) -> None:
    """Raise UsageError when this cannot be the name of a project or the title of a workspace."""
    if not 0 < len(name.strip()) <= len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        raise click.UsageError(f"a name has 1 to {MAX_NAME_LENGTH} printable characters")


def no_project(api_key: str) -> click.ClickException:
    return click.ClickException(f"no project has the key {api_key}: `inbox-gateway project list` shows them")


def workspace_named(name: str) -> str:
    """Return the id of a workspace that is named by it, or as `default`."""
    from gateway.domain.principal import DEFAULT_WORKSPACE, DEFAULT_WORKSPACE_NAME

    return DEFAULT_WORKSPACE if name == DEFAULT_WORKSPACE_NAME else name


def no_workspace(workspace_id: str) -> click.ClickException:
    return click.ClickException(f"no workspace has the id {workspace_id}: `inbox-gateway workspace list` shows them")


async def project_of(projects: "ProjectStore", api_key: str) -> "Project":
    found = await projects.by_api_key(api_key)
    if found is None:
        raise no_project(api_key)
    return found


def run_with_workspaces(work: "Callable[[WorkspaceStore], Any]") -> None:
    from gateway.store.workspaces import WorkspaceStore

    async def with_projects(projects: "ProjectStore") -> None:
        await work(WorkspaceStore(projects.client))

    run_with_projects(with_secret_key(read_settings()), with_projects)


def run_with_projects(
    settings: Settings, work: "Callable[[ProjectStore], Any]", *, check_secret_key: bool = True
) -> None:
    """Run `work` on the project store, with the bundled Valkey started for it if no gateway runs.

    Raises SupervisorError: unless `check_secret_key` is off, also when the store belongs to another secret key.
    """
    import asyncio

    from gateway.store.errors import ForeignSecretKeyError
    from gateway.store.project_audit import audit_projects
    from gateway.store.project_audit import check_secret_key as check_secret_key_of
    from gateway.store.redis.client import StoreUnavailableError

    async def run() -> None:
        async with _projects(settings) as projects:
            if check_secret_key:
                await check_secret_key_of(projects, await audit_projects(projects))
            await work(projects)

    with started_store(settings):
        try:
            asyncio.run(run())
        except StoreUnavailableError as problem:
            raise store_trouble(settings, problem) from None
        except ForeignSecretKeyError as problem:
            raise StoreTroubleError(str(problem), may_heal=False) from None


@contextlib.contextmanager
def started_store(settings: Settings) -> Iterator[None]:
    """Have the bundled Valkey run for a block, if it is to be used and no gateway runs."""
    supervisor = Supervisor(settings)
    started = settings.embedded and not _valkey_answers(settings)
    try:
        if started:
            supervisor.start_store()
        yield
    finally:
        if started:
            supervisor.stop_store()


@contextlib.asynccontextmanager
async def _projects(settings: Settings) -> AsyncIterator["ProjectStore"]:
    import asyncio

    from gateway.store.formats import check_format
    from gateway.store.library import LIBRARY
    from gateway.store.projects import ProjectStore
    from gateway.store.redis.client import FunctionClient, StoreUnavailableError
    from gateway.store.redis.problems import StoreFormatError, StoreRefusedError, StoreWritesRefusedError
    from gateway.store.redis.topology import Topology

    client = FunctionClient(Topology(settings), LIBRARY)
    deadline = time.monotonic() + (REACH_SECONDS if settings.embedded else 0)
    try:
        projects = ProjectStore(client, settings.secret_key)
        while True:
            try:
                await client.load()
                await check_format(client)
                await projects.prepare()
                break
            except StoreWritesRefusedError:
                break  # a store that is full can be read, and that may be all that is needed
            except (StoreRefusedError, StoreFormatError):
                raise
            except StoreUnavailableError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.2)
        yield projects
    finally:
        client.close()


def _valkey_answers(settings: Settings) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(settings.valkey_socket.absolute()))
        except OSError:
            return False
        return True
