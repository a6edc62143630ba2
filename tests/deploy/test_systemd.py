"""The units of deploy/systemd, as systemd reads them, and a restart on a socket that systemd keeps."""

import configparser
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.server.supervisor import STOP_GRACE_SECONDS
from gateway.settings import load_settings
from loadtest.servers.starting import environment_without_settings
from tests.deploy.fronts import DEPLOY
from tests.servers import START_SECONDS, Gateway, wait_for

UNITS = DEPLOY / "systemd"
SERVICES = ("inbox-gateway.service", "inbox-gateway-deliver@.service")
ANALYZE = shutil.which("systemd-analyze")
EXPOSURE = 15
"""What `systemd-analyze security` may find, in tenths: 0 is the best, 100 the worst."""

needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd is not installed")


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Return a directory with the units, in which the command is that of this environment."""
    command = str(Path(sys.executable).with_name("inbox-gateway"))
    for path in UNITS.iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace("/opt/inbox-gateway/bin/inbox-gateway", command))
    return tmp_path


def values(unit: str, name: str) -> list[str]:
    """Return the values of a line of a unit, which may repeat."""
    return re.findall(rf"^{name}=(.*)$", (UNITS / unit).read_text(), re.MULTILINE)


@needs_systemd
def test_systemd_accepts_the_units(units: Path) -> None:
    assert ANALYZE is not None
    names = ["inbox-gateway.socket", *SERVICES]
    done = subprocess.run(
        [ANALYZE, "verify", *(str(units / name) for name in names)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_the_services_may_do_little(units: Path, name: str) -> None:
    assert ANALYZE is not None
    command = [ANALYZE, "security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", str(units / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("systemd-sysusers") is None, reason="needs root and systemd")
def test_the_user_and_the_directory_are_created(tmp_path: Path) -> None:
    (tmp_path / "etc" / "inbox-gateway").mkdir(parents=True)
    for name in ("settings.env", "secret-key", "redis-url"):
        (tmp_path / "etc" / "inbox-gateway" / name).write_text("x")
    for command in (["systemd-sysusers"], ["systemd-tmpfiles", "--create"]):
        file = UNITS / ("sysusers.conf" if command[0] == "systemd-sysusers" else "tmpfiles.conf")
        subprocess.run([*command, f"--root={tmp_path}", str(file)], check=True, capture_output=True, timeout=60)
    assert "inbox-gateway:" in (tmp_path / "etc" / "passwd").read_text()
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "etc" / "inbox-gateway").iterdir()}
    assert modes == {"settings.env": 0o640, "secret-key": 0o600, "redis-url": 0o600}


@pytest.mark.parametrize("name", SERVICES)
def test_the_settings_are_valid_and_leave_time_to_drain(name: str, tmp_path: Path) -> None:
    parser = configparser.ConfigParser(delimiters="=", interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # names keep their case
    parser.read_string("[settings]\n" + (UNITS / "settings.env").read_text())
    environment = dict(parser["settings"])
    for credential in values(name, "LoadCredential"):
        identifier, _, path = credential.partition(":")
        assert path == f"/etc/inbox-gateway/{identifier}"
        (tmp_path / identifier).write_text("redis://10.0.0.20:6379" if "redis" in identifier else "k" * 40)
    for line in values(name, "Environment"):
        variable, _, text = line.partition("=")
        environment[variable] = text.replace("%d", str(tmp_path))
    settings = load_settings(environment)
    assert settings.redis_url == "redis://10.0.0.20:6379"
    assert int(values(name, "TimeoutStopSec")[0]) > settings.drain_seconds + STOP_GRACE_SECONDS


def test_the_script_passes_the_settings_and_secrets_of_the_service(tmp_path: Path) -> None:
    command, script = tmp_path / "command", tmp_path / "inbox-gateway"
    command.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nenv | grep ^INBOX_\n')
    command.chmod(0o755)
    text = (UNITS / "inbox-gateway").read_text().replace("/opt/inbox-gateway/bin/inbox-gateway", str(command))
    script.write_text(text.replace("settings=/etc/inbox-gateway", f"settings={tmp_path}"))
    (tmp_path / "settings.env").write_text(
        f'{(UNITS / "settings.env").read_text()}INBOX_OIDC_NAME="Our $HOME"\nINBOX_OIDC_SCOPES=openid email'
    )
    done = subprocess.run(
        ["sh", script, "project", "create", "A shop"],
        env=environment_without_settings(),
        capture_output=True,
        text=True,
        check=True,
        timeout=START_SECONDS,
    )
    lines = done.stdout.splitlines()
    assert lines[:3] == ["project", "create", "A shop"]
    assert {
        "INBOX_PORT=8000",
        "INBOX_OIDC_NAME=Our $HOME",
        "INBOX_OIDC_SCOPES=openid email",
        f"INBOX_SECRET_KEY_FILE={tmp_path}/secret-key",
        f"INBOX_REDIS_URL_FILE={tmp_path}/redis-url",
        "INBOX_DATA_DIR=/var/lib/inbox-gateway",
    } <= set(lines)
    assert os.access(UNITS / "inbox-gateway", os.X_OK)


def started(gateway: Gateway, kept: socket.socket) -> None:
    """Start a gateway as systemd does: its socket is descriptor 3, and LISTEN_PID the process that it is for."""
    environment = environment_without_settings() | {
        "INBOX_PORT": "1",  # the socket's replaces it
        "INBOX_DATA_DIR": str(gateway.data_dir),
        "INBOX_DRAIN_SECONDS": "0",
        "INBOX_DELIVERY_WORKERS": "0",
    }
    script = f"exec 3<&{kept.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 exec {sys.executable} -m gateway serve"
    with gateway.log_file.open("ab") as log:
        gateway.process = subprocess.Popen(
            ["bash", "-c", script], env=environment, pass_fds=[kept.fileno()], stdout=log, stderr=log
        )
    wait_for(gateway.ready, "the gateway to be ready", START_SECONDS)


def test_a_restart_on_a_socket_of_systemd_refuses_no_connection(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as kept:
        gateway = Gateway(tmp_path / "data", port=kept.getsockname()[1])
        try:
            started(gateway, kept)
            assert gateway.stop() == 0
            # Nothing serves now. The connection waits in the backlog.
            with socket.create_connection(("127.0.0.1", gateway.port), timeout=START_SECONDS) as waiting:
                waiting.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                started(gateway, kept)
                assert waiting.recv(4096).startswith(b"HTTP/1.1 200")
        finally:
            gateway.end()
