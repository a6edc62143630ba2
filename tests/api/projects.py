"""Projects besides the one that the gateway was started with, made on the command line."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass

from tests.servers import Gateway

API_KEY_HEADER, API_SECRET_HEADER = "X-MAGICBELL-API-KEY", "X-MAGICBELL-API-SECRET"


@dataclass(frozen=True)
class Project:
    """A project besides the one that the gateway was started with."""

    api_key: str
    api_secret: str

    @property
    def admin(self) -> dict[str, str]:
        """The backend's credentials."""
        return {API_KEY_HEADER: self.api_key, API_SECRET_HEADER: self.api_secret}


def command(gateway: Gateway, *arguments: str, **environment: str) -> str:
    """Run a command on the store of a running gateway, and return what it printed."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("INBOX_")}
    own |= {"INBOX_DATA_DIR": str(gateway.data_dir)} | environment
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments], env=own, check=True, capture_output=True, text=True, timeout=30
    ).stdout


def project_of(printed: str) -> Project:
    """Return the project whose keys a command printed."""
    keys = re.findall(r"^api (?:key|secret) +(\S+)$", printed, re.MULTILINE)
    return Project(*keys)
