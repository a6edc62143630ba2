"""Access of commands to the store that the settings name, whether or not a gateway is running."""

import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

from gateway.cli.configuration import read_settings, with_secret_key
from gateway.cli.errors import StoreUnusableError
from gateway.cli.store_errors import store_error
from gateway.server.supervisor import Supervisor
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.store.projects import ProjectStore
    from gateway.store.workspaces import WorkspaceStore

REACH_SECONDS = 10.0
"""How long a command waits for the bundled Valkey to accept connections."""


def run_with_workspaces(work: "Callable[[WorkspaceStore], Any]") -> None:
    """Run `work` on the workspace store, as `run_with_projects` does."""
    from gateway.store.workspaces import WorkspaceStore

    async def with_projects(projects: "ProjectStore") -> None:
        await work(WorkspaceStore(projects.client))

    run_with_projects(with_secret_key(read_settings()), with_projects)


def run_with_projects(
    settings: Settings, work: "Callable[[ProjectStore], Any]", *, check_secret_key: bool = True
) -> None:
    """Run `work` on the project store. The bundled Valkey is started for it unless a gateway is running.

    Raises StoreUnusableError, with `check_secret_key` also if another secret key encrypted the stored projects, and
    BundledValkeyError or DataDirectoryError if the bundled Valkey cannot be started.
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
            raise store_error(settings, problem) from None
        except ForeignSecretKeyError as problem:
            raise StoreUnusableError(str(problem), may_recover=False) from None


def check_store_exists(settings: Settings) -> None:
    """Raise StoreUnusableError if the bundled Valkey has no data in the data directory, as in a wrong one."""
    if settings.embedded and not settings.valkey_socket.parent.exists():
        raise StoreUnusableError(
            f"there is no store in {settings.data_dir.absolute()}: start `inbox-gateway serve`, or set INBOX_DATA_DIR "
            "(or INBOX_REDIS_URL) as it has it",
            may_recover=False,
        )


@contextlib.contextmanager
def started_store(settings: Settings) -> Iterator[None]:
    """Start the bundled Valkey for the time of a block, if the settings use it and no gateway is running."""
    supervisor = Supervisor(settings)
    started = settings.embedded and not bundled_valkey_runs(settings)
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
                break  # a full store can still be read, and many commands only read
            except (StoreRefusedError, StoreFormatError):
                raise
            except StoreUnavailableError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.2)
        yield projects
    finally:
        client.close()


def bundled_valkey_runs(settings: Settings) -> bool:
    """Return whether the bundled Valkey of these settings accepts connections, which it does while `serve` runs."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(settings.valkey_socket.absolute()))
        except OSError:
            return False
        return True
