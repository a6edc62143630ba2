"""The demo project of a gateway with the bundled Valkey and without a bootstrap project, and the files with its keys.

The gateway reads `demo-project.json`. `demo-project.env` sets the variables that the README's examples use, when it is
sourced in a shell. Only their owner can read the two files.
"""

import json
import os
import secrets
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.errors import DemoKeysError
from gateway.domain.demo import DEMO_KEY_PREFIX, DEMO_NAME, is_demo
from gateway.server.data_directory import read_private, write_private
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.store.project_audit import ProjectAudit
    from gateway.store.projects import ProjectStore


@dataclass(frozen=True, slots=True)
class DemoKeys:
    """The keys of the demo project. `shown` is true once the secret was printed to a terminal."""

    api_key: str
    api_secret: str
    shown: bool = False


def keys_path(settings: Settings) -> Path:
    """Return the path of the file from which the gateway reads the keys."""
    return settings.data_dir / "demo-project.json"


def environment_path(settings: Settings) -> Path:
    """Return the path of the file with the keys for a shell."""
    return settings.data_dir / "demo-project.env"


def read_demo_keys(settings: Settings) -> DemoKeys | None:
    """Return the stored keys, None if there are none. Raises DemoKeysError if the file is damaged."""
    path = keys_path(settings)
    if not os.path.lexists(path):
        return None
    try:
        kept = json.loads(read_private(path))
        return DemoKeys(str(kept["api_key"]), str(kept["api_secret"]), bool(kept.get("shown")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise DemoKeysError(f"{path} is damaged: remove it, and the next start writes the keys again") from None


def write_demo_keys(settings: Settings, keys: DemoKeys) -> None:
    """Write the keys to the file that the next start reads."""
    write_private(keys_path(settings), json.dumps(asdict(keys), indent=2) + "\n")


def write_environment(settings: Settings, keys: DemoKeys, base: str) -> None:
    """Write the file for a shell: `. data/demo-project.env`."""
    write_private(environment_path(settings), f"{exports(base, keys)}\n")


def exports(base: str, keys: DemoKeys) -> str:
    """Return the export commands for a shell, one per line."""
    values = {"INBOX": base, "API_KEY": keys.api_key, "API_SECRET": keys.api_secret}
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in values.items())


async def ensure_demo(settings: Settings, projects: "ProjectStore", found: "ProjectAudit") -> None:
    """Create the demo project unless it exists. A store has at most one.

    If it was deleted and there are other projects, it is not created again, unless INBOX_DEMO is `on`.
    """
    keys = read_demo_keys(settings)
    if keys is None:
        demo = next(filter(is_demo, await projects.all()), None)
        if demo is not None and demo.secrets:
            keys = DemoKeys(demo.api_key, demo.secrets[0])
        else:
            keys = DemoKeys(DEMO_KEY_PREFIX + secrets.token_urlsafe(12), secrets.token_urlsafe(30))
        # Written before the project is created: a project whose secret was lost would be useless.
        write_demo_keys(settings, keys)
    elif found.projects and settings.demo != "on" and await projects.by_api_key(keys.api_key) is None:
        return
    kept = await projects.ensure(DEMO_NAME, keys.api_key, keys.api_secret, hmac_enabled=True)
    if keys.api_secret not in kept.secrets:  # it was rotated
        write_demo_keys(settings, DemoKeys(kept.api_key, kept.secrets[0]))
