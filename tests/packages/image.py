"""Building the image on a Debian of its own, and running it with podman, where no registry has the base image."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
BASE = ROOT / "build" / "image" / "base.tar"
"""Kept, because it takes a minute to make."""

PROGRAMS = ("podman", "runc", "mmdebstrap")
FOR_PYTHON = "python3,python3-venv,ca-certificates"
STEP_SECONDS = 500.0

READ_ONLY = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "all", "--security-opt", "no-new-privileges")
"""How the documentation runs it: only /data and /tmp can be written."""

LIMITS = ("--network", "host", "--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096")
"""What a machine that is a container itself allows."""


def missing_program() -> str:
    """Return why no image can be built here, or ""."""
    if os.getuid():
        return "needs root"
    return next((f"{name} is not installed" for name in PROGRAMS if not shutil.which(name)), "")


@dataclass(frozen=True)
class Engine:
    """podman with a storage of its own, and the name of the image."""

    storage: Path
    image: str = "localhost/inbox-gateway:test"

    def run(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run podman. Raises CalledProcessError, with its output in a note."""
        storage = ("--root", str(self.storage / "root"), "--runroot", str(self.storage / "run"))
        command = ("podman", "--runtime", "runc", *storage, *arguments)
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=STEP_SECONDS, check=False)
        if check and done.returncode:
            problem = subprocess.CalledProcessError(done.returncode, command)
            problem.add_note(done.stdout[-2000:] + done.stderr[-4000:])
            raise problem
        return done

    def output(self, *command: str) -> str:
        """Return what a command prints in the read-only image."""
        return self.run("run", "--rm", *LIMITS, *READ_ONLY, self.image, *command).stdout

    def inspected(self) -> dict[str, Any]:
        """Return the description of the image."""
        (described,) = json.loads(self.run("image", "inspect", self.image).stdout)
        return dict(described)


def make_base() -> None:
    """Make a Debian with Python, of the release of this machine."""
    if BASE.exists():
        return
    BASE.parent.mkdir(parents=True, exist_ok=True)
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    unfinished = BASE.with_suffix(".part.tar")
    options = ("--variant=minbase", f"--include={FOR_PYTHON}")
    command = ("mmdebstrap", *options, release["VERSION_CODENAME"].strip('"'), str(unfinished))
    subprocess.run(command, capture_output=True, timeout=STEP_SECONDS, check=True)
    unfinished.rename(BASE)


@contextmanager
def built_image(version: str, *options: str) -> Iterator[Engine]:
    """Build the image from the Dockerfile, and remove it afterwards."""
    make_base()
    with tempfile.TemporaryDirectory(prefix="inbox-image-") as folder:
        engine = Engine(Path(folder))
        settings = Path(folder) / "pip.conf"
        certificates = os.environ.get("PIP_CERT", "")
        settings.write_text(f"[global]\ncert = {certificates}\n" if certificates else "")
        # How this machine reaches the registry of Python packages. Nothing of it gets into the image.
        mounted = ["--volume", f"{settings}:/etc/pip.conf:ro"]
        if certificates:
            mounted += ["--volume", f"{certificates}:{certificates}:ro"]
        try:
            engine.run("import", str(BASE), "localhost/base:test")
            engine.run(
                *("build", "--format", "docker", "--isolation", "chroot", "--tag", engine.image, *mounted),
                *("--build-arg", "PYTHON_IMAGE=localhost/base:test", "--build-arg", f"VERSION={version}"),
                *options,
                ".",
            )
            yield engine
        finally:
            engine.run("rm", "--all", "--force", check=False)
            engine.run("rmi", "--all", "--force", check=False)
            engine.run("system", "reset", "--force", check=False)
