"""The bundled Valkey: started once on its data, and with a new generation after an unclean end."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.server.errors import BundledValkeyError, StartCancelledError, UnrepairableError
from gateway.server.valkey.bundled import BundledValkey
from gateway.server.valkey.process import send_command
from gateway.settings import Settings
from gateway.store import keys
from tests.logs import captured_log
from tests.servers import wait_for


@pytest.fixture
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings with a short data directory, because it holds a Unix socket."""
    return Settings(data_dir=tmp_path_factory.mktemp("b") / "data", valkey_memory_mb=64, durability="memory")


@pytest.fixture
def valkey(settings: Settings) -> Iterator[BundledValkey]:
    """A server that is stopped at the end of the test."""
    valkey = BundledValkey(settings)
    yield valkey
    valkey.stop()


def kill(valkey: BundledValkey, settings: Settings) -> None:
    """Kill the server, and wait until it has ended."""
    reply = send_command(b"INFO server", settings.valkey_socket)
    pid = int(reply.split(b"process_id:")[1].split(b"\r\n")[0]) if b"process_id:" in reply else process_of(settings)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: valkey.poll() is not None, "the server to end")


def process_of(settings: Settings) -> int:
    """Return the process id of the server of a data directory."""
    (pid_file,) = settings.valkey_socket.parent.glob("*.pid")
    return int(pid_file.read_text())


def generation(settings: Settings) -> bytes:
    """Return the generation of the server's data."""
    return send_command(f"GET {keys.GENERATION}".encode(), settings.valkey_socket)


def test_it_starts_and_replies_on_its_socket(valkey: BundledValkey, settings: Settings) -> None:
    valkey.start()
    assert send_command(b"PING", settings.valkey_socket) == b"+PONG\r\n"
    assert valkey.poll() is None
    valkey.stop()
    assert valkey.poll() == 0


def test_data_survives_a_restart_in_the_same_generation(valkey: BundledValkey, settings: Settings) -> None:
    valkey.start()
    send_command(b"SET a 1", settings.valkey_socket)
    valkey.stop()
    valkey.start()
    assert send_command(b"GET a", settings.valkey_socket) == b"$1\r\n1\r\n"
    assert generation(settings) == b"$-1\r\n"


@pytest.mark.parametrize(("durability", "renewed"), [("memory", True), ("disk", False)])
def test_data_gets_a_new_generation_after_an_unclean_end_that_may_have_lost_writes(
    settings: Settings, durability: str, *, renewed: bool
) -> None:
    valkey = BundledValkey(Settings(data_dir=settings.data_dir, durability=durability))
    try:
        valkey.start()
        send_command(b"SET a 1", settings.valkey_socket)
        kill(valkey, settings)
        valkey.start()
        assert (generation(settings) != b"$-1\r\n") is renewed
    finally:
        valkey.stop()


def test_a_server_of_an_earlier_run_is_shut_down_first(valkey: BundledValkey, settings: Settings) -> None:
    leftover = BundledValkey(settings)
    leftover.start()
    try:
        send_command(b"SET a 1", settings.valkey_socket)
        valkey.start()
        wait_for(lambda: leftover.poll() is not None, "the earlier server to end")
        assert send_command(b"GET a", settings.valkey_socket) == b"$1\r\n1\r\n"
    finally:
        leftover.stop()


def test_a_path_that_is_too_long_for_a_unix_socket_is_reported(tmp_path: Path) -> None:
    with pytest.raises(BundledValkeyError, match="is too long for a Unix socket"):
        BundledValkey(Settings(data_dir=tmp_path / ("d" * 100))).start()


def test_a_cancelled_start_leaves_no_server(valkey: BundledValkey, settings: Settings) -> None:
    with pytest.raises(StartCancelledError):
        valkey.start(lambda: True)
    assert valkey.poll() is not None
    assert not settings.valkey_socket.exists()


def test_files_that_cannot_be_repaired_are_reported_and_left_alone(valkey: BundledValkey, settings: Settings) -> None:
    valkey.start()
    valkey.stop()
    (base,) = settings.valkey_socket.parent.glob("appendonlydir/*.base.rdb")
    base.write_bytes(b"REDIS-no-longer")
    with pytest.raises(UnrepairableError, match=r"Restore .* from a backup"):
        valkey.start()
    assert base.read_bytes() == b"REDIS-no-longer"


def test_what_keeps_it_from_starting_is_reported(valkey: BundledValkey, settings: Settings) -> None:
    settings.valkey_socket.parent.mkdir(parents=True)
    (settings.valkey_socket.parent / "appendonlydir").write_text("a file")
    with pytest.raises(BundledValkeyError, match="Valkey cannot be started in"):
        valkey.start()
    assert valkey.poll() is not None


def test_a_damaged_end_of_the_files_is_cut_off_and_kept_and_makes_a_new_generation(
    valkey: BundledValkey, settings: Settings
) -> None:
    valkey.start()
    send_command(b"SET a 1", settings.valkey_socket)
    valkey.stop()
    (increment,) = settings.valkey_socket.parent.glob("appendonlydir/*.incr.aof")
    with increment.open("ab") as file:
        file.write(bytes(100))
    with captured_log() as lines:
        valkey.start()
    assert [(line["event"], line["cut_bytes"]) for line in lines] == [("append_only_file_repaired", 100)]
    assert Path(lines[0]["kept"]).read_bytes().endswith(bytes(100))
    assert send_command(b"GET a", settings.valkey_socket) == b"$1\r\n1\r\n"
    assert generation(settings) != b"$-1\r\n"


def test_a_missing_manifest_is_written_anew_and_makes_a_new_generation(
    valkey: BundledValkey, settings: Settings
) -> None:
    valkey.start()
    send_command(b"SET a 1", settings.valkey_socket)
    valkey.stop()
    (manifest,) = settings.valkey_socket.parent.glob("appendonlydir/*.manifest")
    manifest.unlink()
    with captured_log() as lines:
        valkey.start()
    assert [(line["event"], line["kept"]) for line in lines] == [("append_only_file_repaired", None)]
    assert send_command(b"GET a", settings.valkey_socket) == b"$1\r\n1\r\n"
    assert generation(settings) != b"$-1\r\n"
