"""`serve`, and the processes that it starts."""

import os
import socket
import subprocess
import sys
from dataclasses import replace

import click

from gateway.cli.common import read_settings, with_secret_key
from gateway.settings import Settings
from gateway.supervisor import Supervisor, SupervisorError, listen


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
    if done.returncode == 1:
        sys.exit(1)  # it has said why
    if done.returncode != 0:
        raise SupervisorError(f"the store could not be prepared: that process ended with code {done.returncode}")


def _announce_in_child(settings: Settings) -> None:
    subprocess.Popen([sys.executable, "-m", "gateway", "announce"], env=_child_environment(settings))
