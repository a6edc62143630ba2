"""The vendor's MIT-licensed clients, from the registries and unmodified, against a running gateway."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.servers import ADMIN, API_KEY, API_SECRET, Gateway, user_headers, user_hmac

# Newer releases of the npm client are licensed against products like ours: these versions and no others.
NPM_CLIENT = "@magicbell/core@3.1.0"
PYPI_CLIENT = "magicbell==1.1.1"

HERE = Path(__file__).parent
INSTALL_SECONDS = 100


def run(gateway: Gateway, user: str, *command: str, **variables: str) -> str:
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "INBOX": gateway.url,
        "API_KEY": API_KEY,
        "API_SECRET": API_SECRET,
        "USER_ID": user,
        "USER_HMAC": user_hmac(user),
        **variables,
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_npm_client_fetches_reads_marks_and_deletes(gateway: Gateway, tmp_path: Path) -> None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed")
    install(npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(tmp_path), NPM_CLIENT)
    for title in ("One", "Two"):
        body = {"notification": {"title": title, "category": "orders", "recipients": [{"external_id": "npm"}]}}
        httpx.post(f"{gateway.url}/notifications", headers=ADMIN, json=body).raise_for_status()
    seen = json.loads(run(gateway, "npm", node, str(HERE / "core.mjs"), CLIENTS=str(tmp_path)))
    assert "orders" in seen.pop("categories")
    assert seen == {
        "fetched": [2, 2, 2],
        "title": "Two",
        "read": [2, 1, 1],
        "unread": [2, 2, 1],
        "allRead": [2, 0, 0],
        "deleted": [1, 0, 0],
    }


def test_the_pypi_client_sends(gateway: Gateway, tmp_path: Path) -> None:
    install(sys.executable, "-m", "venv", str(tmp_path / "venv"))
    python = str(tmp_path / "venv" / "bin" / "python")
    install(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PYPI_CLIENT)
    sent = run(gateway, "pypi", python, str(HERE / "sdk.py")).strip()
    found = httpx.get(f"{gateway.url}/notifications/{sent}", headers=user_headers("pypi"))
    assert found.json()["notification"]["title"] == "From the SDK"
