"""The demo project, which a gateway with the bundled Valkey has until a project is configured: its keys, kept in files.

`demo-project.json` is what the gateway reads. `demo-project.env` is for people: a shell that reads it can paste what
the README shows. Both can be read by their owner only.
"""

import json
import secrets
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.server.data_directory import read_private, write_private
from gateway.server.supervisor import SupervisorError
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.store.project_audit import ProjectAudit
    from gateway.store.projects import ProjectStore

DEMO_NAME = "Demo"
DEMO_KEY_PREFIX = "demo_"


@dataclass(frozen=True, slots=True)
class DemoKeys:
    """The keys of the demo project, and whether a terminal has shown the secret."""

    api_key: str
    api_secret: str
    shown: bool = False


def keys_path(settings: Settings) -> Path:
    """Return the file that the gateway keeps the keys in."""
    return settings.data_dir / "demo-project.json"


def environment_path(settings: Settings) -> Path:
    """Return the file that a shell reads the keys from."""
    return settings.data_dir / "demo-project.env"


def read_demo_keys(settings: Settings) -> DemoKeys | None:
    """Return the keys that were kept, None if none were. Raises SupervisorError when the file is damaged."""
    path = keys_path(settings)
    if not path.exists():
        return None
    try:
        kept = json.loads(read_private(path))
        return DemoKeys(str(kept["api_key"]), str(kept["api_secret"]), bool(kept.get("shown")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise SupervisorError(f"{path} is damaged: remove it, and the demo project's keys are written anew") from None


def write_demo_keys(settings: Settings, keys: DemoKeys) -> None:
    """Keep the keys for the next start."""
    write_private(keys_path(settings), json.dumps(asdict(keys), indent=2) + "\n")


def write_environment(settings: Settings, keys: DemoKeys, base: str) -> None:
    """Keep what a shell needs for the README's examples: `. data/demo-project.env`."""
    write_private(environment_path(settings), f"# {demo_address(base, keys)}\n{exports(base, keys)}\n")


def exports(base: str, keys: DemoKeys) -> str:
    """Return the lines for a shell."""
    values = {"INBOX": base, "API_KEY": keys.api_key, "API_SECRET": keys.api_secret}
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in values.items())


def demo_address(base: str, keys: DemoKeys) -> str:
    """Return the demo page's address with the keys, which browsers do not send to the server."""
    return f"{base}/demo#api_key={keys.api_key}&api_secret={keys.api_secret}"


async def keep_demo(settings: Settings, projects: "ProjectStore", found: "ProjectAudit") -> None:
    """Make sure of the demo project, which a store has one of at most.

    One that was deleted while there are others does not come back.
    """
    keys = read_demo_keys(settings)
    if keys is None:
        demo = next((one for one in await projects.all() if one.name == DEMO_NAME and _is_demo_key(one.api_key)), None)
        if demo is not None and demo.secrets:
            keys = DemoKeys(demo.api_key, demo.secrets[0])
        else:
            keys = DemoKeys(DEMO_KEY_PREFIX + secrets.token_urlsafe(12), secrets.token_urlsafe(30))
        # Kept first: a project whose secret nobody knows would be of no use.
        write_demo_keys(settings, keys)
    elif found.projects and await projects.by_api_key(keys.api_key) is None:
        return
    kept = await projects.keep(DEMO_NAME, keys.api_key, keys.api_secret, hmac_enabled=True)
    if keys.api_secret not in kept.secrets:  # it was rotated
        write_demo_keys(settings, DemoKeys(kept.api_key, kept.secrets[0]))


def _is_demo_key(api_key: str) -> bool:
    return api_key.startswith(DEMO_KEY_PREFIX)
