"""The configuration of the bundled Valkey."""

from pathlib import Path

from gateway.server.valkey.options import valkey_arguments, valkey_options
from gateway.settings import Settings


def options(**settings: object) -> dict[str, str]:
    """Return the options for settings."""
    return valkey_options(Settings(**settings), Path("/d"), Path("/d/s.sock"), Path("/d/disk.pid"))  # type: ignore[arg-type] # of any setting


def test_durability_decides_when_writes_are_synced() -> None:
    assert options(durability="disk")["appendfsync"] == "always"
    assert options(durability="memory")["appendfsync"] == "everysec"


def test_the_server_listens_on_its_private_unix_socket_only() -> None:
    found = options()
    assert (found["port"], found["unixsocket"], found["unixsocketperm"]) == ("0", "/d/s.sock", "700")


def test_memory_is_bounded() -> None:
    assert options(valkey_memory_mb=64)["maxmemory"] == "64mb"
    assert options()["maxmemory"] not in ("", "0mb")


def test_arguments_are_the_options_with_dashes() -> None:
    assert valkey_arguments({"save": "", "port": "0"}) == ["--save", "", "--port", "0"]


def test_the_limits_of_client_buffers_are_several_arguments() -> None:
    arguments = valkey_arguments({"client-output-buffer-limit": "pubsub 256mb 64mb 60"})
    assert arguments == ["--client-output-buffer-limit", "pubsub", "256mb", "64mb", "60"]
