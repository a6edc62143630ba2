"""Packages of npm for tests: each is installed once, into a folder of its own below build/."""

import fcntl
import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1] / "build" / "npm"
WEB = Path(__file__).parents[1] / "gateway" / "web"
LOCKED = ("package.json", "package-lock.json", ".npmrc")
SECONDS = 120


def web_modules() -> Path:
    """Return the folder `node_modules` with the packages that gateway/web locks. Skips the test if there is no Node."""
    lock = hashlib.sha256(b"".join((WEB / name).read_bytes() for name in LOCKED)).hexdigest()
    folder = ROOT / f"web@{lock[:12]}" / "gateway" / "web"
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed: `apt-get install nodejs npm`")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "installing").open("w") as installing:
        fcntl.flock(installing, fcntl.LOCK_EX)  # another run of tests may install them at this moment
        if not (folder / "installed").exists():
            for name in LOCKED:
                shutil.copy(WEB / name, folder)
            command = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            (folder / "installed").touch()
    return folder / "node_modules"


def installed(name: str, version: str) -> Path:
    """Return the folder in which a package is installed. Skips the test if it cannot be."""
    folder = ROOT / f"{name.replace('/', '+')}@{version}"
    if not (folder / "node_modules" / name / "package.json").exists():
        if shutil.which("npm") is None:
            pytest.skip("npm is not installed: `apt-get install npm`")
        folder.mkdir(parents=True, exist_ok=True)
        command = ("npm", "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--silent")
        done = subprocess.run(
            (*command, f"{name}@{version}"), cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        if done.returncode:
            pytest.skip(f"npm cannot install {name}: {done.stderr[-200:]}")
    return folder


def run_script(folder: Path, script: str, value: Any) -> Any:
    """Run a script of CommonJS in a folder, with a value as `input`. Return what it passes to `output`."""
    begin = "const input = JSON.parse(require('fs').readFileSync(0, 'utf8'));\nconst output = (found) => "
    text = f"{begin}console.log('\\n' + JSON.stringify(found));\n{script}"
    sent = json.dumps(value)
    done = subprocess.run(
        ("node", "-e", text), cwd=folder, input=sent, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])
