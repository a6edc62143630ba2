"""The parts of `make conformance` that need no Python 2.7."""

import os
import subprocess
import sys
from pathlib import Path

from websockets.sync.client import connect

from tests.conformance.echo import ENVIRONMENT, MODULE
from tests.servers import Gateway


def test_the_echoing_gateway_sends_messages_back(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "data", ENVIRONMENT, command=(sys.executable, "-m", MODULE))
    gateway.start()
    try:
        with connect(gateway.websocket_url) as peer:
            for message in ("a text", b"bytes \xff", "", "x" * 1_000_000):
                peer.send(message)
                assert peer.recv(timeout=10) == message
            peer.send(["in ", "fragments"])
            assert peer.recv(timeout=10) == "in fragments"
    finally:
        assert gateway.stop() == 0


def test_without_python_2_the_command_prints_how_to_install_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.conformance"],
        env={**os.environ, "PYTHON2": "/nowhere/python2.7"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "pyenv install 2.7" in done.stderr
