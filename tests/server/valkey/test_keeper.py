"""The bundled Valkey is started again when it has ended."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.server import restart_pauses
from gateway.server.errors import SupervisorError
from gateway.server.valkey import keeper as valkey_keeper
from gateway.server.valkey.bundled import BundledValkey
from gateway.server.valkey.keeper import ValkeyKeeper
from gateway.settings import Settings
from tests.logs import captured_log
from tests.server.valkey.test_bundled import kill, process_of


@pytest.fixture
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings with a short data directory, because it holds a Unix socket."""
    return Settings(data_dir=tmp_path_factory.mktemp("k") / "data", valkey_memory_mb=64)


@pytest.fixture
def valkey(settings: Settings) -> BundledValkey:
    """A server."""
    return BundledValkey(settings)


@pytest.fixture
def keeper(valkey: BundledValkey, monkeypatch: pytest.MonkeyPatch) -> Iterator[ValkeyKeeper]:
    """A keeper with short pauses, whose server runs."""
    monkeypatch.setattr(restart_pauses, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(restart_pauses, "MAX_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(valkey_keeper, "RECOVERED_SECONDS", 0.2)
    keeper = ValkeyKeeper(valkey, lambda: False)
    keeper.start()
    yield keeper
    keeper.stop()


def check_until(keeper: ValkeyKeeper, condition: Callable[[], bool]) -> None:
    """Check a keeper until a condition holds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        keeper.check()
        time.sleep(0.01)


def test_a_server_that_died_is_started_again_and_its_recovery_is_logged(
    keeper: ValkeyKeeper, valkey: BundledValkey, settings: Settings
) -> None:
    before = process_of(settings)
    with captured_log() as lines:
        kill(valkey, settings)
        check_until(keeper, lambda: bool(lines) and lines[-1]["event"] == "valkey_recovered")
    assert [line["event"] for line in lines] == ["valkey_ended", "valkey_recovered"]
    assert "code -9" in lines[0]["reason"]
    assert process_of(settings) != before


def test_only_the_first_of_several_failed_starts_is_logged(
    keeper: ValkeyKeeper, valkey: BundledValkey, settings: Settings
) -> None:
    pid_file = next(settings.valkey_socket.parent.glob("*.pid"))
    with captured_log() as lines:
        kill(valkey, settings)
        socket_directory = settings.valkey_socket.parent
        moved = socket_directory.rename(socket_directory.with_name("moved"))
        socket_directory.write_text("in the way")
        deadline = time.monotonic() + 0.3
        check_until(keeper, lambda: time.monotonic() > deadline)
        assert [line["event"] for line in lines] == ["valkey_ended"]
        socket_directory.unlink()
        moved.rename(socket_directory)
        check_until(keeper, lambda: lines[-1]["event"] == "valkey_recovered")
    assert lines[-1]["attempts"] > 1
    assert pid_file.exists()


def test_data_that_cannot_be_repaired_ends_the_gateway(
    keeper: ValkeyKeeper, valkey: BundledValkey, settings: Settings
) -> None:
    kill(valkey, settings)
    (base,) = settings.valkey_socket.parent.glob("appendonlydir/*.base.rdb")
    base.write_bytes(b"")
    with captured_log(), pytest.raises(SupervisorError, match="is empty, and was a part of the data"):
        check_until(keeper, lambda: False)


def test_it_is_not_started_again_while_the_gateway_stops(settings: Settings, tmp_path: Path) -> None:
    valkey = BundledValkey(settings)
    stopping = [False]
    keeper = ValkeyKeeper(valkey, lambda: stopping[0])
    keeper.start()
    stopping[0] = True
    os.kill(process_of(settings), signal.SIGKILL)
    with captured_log() as lines:
        for _ in range(20):
            keeper.check()
            time.sleep(0.01)
        assert lines == []
    keeper.stop()
