"""The commit before the packages and their names were rearranged, and the data that it stores."""

import json
import lzma
import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

from tests.servers import RedisServer

COMMIT = "c1bfb88"

RECORDED = Path(__file__).parent / f"{COMMIT}.json.xz"
"""The recording of that commit by `record.py`, for checkouts without the history."""

SCRIPT = Path(__file__).parent / "record.py"

RECORDING_SECONDS = 120


def has_history() -> bool:
    """Return whether the commit can be exported from this checkout."""
    try:
        found = subprocess.run(
            ["git", "cat-file", "-e", f"{COMMIT}^{{commit}}"], cwd=SCRIPT.parent, capture_output=True
        )
    except FileNotFoundError:
        return False  # git is not installed
    return found.returncode == 0


def export(directory: Path) -> Path:
    """Write the tree of the commit into a directory, and return the directory of the tree."""
    root = subprocess.run(
        ["git", "rev-parse", "--show-toplevel"], cwd=SCRIPT.parent, capture_output=True, text=True, check=True
    ).stdout.strip()
    packed = subprocess.run(["git", "archive", COMMIT], cwd=root, capture_output=True, check=True)
    tree = directory / COMMIT
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(tree, filter="data")
    return tree


def imports_of(tree: Path) -> dict[str, str]:
    """Return the environment variables that make Python import the packages of a tree, in child processes too."""
    return {"PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1"}


def record(server: RedisServer, directory: Path) -> dict[str, Any]:
    """Run a gateway of the commit on a server. Return the data that it stored there, and its responses."""
    tree, result = export(directory), directory / "recorded.json"
    command = [sys.executable, str(SCRIPT), server.url, str(server.port), str(directory / "old"), str(result)]
    ran = subprocess.run(
        command,
        cwd=tree,
        env={**os.environ, **imports_of(tree)},
        capture_output=True,
        text=True,
        timeout=RECORDING_SECONDS,
    )
    assert ran.returncode == 0, ran.stderr
    document: dict[str, Any] = json.loads(result.read_text())
    return document


def save_recorded(document: dict[str, Any]) -> None:
    """Write the recording."""
    RECORDED.write_bytes(lzma.compress(json.dumps(document).encode(), preset=9 | lzma.PRESET_EXTREME))


def read_recorded() -> dict[str, Any]:
    """Read the recording."""
    document: dict[str, Any] = json.loads(lzma.decompress(RECORDED.read_bytes()))
    return document
