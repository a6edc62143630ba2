"""`serve`, and the processes that it starts."""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from gateway.cli.common import read_settings, run_with_projects, with_secret_key, write_private
from gateway.settings import Settings
from gateway.supervisor import Supervisor, SupervisorError, listen

if TYPE_CHECKING:
    from gateway.store.projects import ProjectStore

READY_SECONDS = 60.0
PATIENCE_SECONDS = 30.0
"""How long a start waits for a Redis of one's own, which may be starting as well."""

DEMO_FILE = "demo-project.json"


@click.command()
@click.option("--host", help="Address to listen on.  [INBOX_HOST, default 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [INBOX_PORT, default 8000]")
@click.option("--workers", type=click.IntRange(1), help="Worker processes.  [INBOX_WORKERS, default 1]")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Serve the API and all live connections."""
    settings = with_secret_key(read_settings(host=host, port=port, workers=workers))
    sock = listen(settings.host, settings.port, settings.heartbeat_seconds)
    settings = replace(settings, port=sock.getsockname()[1])
    supervisor = Supervisor(settings)
    try:
        supervisor.start_store()
        _prepare_in_child(settings)
        _announce_in_child(settings)
        supervisor.serve(sock)
    finally:
        supervisor.stop_store()


@click.command(hidden=True)
@click.option("--fd", type=int, required=True)
@click.option("--ready-fd", type=int, required=True)
def worker(fd: int, ready_fd: int) -> None:
    """Serve on an inherited socket, and say on a pipe when that has begun; `serve` starts this."""
    from gateway.app import build_server
    from gateway.telemetry import configure_logging

    settings = read_settings()
    configure_logging(settings.log_level)
    build_server(settings, ready_fd).run([socket.socket(fileno=fd)])


@click.command(hidden=True)
def prepare() -> None:
    """Create what a first start needs, and finish what an earlier one left; `serve` runs this."""
    from gateway.store.jobs import JobStore

    settings = read_settings()

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
            run_with_projects(settings, work)
            return
        except SupervisorError as problem:
            if settings.embedded or time.monotonic() > deadline:
                raise
            if str(problem) != told:
                told = str(problem)
                click.echo(f"inbox-gateway: {told}; trying again for {PATIENCE_SECONDS:.0f} s", err=True)
        time.sleep(0.5)


@click.command(hidden=True)
def announce() -> None:
    """Wait for the workers, then print where the gateway is; `serve` runs this."""
    settings = read_settings()
    base = f"http://{'127.0.0.1' if settings.host in ('0.0.0.0', '::') else settings.host}:{settings.port}"  # noqa: S104
    if not _wait_until_ready(base):
        click.echo(f"The gateway at {base} is not ready yet: see the messages above.", err=True)
        return
    click.echo(_banner(settings, base))


def _demo_keys(settings: Settings) -> dict[str, str]:
    path = settings.data_dir / DEMO_FILE
    if not path.exists():
        keys = {"api_key": "demo_" + secrets.token_urlsafe(12), "api_secret": secrets.token_urlsafe(30)}
        write_private(path, json.dumps(keys, indent=2) + "\n")
    keys = json.loads(path.read_text())
    return {name: str(keys[name]) for name in ("api_key", "api_secret")}


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
