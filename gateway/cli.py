"""The command line. `serve` is the only command that a deployment needs.

The supervisor's process stays small: what only some commands need is imported where they begin.
"""

import contextlib
import json
import os
import resource
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway import __version__
from gateway.embedded import EmbeddedError
from gateway.settings import Settings, SettingsError, load_settings
from gateway.supervisor import Supervisor, SupervisorError, listen

if TYPE_CHECKING:
    from gateway.domain.principal import Project, Workspace
    from gateway.store.projects import ProjectStore
    from gateway.store.workspaces import WorkspaceStore

READY_SECONDS = 60.0
REACH_SECONDS = 10.0
PATIENCE_SECONDS = 30.0
"""How long a start waits for a Redis of one's own, which may be starting as well."""
DEMO_FILE = "demo-project.json"
USER_TOKEN_SECONDS = 3600
WORKSPACE_TOKEN_SECONDS = 30 * 24 * 3600


def main() -> None:
    """Run a command; what is wrong goes to standard error in one sentence, with exit code 1."""
    try:
        cli(standalone_mode=True)
    except (SettingsError, EmbeddedError, SupervisorError) as problem:
        click.echo(f"inbox-gateway: {problem}", err=True)
        sys.exit(1)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="inbox-gateway")
def cli() -> None:
    """A self-hosted, real-time notification inbox.

    Everything is set by INBOX_* environment variables; the README lists them. Start with `serve`.
    """


