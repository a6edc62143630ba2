"""The software bill of materials (CycloneDX): every package of the lock files, with its licence and what needs it."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.release.distributions import ROOT

LOCKS = ("requirements.lock", *(f"requirements-{extra}.lock" for extra in ("templates", "sso", "otel")))
INSTALL_SECONDS = 600.0


class SbomError(Exception):
    """The bill of materials cannot be made, or is not what the lock files name."""


def write_sbom(path: Path, tool: Path, wheel: Path, version: str, epoch: int) -> int:
    """Install what the lock files name, and write its bill of materials. Return the number of packages.

    `tool` is the program `cyclonedx-py`. Raises SbomError.
    """
    if not tool.exists():
        raise SbomError(f"{tool} is not installed: run `make release`")
    with tempfile.TemporaryDirectory() as folder:
        _install(Path(folder), wheel)
        options = ("--pyproject", "pyproject.toml", "--mc-type", "application", "--output-reproducible", "--of", "JSON")
        _run((str(tool), "environment", folder, *options, "-o", str(path)), epoch)
    bill = json.loads(path.read_text())
    # The version is not in pyproject.toml, where the tool looks for it.
    bill["metadata"]["component"] |= {"version": version, "purl": f"pkg:pypi/inbox-gateway@{version}"}
    found = {(_normal(one["name"]), one["version"]) for one in bill["components"]}
    if different := found ^ _locked():
        raise SbomError(f"the bill of materials is not what the lock files name: {sorted(different)}")
    path.write_text(json.dumps(bill, indent=2, sort_keys=True) + "\n")
    return len(found)


def _locked() -> set[tuple[str, str]]:
    texts = ((ROOT / lock).read_text() for lock in LOCKS)
    return {entry for text in texts for entry in re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE)}


def _normal(name: str) -> str:
    """Return a name as the lock files have it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _install(folder: Path, wheel: Path) -> None:
    """Make an environment with what an image has, and nothing else."""
    _run((sys.executable, "-m", "venv", str(folder)))
    pip = (str(folder / "bin" / "pip"), "--disable-pip-version-check", "--quiet")
    hashes = ("install", "--no-compile", "--no-build-isolation", "--require-hashes")
    _run((*pip, *hashes, "--requirement", "requirements-build.lock"))
    _run((*pip, *hashes, *(part for lock in LOCKS for part in ("--requirement", lock))))
    _run((*pip, "install", "--no-compile", "--no-deps", "--no-index", str(wheel)))
    _run((*pip, "uninstall", "--yes", "setuptools", "pip"))


def _run(command: Iterable[str], epoch: int = 0) -> None:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)} if epoch else None
    arguments = tuple(command)
    done = subprocess.run(
        arguments, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
    )
    if done.returncode:
        raise SbomError(f"{' '.join(arguments)} failed: {done.stderr[-2000:]}")
