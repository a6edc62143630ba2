"""The source distribution and the wheel, reproducible: the same commit and setuptools make the same bytes.

The source distribution is built from the files that git tracks, the wheel from the source distribution.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.release.archives import read_archive, write_archive, write_files

ROOT = Path(__file__).parents[2]
SOURCES = ("gateway", "pyproject.toml", "README.md", "LICENSE")
WEB, BUILT_WEB = "gateway/web/", "gateway/web/dist/"
"""Of what browsers load, distributions have the built files. Their sources are in the repository alone."""

BUILD_SECONDS = 300.0


def commit_time() -> int:
    """Return SOURCE_DATE_EPOCH, or the time of the commit, in seconds."""
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(epoch)
    return int(_git("log", "-1", "--format=%ct"))


def tracked(*patterns: str) -> dict[str, bytes]:
    """Return the files of the work tree that git tracks, by path."""
    names = _git("ls-files", "-z", "--", *patterns).split("\0")
    return {name: (ROOT / name).read_bytes() for name in names if name}


def sources() -> dict[str, bytes]:
    """Return the files from which distributions are built, by path. One has the commit, for `inbox_build_info`."""
    files = tracked(*SOURCES)
    found = {name: files[name] for name in files if name.startswith(BUILT_WEB) or not name.startswith(WEB)}
    return found | {"gateway/REVISION": _git("rev-parse", "HEAD").encode()}


def build_distributions(destination: Path, epoch: int) -> tuple[Path, Path]:
    """Build both into a folder. Return the paths of the source distribution and of the wheel."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        write_files(tree, sources())
        built = _run_backend("build_sdist", tree, epoch)
        files = read_archive(built)
        sdist = destination / built.name
        write_archive(sdist, files, epoch)

        unpacked = Path(folder) / "unpacked"
        write_files(unpacked, files)
        wheel = _run_backend("build_wheel", unpacked / built.name.removesuffix(".tar.gz"), epoch)
        wheel = wheel.rename(destination / wheel.name)
    return sdist, wheel


def build_chart(destination: Path, version: str, epoch: int) -> Path:
    """Pack the chart as `helm package` does, and return the path."""
    files: Mapping[str, bytes] = tracked("deploy/kubernetes")
    path = destination / f"inbox-gateway-chart-{version}.tgz"
    write_archive(path, {name.replace("deploy/kubernetes", "inbox-gateway", 1): files[name] for name in files}, epoch)
    return path


def _run_backend(hook: str, tree: Path, epoch: int) -> Path:
    """Call a hook of the build backend (PEP 517) in a tree, and return the path of what it built."""
    program = f"from setuptools import build_meta; build_meta.{hook}('built')"
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}
    command = (sys.executable, "-c", program)
    # The modes of generated files are in the wheel: hence the umask.
    subprocess.run(
        command, cwd=tree, env=environment, umask=0o022, capture_output=True, timeout=BUILD_SECONDS, check=True
    )
    (built,) = (tree / "built").iterdir()
    return built


def _git(*arguments: str) -> str:
    command = ("git", *arguments)
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