@cli.command()
@click.option("--host", help="Address to listen on.  [INBOX_HOST, default 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [INBOX_PORT, default 8000]")
@click.option("--workers", type=click.IntRange(1), help="Worker processes.  [INBOX_WORKERS, default 1]")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Serve the API and all live connections."""
    settings = _with_secret_key(_settings(host=host, port=port, workers=workers))
    sock = listen(settings.host, settings.port, settings.heartbeat_seconds)
    settings = _replace(settings, port=sock.getsockname()[1])
    supervisor = Supervisor(settings)
    try:
        supervisor.start_store()
        _prepare_in_child(settings)
        _announce_in_child(settings)
        supervisor.serve(sock)
    finally:
        supervisor.stop_store()


@cli.command(hidden=True)
@click.option("--fd", type=int, required=True)
@click.option("--ready-fd", type=int, required=True)
def worker(fd: int, ready_fd: int) -> None:
    """Serve on an inherited socket, and say on a pipe when that has begun; `serve` starts this."""
    from gateway.app import build_server
    from gateway.telemetry import configure_logging

    settings = _settings()
    configure_logging(settings.log_level)
    build_server(settings, ready_fd).run([socket.socket(fileno=fd)])


@cli.command(hidden=True)
def prepare() -> None:
    """Create what a first start needs, and finish what an earlier one left; `serve` runs this."""
    from gateway.store.jobs import JobStore

    settings = _settings()

    async def work(projects: "ProjectStore") -> None:
        jobs = JobStore(projects.client)
        for project_id in await projects.deleted():
            await jobs.enqueue_project_deletion(project_id)
            await projects.forget_deleted(project_id)
        if settings.bootstrap_api_key:
            await projects.keep(
                "Bootstrap",
                settings.bootstrap_api_key,
                settings.bootstrap_api_secret,
                settings.bootstrap_hmac_enabled,
            )
        else:
            keys = _demo_keys(settings)
            await projects.keep("Demo", keys["api_key"], keys["api_secret"], hmac_enabled=True)

    deadline, told = time.monotonic() + PATIENCE_SECONDS, ""
    while True:
        try:
            _run_with_projects(settings, work)
            return
        except SupervisorError as problem:
            if settings.embedded or time.monotonic() > deadline:
                raise
            if str(problem) != told:
                told = str(problem)
                click.echo(f"inbox-gateway: {told}; trying again for {PATIENCE_SECONDS:.0f} s", err=True)
        time.sleep(0.5)


@cli.command(hidden=True)
def announce() -> None:
    """Wait for the workers, then print where the gateway is; `serve` runs this."""
    settings = _settings()
    base = f"http://{'127.0.0.1' if settings.host in ('0.0.0.0', '::') else settings.host}:{settings.port}"  # noqa: S104
    if not _wait_until_ready(base):
        click.echo(f"The gateway at {base} is not ready yet: see the messages above.", err=True)
        return
    click.echo(_banner(settings, base))


@cli.group()
def project() -> None:
    """Create, list and change projects, and rotate their secrets."""


@project.command("create")
@click.argument("name")
@click.option("--hmac/--no-hmac", default=True, show_default=True, help="Require user HMACs.")
@click.option("--workspace", default="default", show_default=True, help="Id of the workspace it belongs to.")
def project_create(name: str, hmac: bool, workspace: str) -> None:
    """Create a project and print its keys."""
    from gateway.domain.principal import WorkspaceId
    from gateway.store.projects import UnknownWorkspaceError

    async def work(projects: "ProjectStore") -> None:
        try:
            _show(await projects.create(name, hmac, workspace_id=WorkspaceId(workspace)), with_secret=True)
        except UnknownWorkspaceError:
            raise _no_workspace(workspace) from None

    _run_with_projects(_with_secret_key(_settings()), work)


@project.command("list")
def project_list() -> None:
    """List projects, without their secrets."""

    async def work(projects: "ProjectStore") -> None:
        for found in await projects.all():
            _show(found)

    _run_with_projects(_with_secret_key(_settings()), work)


@project.command("set")
@click.argument("api_key")
@click.option("--name", help="Another name.")
@click.option("--hmac/--no-hmac", default=None, help="Require user HMACs, or not.")
@click.option("--allowed-origins", help='Comma-separated origins of pages that may call; "" for the gateway\'s own.')
def project_set(api_key: str, name: str | None, hmac: bool | None, allowed_origins: str | None) -> None:
    """Change a project, at once on every node."""
    from gateway.domain.origin import read_origin
    from gateway.store.projects import ProjectChange

    origins: list[str] | None = None
    if allowed_origins is not None:
        given = [part.strip() for part in allowed_origins.split(",") if part.strip()]
        origins = [origin for origin in map(read_origin, given) if origin is not None]
        if len(origins) < len(given):
            wrong = ", ".join(part for part in given if read_origin(part) is None)
            raise click.UsageError(f"{wrong}: an origin is written https://app.example.com, https://*.example.com or *")
    if name is not None and not 0 < len(name.strip()) <= len(name) <= 255:
        raise click.UsageError("a name has 1 to 255 characters")

    async def work(projects: "ProjectStore") -> None:
        found = await projects.update(api_key, ProjectChange(name, hmac, origins))
        if found is None:
            raise _no_project(api_key)
        _show(found)

    _run_with_projects(_with_secret_key(_settings()), work)


@project.command("rotate-secret")
@click.argument("api_key")
@click.option("--overlap", type=click.IntRange(0), default=3600, show_default=True, help="Seconds the old one counts.")
def project_rotate_secret(api_key: str, overlap: int) -> None:
    """Give a project a new secret and print it."""

    async def work(projects: "ProjectStore") -> None:
        found = await projects.rotate_secret(api_key, overlap)
        if found is None:
            raise _no_project(api_key)
        _show(found, with_secret=True)

    _run_with_projects(_with_secret_key(_settings()), work)


@project.group("keys")
def project_keys() -> None:
    """Register public keys that your backend signs user tokens with (RS256, ES256)."""


@project_keys.command("add")
@click.argument("api_key")
@click.argument("file", type=click.File())
@click.option("--kid", help="Name of the key; unless given, that in the file, or its thumbprint.")
def project_keys_add(api_key: str, file: Any, kid: str | None) -> None:
    """Add the keys of FILE: a public key in PEM, a JWK, or a JWKS document."""
    added = _keys_of(file.read(), kid)

    async def work(projects: "ProjectStore") -> None:
        await _change_keys(projects, api_key, lambda keys: [*keys, *added])

    _run_with_projects(_with_secret_key(_settings()), work)


@project_keys.command("list")
@click.argument("api_key")
def project_keys_list(api_key: str) -> None:
    """List a project's keys: their algorithm and name."""

    async def work(projects: "ProjectStore") -> None:
        for key in (await _project_of(projects, api_key)).public_keys:
            click.echo(f"{key.algorithm}  {key.id}")

    _run_with_projects(_with_secret_key(_settings()), work)


