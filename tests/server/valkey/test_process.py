"""The process of the bundled Valkey."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.server.errors import BundledValkeyError, StartCancelledError
from gateway.server.valkey.output import ValkeyOutput
from gateway.server.valkey.process import ValkeyProcess, send_command


@pytest.fixture
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a short name, because it holds a Unix socket."""
    return tmp_path_factory.mktemp("v")


@pytest.fixture
def options(directory: Path) -> dict[str, str]:
    """The least options of a server."""
    return {"port": "0", "unixsocket": str(directory / "s.sock"), "dir": str(directory), "save": ""}


@pytest.fixture
def process(options: dict[str, str]) -> Iterator[ValkeyProcess]:
    """A server that was just started."""
    process = ValkeyProcess(options, ValkeyOutput())
    yield process
    process.stop()


def never() -> bool:
    """Return that nothing is cancelled."""
    return False


def test_a_server_becomes_ready_and_replies(process: ValkeyProcess, directory: Path) -> None:
    assert process.becomes_ready(never)
    assert send_command(b"PING", directory / "s.sock") == b"+PONG\r\n"
    assert process.poll() is None


def test_a_server_that_is_stopped_ends_cleanly(process: ValkeyProcess) -> None:
    assert process.becomes_ready(never)
    process.stop()
    assert process.poll() == 0


def test_a_server_that_ends_does_not_become_ready(options: dict[str, str]) -> None:
    output = ValkeyOutput()
    process = ValkeyProcess({**options, "maxmemory-policy": "nonsense"}, output)
    assert not process.becomes_ready(never)
    assert process.poll() == 1
    assert "nonsense" in output.last_warnings


def test_a_start_can_be_cancelled(process: ValkeyProcess) -> None:
    with pytest.raises(StartCancelledError):
        process.becomes_ready(lambda: True)


def test_a_server_that_hangs_is_killed(process: ValkeyProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.server.valkey.process.START_SECONDS", 0.1)
    os.kill(process.pid, signal.SIGSTOP)
    with pytest.raises(BundledValkeyError, match="did not reply within 0 s"):
        process.becomes_ready(never)
    assert process.poll() == -signal.SIGKILL


def test_a_command_without_a_server_has_no_reply(tmp_path: Path) -> None:
    assert send_command(b"PING", tmp_path / "none.sock") == b""


def test_a_server_gets_no_settings_of_the_gateway(options: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INBOX_SECRET_KEY", "the secret key of a test")
    process = ValkeyProcess(options, ValkeyOutput())
    try:
        assert process.becomes_ready(never)
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        assert b"PATH=" in environment
        assert b"INBOX_" not in environment
    finally:
        process.stop()
