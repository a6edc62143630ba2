"""The guides to the bell, docs/bell/*.md, and their snippets with the values of a test in place."""

import os
import re
import subprocess
from pathlib import Path

from tests.browser.site import Site
from tests.servers import API_KEY, API_SECRET, user_hmac

GUIDES = Path(__file__).parent.parent.parent / "docs" / "bell"
EXAMPLE = "https://inbox.example.com"
"""The address of the gateway in the guides."""


def guide(name: str) -> str:
    """Return the text of a guide."""
    return (GUIDES / f"{name}.md").read_text()


def snippets(name: str, language: str) -> list[str]:
    """Return the snippets of a guide in a language, in their order."""
    return re.findall(rf"```{language}\n(.*?)```", guide(name), flags=re.DOTALL)


def snippet(name: str, language: str, part: str) -> str:
    """Return the only snippet of a guide in a language that contains a text."""
    (found,) = (text for text in snippets(name, language) if part in text)
    return found


def filled(text: str, site: Site, user: str) -> str:
    """Return a snippet with the address of the gateway and the credentials of a user in place."""
    attributes = f'api-key="{API_KEY}" user-external-id="{user}" user-hmac="{user_hmac(user)}"'
    options = f'apiKey: "{API_KEY}", userExternalId: "{user}", userHmac: "{user_hmac(user)}"'
    text = text.replace('api-key="…" user-external-id="ada" user-hmac="…"', attributes)
    text = text.replace('apiKey: "…", userExternalId: "ada", userHmac: "…"', options)
    return text.replace(EXAMPLE, site.url)


def run_in_shell(site: Site, directory: Path, *scripts: str) -> str:
    """Run snippets in one terminal, with the variables of the README. Return their output."""
    variables = {"INBOX": site.url, "API_KEY": API_KEY, "API_SECRET": API_SECRET}
    command = ["bash", "-euo", "pipefail", "-c", "\n".join(scripts)]
    done = subprocess.run(
        command, env=os.environ | variables, cwd=directory, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