@project_keys.command("remove")
@click.argument("api_key")
@click.argument("kid")
def project_keys_remove(api_key: str, kid: str) -> None:
    """Remove a key; what rests on it is closed at once."""

    def without(keys: list[Any]) -> list[Any]:
        if kid not in (key["kid"] for key in keys):
            raise click.ClickException(f"the project has no key {kid}")
        return [key for key in keys if key["kid"] != kid]

    async def work(projects: "ProjectStore") -> None:
        await _change_keys(projects, api_key, without)

    _run_with_projects(_with_secret_key(_settings()), work)


@cli.group()
def workspace() -> None:
    """Create, list and rename workspaces, which projects belong to."""


@workspace.command("create")
@click.argument("title")
def workspace_create(title: str) -> None:
    """Create a workspace and print its id."""

    async def work(workspaces: "WorkspaceStore") -> None:
        _show_workspace(await workspaces.create(title))

    _run_with_workspaces(work)


@workspace.command("list")
def workspace_list() -> None:
    """List workspaces."""

    async def work(workspaces: "WorkspaceStore") -> None:
        for found in await workspaces.all():
            _show_workspace(found)

    _run_with_workspaces(work)


@workspace.command("rename")
@click.argument("workspace_id")
@click.argument("title")
def workspace_rename(workspace_id: str, title: str) -> None:
    """Give a workspace another title."""
    from gateway.domain.principal import WorkspaceId

    async def work(workspaces: "WorkspaceStore") -> None:
        found = await workspaces.rename(WorkspaceId(workspace_id), title)
        if found is None:
            raise _no_workspace(workspace_id)
        _show_workspace(found)

    _run_with_workspaces(work)


@workspace.command("revoke-token")
@click.argument("token")
def workspace_revoke_token(token: str) -> None:
    """Refuse a workspace token from now on, on every node."""
    from gateway.domain.errors import ApiError
    from gateway.workspace_auth import WorkspaceTokens

    settings = _with_secret_key(_settings())
    try:
        claims = WorkspaceTokens(settings.secret_key).read(token)
    except ApiError as error:
        raise click.ClickException(f"there is nothing to revoke: {error}") from None

    async def work(workspaces: "WorkspaceStore") -> None:
        await workspaces.revoke_token(claims.token_id, int(claims.expires_at - time.time()) + 60)
        click.echo("revoked")

    _run_with_workspaces(work)


@cli.command()
@click.option("--api-key", help="The project's key.")
@click.option("--external-id", help="The user's external id.")
@click.option("--email", help="The user's email.")
@click.option("--expires-in", type=click.IntRange(1), help="Seconds.  [default: 3600; of a workspace: 30 days]")
@click.option("--hmac", is_flag=True, help="Print the user's HMAC instead of a token.")
@click.option(
    "--workspace", is_flag=False, flag_value="default", help="Print a token of this workspace; without an id, default."
)
def token(
    api_key: str | None,
    external_id: str | None,
    email: str | None,
    expires_in: int | None,
    hmac: bool,
    workspace: str | None,
) -> None:
    """Sign a token for a user, as your backend would; or one for a workspace."""
    if workspace is not None:
        if api_key or external_id or email or hmac:
            raise click.UsageError("--workspace goes with --expires-in only")
        _print_workspace_token(workspace, expires_in or WORKSPACE_TOKEN_SECONDS)
    elif api_key is None:
        raise click.UsageError("name the project with --api-key, or use --workspace")
    else:
        _print_user_token(api_key, external_id, email, expires_in or USER_TOKEN_SECONDS, hmac)


def _print_workspace_token(workspace_id: str, expires_in: int) -> None:
    from gateway.domain.principal import WorkspaceId
    from gateway.workspace_auth import WorkspaceTokens

    settings = _with_secret_key(_settings())

    async def work(workspaces: "WorkspaceStore") -> None:
        if workspace_id not in {found.id for found in await workspaces.all()}:
            raise _no_workspace(workspace_id)
        click.echo(WorkspaceTokens(settings.secret_key).sign(WorkspaceId(workspace_id), expires_in))

    _run_with_workspaces(work)


