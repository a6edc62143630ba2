"""The packages in clients/, and the applications of the guide to the bell that are built with them."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.browser.guide import EXAMPLE

ROOT = Path(__file__).parent.parent.parent
CLIENTS = ROOT / "clients"


def run(*command: str) -> str:
    """Run a command in clients/, which must succeed. Return its output."""
    done = subprocess.run(command, cwd=CLIENTS, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install() -> None:
    """Install what building the packages needs, once. Skip the test if there is no npm."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed: `apt-get install nodejs npm`")
    lock, installed = CLIENTS / "package-lock.json", CLIENTS / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")


def bundled(files: dict[str, str], entry: str, url: str, react: str = "react", platform: str = "browser") -> str:
    """Return an application as one module, for the gateway at an address."""
    texts = {name: text.replace(EXAMPLE, url) for name, text in files.items()}
    sent = json.dumps({"files": texts, "entry": entry, "react": react, "platform": platform})
    command = ["node", str(Path(__file__).parent / "bundle.mjs")]
    done = subprocess.run(command, cwd=CLIENTS, input=sent, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_in_node(module: str) -> str:
    """Run a module in Node, which must succeed. Return its output."""
    command = ["node", "--input-type=module"]
    done = subprocess.run(command, input=module, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout
