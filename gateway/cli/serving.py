"""`serve`, and the commands of the processes that it starts."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import click

from gateway import __version__
from gateway.cli.configuration import read_settings, with_secret_key
from gateway.cli.errors import PreparationError
from gateway.server.child_process import begin_child
from gateway.server.errors import StartCancelledError
from gateway.server.file_limit import raise_file_limit
from gateway.server.listening_socket import (
    ADMIN,
    METRICS,
    REQUESTS,
    descriptors_of_systemd,
    inherit,
    listen,
    listen_for_metrics,
)
from gateway.server.supervisor import Supervisor
from gateway.settings import Settings, secret_file
from gateway.telemetry.logs import configure_logging, log


@click.command()
@click.option("--host", help="Address to listen on.  [INBOX_HOST, default 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [INBOX_PORT, default 8000]")
@click.option("--workers", type=click.IntRange(1), help="Worker processes.  [INBOX_WORKERS, default 1]")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Serve the API and all live connections."""
    settings = with_secret_key(read_settings(host=host, port=port, workers=workers))
    settings, sock, more_socks = _listening(settings)
    supervisor = Supervisor(settings)
    supervisor.acquire_data()
    supervisor.handle_signals()
    configure_logging(settings.log_level)
    store = "bundled" if settings.embedded else "INBOX_REDIS_URL"
    log.info(
        "starting",
        version=__version__,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        store=store,
        data_dir=str(settings.data_dir.absolute()),
    )
    raise_file_limit()
    try:
        supervisor.start_store()
        _prepare_in_child(settings, supervisor)
        _announce_in_child(settings, supervisor)
        supervisor.serve(sock, more_socks)
    except StartCancelledError:
        pass
    finally:
        supervisor.stop_store()
    log.info("stopped")


def _listening(settings: Settings) -> tuple[Settings, socket.socket, dict[str, socket.socket]]:
    """Return the settings with the address of the socket, that socket, and more sockets by their options."""
    silence, passed = settings.heartbeat_seconds, descriptors_of_systemd(os.environ)
    found = {name: inherit(descriptor, silence) for name, descriptor in passed.items()}
    sock = found.get(REQUESTS)
    if sock is None:
        sock = listen(settings.host, settings.port, silence)
        settings = replace(settings, port=sock.getsockname()[1])
    else:
        host, port = sock.getsockname()[:2]
        settings = replace(settings, host=host, port=port)
    more = {}
    if settings.admin == "on" and settings.admin_port:
        host = settings.admin_host or settings.host
        more["--admin-fd"] = found.get(ADMIN) or listen(host, settings.admin_port, silence, ADMIN)
    if settings.metrics_port:
        more["--metrics-fd"] = found.get(METRICS) or listen_for_metrics(settings)
    return settings, sock, more


@click.command(hidden=True)
@click.option("--fd", type=int, required=True)
@click.option("--ready-fd", type=int, required=True)
@click.option("--admin-fd", type=int)
@click.option("--metrics-fd", type=int)
def worker(fd: int, ready_fd: int, admin_fd: int | None, metrics_fd: int | None) -> None:
    """Serve on inherited sockets, and report readiness on a pipe; `serve` starts this."""
    from gateway.app import Worker
    from gateway.cli.bootstrap import restore
    from gateway.telemetry.metrics import configure_logging

    settings = read_settings()
    configure_logging(settings.log_level)
    # After uvicorn has stopped, it raises the signal that stopped it once more. This handler receives that signal.
    signal.signal(signal.SIGTERM, _exit)
    restart = partial(_restart_workers, os.getppid())
    sockets = [socket.socket(fileno=each) for each in (fd, admin_fd) if each is not None]
    metrics_sock = socket.socket(fileno=metrics_fd) if metrics_fd is not None else None
    Worker(settings, partial(restore, settings), restart, metrics_sock).server(ready_fd).run(sockets)


def _restart_workers(supervisor: int) -> None:
    """Have the supervisor replace its workers one at a time."""
    if os.getppid() == supervisor:  # otherwise it has died, and this worker is about to end
        os.kill(supervisor, signal.SIGHUP)


def _exit(number: int, frame: object) -> None:
    """Exit normally, so that pending log lines are written."""
    sys.exit(0)


def _child_environment(settings: Settings) -> dict[str, str]:
    inherited = {name: text for name, text in os.environ.items() if name != secret_file("secret_key")}
    return {
        **inherited,
        "INBOX_SECRET_KEY": settings.secret_key,
        "INBOX_DATA_DIR": str(settings.data_dir),
        "INBOX_HOST": settings.host,
        "INBOX_PORT": str(settings.port),
    }


def _prepare_in_child(settings: Settings, supervisor: Supervisor) -> None:
    """Prepare the store in a process of its own, so that the supervisor stays small."""
    process = _start_helper(settings, "prepare")
    supervisor.look_after(process)
    while process.poll() is None:
        if supervisor.stop_requested:
            process.terminate()
        time.sleep(0.02)
    if process.returncode == 1 and not supervisor.stop_requested:
        sys.exit(1)  # it has reported the reason
    if process.returncode != 0 and not supervisor.stop_requested:
        raise PreparationError(f"the process that prepares the store ended with code {process.returncode}")


def _announce_in_child(settings: Settings, supervisor: Supervisor) -> None:
    supervisor.look_after(_start_helper(settings, "announce"))


def _start_helper(settings: Settings, command: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "gateway", command],
        env=_child_environment(settings),
        stdin=subprocess.DEVNULL,
        preexec_fn=begin_child,  # safe: no other thread of this process holds a lock that begin_child needs
    )
