"""Installing third-party clients from the registries, and running them against a gateway."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import API_KEY, API_SECRET, Gateway, user_hmac

INSTALL_SECONDS = 300


def run(gateway: Gateway, user: str, *command: str, **variables: str) -> str:
    """Run a client with the credentials of a user of the bootstrap project, and return its output."""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "INBOX": gateway.url,
        "API_KEY": API_KEY,
        "API_SECRET": API_SECRET,
        "USER_ID": user,
        "USER_HMAC": user_hmac(user),
        **variables,
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(*command: str, cwd: Path | None = None) -> None:
    """Run an installer or another tool, which must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr


def npm_install(directory: Path, *packages: str) -> str:
    """Install npm packages into a directory, and return the path of node. Skip the test if there is no npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed")
    install(npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(directory), *packages)
    return node


def pip_install(directory: Path, *packages: str) -> Path:
    """Install packages from PyPI into a new environment, and return the directory of its programs."""
    install(sys.executable, "-m", "venv", str(directory))
    programs = directory / "bin"
    install(str(programs / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages)
    return programs