def _print_user_token(api_key: str, external_id: str | None, email: str | None, expires_in: int, hmac: bool) -> None:
    from gateway.auth import user_hmac, user_token
    from gateway.domain.principal import Identity, normalize_email

    if not external_id and not email:
        raise click.UsageError("name the user with --external-id or --email")
    identity = Identity(external_id, normalize_email(email) if email else None)

    async def work(projects: "ProjectStore") -> None:
        found = await _project_of(projects, api_key)
        if hmac:
            click.echo(user_hmac(found.secrets[0], identity.external_id or identity.email or ""))
        else:
            click.echo(user_token(found, identity, int(time.time()) + expires_in))

    _run_with_projects(_with_secret_key(_settings()), work)


@cli.command()
def doctor() -> None:
    """Check that this machine and its settings can run the gateway; exit code 1 if not."""
    from gateway.store.client import FunctionClient
    from gateway.store.topology import Topology

    settings = _settings()
    click.echo("settings   ok")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    verdict = "ok" if soft >= 10_000 else "LOW: raise it with `ulimit -n`; each connection takes one"
    click.echo(f"open files {soft} {verdict}")
    click.echo(
        f"store      {'bundled Valkey in ' + str(settings.data_dir) if settings.embedded else 'INBOX_REDIS_URL'}"
    )

    async def work(projects: "ProjectStore") -> None:
        client = FunctionClient(Topology(settings))
        try:
            await client.load()
            persistence = await client.info("persistence")
            for name, info in (await client.info("server")).items():
                version = info.get("valkey_version", info["redis_version"])
                click.echo(f"server     {info.get('server_name', 'redis')} {version} {name}".rstrip())
                on = persistence[name].get("aof_enabled") == "1"
                click.echo(f"durability {'append-only file' if on else 'NO append-only file: a restart loses data'}")
            click.echo(f"projects   {len(await projects.all())}")
        finally:
            client.close()

    _run_with_projects(_with_secret_key(settings), work)
    click.echo("all well")


@cli.command()
def openapi() -> None:
    """Print the OpenAPI document of the REST API."""
    from gateway.api.openapi import document
    from gateway.api.operations import OPERATIONS

    click.echo(json.dumps(document(OPERATIONS), indent=2, ensure_ascii=False))


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


async def _change_keys(projects: "ProjectStore", api_key: str, edit: "Callable[[list[Any]], list[Any]]") -> None:
    from gateway.jwks import read_keys

    found = await _project_of(projects, api_key)
    problems: list[str] = []
    keys = read_keys(edit([key.jwk for key in found.public_keys]), "keys", problems)
    if problems:
        raise click.ClickException("; ".join(problems))
    await projects.set_keys(api_key, keys)


async def _project_of(projects: "ProjectStore", api_key: str) -> "Project":
    found = await projects.by_api_key(api_key)
    if found is None:
        raise _no_project(api_key)
    return found


def _settings(**overrides: Any) -> Settings:
    return load_settings(os.environ, **overrides)


def _replace(settings: Settings, **changes: Any) -> Settings:
    import dataclasses

    return dataclasses.replace(settings, **changes)


def _with_secret_key(settings: Settings) -> Settings:
    """Take the secret key from the data directory, made at the first start, unless it is set."""
    if settings.secret_key:
        return settings
    path = settings.data_dir / "secret.key"
    if not path.exists():
        if not settings.embedded:
            click.echo(
                f"INBOX_SECRET_KEY is not set: using {path}. Nodes that share a Redis need the same key.",
                err=True,
            )
        _write_private(path, secrets.token_urlsafe(32))
    return _replace(settings, secret_key=path.read_text().strip())


def _demo_keys(settings: Settings) -> dict[str, str]:
    path = settings.data_dir / DEMO_FILE
    if not path.exists():
        keys = {"api_key": "demo_" + secrets.token_urlsafe(12), "api_secret": secrets.token_urlsafe(30)}
        _write_private(path, json.dumps(keys, indent=2) + "\n")
    keys = json.loads(path.read_text())
    return {name: str(keys[name]) for name in ("api_key", "api_secret")}


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Written whole or not at all, and readable by nobody else from the first moment.
    temporary = path.with_suffix(".new")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    temporary.rename(path)


def _child_environment(settings: Settings) -> dict[str, str]:
    return {
        **os.environ,
        "INBOX_SECRET_KEY": settings.secret_key,
        "INBOX_DATA_DIR": str(settings.data_dir),
        "INBOX_HOST": settings.host,
        "INBOX_PORT": str(settings.port),
    }


