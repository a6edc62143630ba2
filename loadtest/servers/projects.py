"""Creating further projects of a gateway by its command line."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loadtest.servers.starting import environment_without_settings

CREATE_SECONDS = 60


@dataclass(frozen=True)
class CreatedProject:
    """A project, with its key and its secret."""

    id: str
    api_key: str
    api_secret: str


def create_project(name: str, command: Sequence[str], settings: Mapping[str, str]) -> CreatedProject:
    """Create a project. `command` is that of the gateway without `serve`. Raise RuntimeError."""
    done = subprocess.run(
        [*command, "project", "create", name],
        env={**environment_without_settings(), **settings},
        capture_output=True,
        text=True,
        timeout=CREATE_SECONDS,
        check=False,
    )
    printed = dict(re.findall(r"^(id|api key|api secret) +(\S+)$", done.stdout, re.MULTILINE))
    if done.returncode or len(printed) < 3:
        raise RuntimeError(f"the project was not created: {done.stdout} {done.stderr}")
    return CreatedProject(printed["id"], printed["api key"], printed["api secret"])
