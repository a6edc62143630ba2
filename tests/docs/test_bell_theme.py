"""The guide to theming saves a theme for a project as it is written."""

import os
import re
import subprocess
from pathlib import Path

from tests.api.workspaces import created_project
from tests.servers import Gateway

GUIDE = (Path(__file__).parent.parent.parent / "docs" / "bell" / "theming.md").read_text()


def test_the_theme_of_the_guide_is_saved_for_the_project(gateway: Gateway) -> None:
    project = created_project(gateway)
    (snippet,) = re.findall(r"```sh\n(.*?)```", GUIDE, flags=re.DOTALL)
    variables = {"INBOX": gateway.url, "API_KEY": project["api_key"], "API_SECRET": project["api_secret"]}
    command = ["bash", "-euo", "pipefail", "-c", snippet]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=30, check=True)
    assert '"accentColor":"#0d74ce"' in done.stdout