def _prepare_in_child(settings: Settings) -> None:
    """Prepare in a process of its own, so that this one stays small."""
    done = subprocess.run([sys.executable, "-m", "gateway", "prepare"], env=_child_environment(settings), check=False)
    if done.returncode != 0:
        raise SupervisorError("the store could not be prepared: see the message above")


def _announce_in_child(settings: Settings) -> None:
    subprocess.Popen([sys.executable, "-m", "gateway", "announce"], env=_child_environment(settings))


def _wait_until_ready(base: str) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{base}/readyz", timeout=2):
            return True
        time.sleep(0.1)
    return False


def _banner(settings: Settings, base: str) -> str:
    if settings.bootstrap_api_key:
        return f"\n  The inbox gateway serves at {base}\n"
    keys = _demo_keys(settings)
    body = '{"notification":{"title":"Hello, Ada","content":"Sent with curl","recipients":[{"external_id":"ada"}]}}'
    return (
        f"\n  The inbox gateway serves at {base}\n\n"
        f"  Demo page   {base}/demo#api_key={keys['api_key']}&api_secret={keys['api_secret']}\n\n"
        f"  Send one    curl -X POST {base}/notifications \\\n"
        f"                -H 'X-MAGICBELL-API-KEY: {keys['api_key']}' \\\n"
        f"                -H 'X-MAGICBELL-API-SECRET: {keys['api_secret']}' \\\n"
        f"                -d '{body}'\n\n"
        f"  The demo project's keys are kept in {settings.data_dir / DEMO_FILE}\n"
    )


def _show(found: "Project", with_secret: bool = False) -> None:
    click.echo(f"name         {found.name}")
    click.echo(f"id           {found.id}")
    click.echo(f"api key      {found.api_key}")
    if with_secret:
        click.echo(f"api secret   {found.secrets[0]}")
    click.echo(f"hmac         {'required' if found.hmac_enabled else 'not required'}")
    click.echo(f"origins      {', '.join(found.allowed_origins) or 'those of INBOX_ALLOWED_ORIGINS'}")
    click.echo(f"workspace    {found.workspace_id}\n")


def _show_workspace(found: "Workspace") -> None:
    click.echo(f"title        {found.title}")
    click.echo(f"id           {found.id}\n")


def _no_project(api_key: str) -> click.ClickException:
    return click.ClickException(f"no project has the key {api_key}: `inbox-gateway project list` shows them")


def _no_workspace(workspace_id: str) -> click.ClickException:
    return click.ClickException(f"no workspace has the id {workspace_id}: `inbox-gateway workspace list` shows them")


def _run_with_workspaces(work: "Callable[[WorkspaceStore], Any]") -> None:
    from gateway.store.workspaces import WorkspaceStore

    async def with_projects(projects: "ProjectStore") -> None:
        await work(WorkspaceStore(projects.client))

    _run_with_projects(_with_secret_key(_settings()), with_projects)


def _run_with_projects(settings: Settings, work: "Callable[[ProjectStore], Any]") -> None:
    """Run `work` on the project store, with the bundled Valkey started for it if no gateway runs."""
    import asyncio

    from gateway.store.client import StoreUnavailableError

    async def run() -> None:
        async with _projects(settings) as projects:
            await work(projects)

    supervisor = Supervisor(settings)
    started = settings.embedded and not _valkey_answers(settings)
    try:
        if started:
            supervisor.start_store()
        asyncio.run(run())
    except StoreUnavailableError as problem:
        where = "the bundled Valkey" if settings.embedded else "the server of INBOX_REDIS_URL"
        raise SupervisorError(f"{where} cannot be reached or refuses: {problem}") from None
    finally:
        if started:
            supervisor.stop_store()


@contextlib.asynccontextmanager
async def _projects(settings: Settings) -> AsyncIterator["ProjectStore"]:
    import asyncio

    from gateway.store.client import FunctionClient, StoreUnavailableError
    from gateway.store.projects import ProjectStore
    from gateway.store.topology import Topology

    client = FunctionClient(Topology(settings))
    deadline = time.monotonic() + REACH_SECONDS
    try:
        while True:
            try:
                await client.load()
                break
            except StoreUnavailableError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.2)
        projects = ProjectStore(client, settings.secret_key)
        await projects.prepare()
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
