"""The previous version of the gateway, installed from its wheel: what a rolling upgrade begins with."""

import subprocess
import sys
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

COMMIT = "72876d31"
"""The commit that an upgrade begins with. When a version is released, its commit takes this place."""

ROOT = Path(__file__).parents[2]

MISSING = f"this checkout lacks the commit {COMMIT}, as a shallow clone does: `git fetch --unshallow` brings it"

_BUILD_SECONDS = 110


def is_reachable() -> bool:
    """Return whether the commit can be exported from this checkout."""
    try:
        found = subprocess.run(["git", "cat-file", "-e", f"{COMMIT}^{{commit}}"], cwd=ROOT, capture_output=True)
    except FileNotFoundError:
        return False  # git is not installed
    return found.returncode == 0


def install(directory: Path) -> dict[str, str]:
    """Build the wheel of the commit and unpack it. Return the environment in which Python runs it.

    Its dependencies are those of this environment: a gateway that is upgraded in place has the same.
    """
    names = ("pyproject.toml", "README.md", "LICENSE", "gateway")
    packed = subprocess.run(["git", "archive", COMMIT, *names], cwd=ROOT, capture_output=True, check=True)
    sources, installed = directory / "sources", directory / "installed"
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(sources, filter="data")
    build = "from setuptools.build_meta import build_wheel; build_wheel('wheels')"
    subprocess.run([sys.executable, "-c", build], cwd=sources, capture_output=True, timeout=_BUILD_SECONDS, check=True)
    (wheel,) = (sources / "wheels").iterdir()
    with zipfile.ZipFile(wheel) as files:
        files.extractall(installed)  # noqa: S202 - it was just built here
    environment = {"PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    found = subprocess.run(
        [sys.executable, "-c", "import gateway; print(gateway.__file__)"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(found.stdout).is_relative_to(installed)
    return environment
