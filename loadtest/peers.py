"""Installing peers into a cache directory outside the repository: `python -m loadtest run --install-peers`.

Nothing is installed into the system or the environment of the gateway. Debian's packages are only unpacked.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "inbox-loadtest"
INSTALL_SECONDS = 600


@dataclass(frozen=True)
class PeerPackage:
    """A peer to install, and the file that shows that it is installed."""

    how: str
    there: Path
    commands: tuple[tuple[str, ...], ...]
    directory: Path
    needs: tuple[str, ...]

    @property
    def installed(self) -> bool:
        """Whether the peer and its requirements are installed."""
        return self.there.exists() and all(map(shutil.which, self.needs))


_VENV = CACHE / "venv"
PYTHON = _VENV / "bin" / "python"

_NCHAN_MODULE = "usr/lib/nginx/modules/ngx_nchan_module.so"
NGINX_DIRECTORY = "temporary_file"
"""The directory below its prefix to which nginx writes. Its name is as long as the path that it replaces."""

NCHAN = PeerPackage(
    "apt-get download nginx libnginx-mod-nchan, unpacked",
    CACHE / "nginx" / _NCHAN_MODULE,
    (
        ("apt-get", "download", "nginx", "libnginx-mod-nchan"),
        ("sh", "-c", "for package in *.deb; do dpkg -x $package .; done"),
        # Both create directories at compiled-in absolute paths, which this makes relative.
        ("sed", "-i", f"s#/var/lib/nginx/#{NGINX_DIRECTORY}/#g", "usr/sbin/nginx", _NCHAN_MODULE),
    ),
    CACHE / "nginx",
    (),
)
SOCKETIO_NODE = PeerPackage(
    "npm install socket.io",
    CACHE / "node" / "node_modules/socket.io/package.json",
    (("npm", "install", "--no-audit", "--no-fund", "--prefix", ".", "socket.io"),),
    CACHE / "node",
    ("node",),
)


def _python(name: str, packages: str, module: str) -> PeerPackage:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return PeerPackage(
        f"pip install {packages}, in an environment of its own",
        _VENV / "lib" / version / "site-packages" / module,
        ((sys.executable, "-m", "venv", str(_VENV)), (str(PYTHON), "-m", "pip", "install", "-q", *packages.split())),
        CACHE / name,
        (),
    )


SOCKETIO_PYTHON = _python("python-socketio", "python-socketio uvicorn uvloop httptools websockets", "socketio")
CHANNELS = _python("channels", "channels daphne", "daphne")

PACKAGES = {"nchan": NCHAN, "socket.io": SOCKETIO_NODE, "python-socketio": SOCKETIO_PYTHON, "channels": CHANNELS}


def install(package: PeerPackage) -> str:
    """Install a package. Return the error, "" on success."""
    package.directory.mkdir(parents=True, exist_ok=True)
    for command in package.commands:
        try:
            done = subprocess.run(
                command, cwd=package.directory, capture_output=True, text=True, timeout=INSTALL_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as problem:
            return str(problem)
        if done.returncode != 0:
            return f"{' '.join(command)}: {done.stderr.strip()[-500:]}"
    return "" if package.installed else f"{package.there} does not exist"


def install_all(progress: Callable[[str], None]) -> None:
    """Install missing packages, and report the progress.

    A failure is not fatal, as a missing peer is reported later.
    """
    for name, package in PACKAGES.items():
        if not package.installed:
            progress(f"installing {name}: {package.how}")
            if problem := install(package):
                progress(f"  {name} could not be installed: {problem}")
