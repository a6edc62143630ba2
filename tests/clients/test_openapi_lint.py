"""The OpenAPI document is clean by the rules of a linter that others use."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from gateway.api.operations import document
from tests.clients.running import npm_install

REDOCLY = "@redocly/cli@2.77.0"

LIVE_MESSAGES = {"Ready", "Reset", "Goodbye", "Renewed", "Pong", "Error", "AuthMessage", "PingMessage"}
"""Types of messages of live connections. Descriptions refer to them in words."""


def is_meant(problem: dict[str, Any], described: dict[str, Any]) -> bool:
    """Return whether a warning is about what the document has on purpose."""
    parts = [part.replace("~1", "/") for part in problem["location"][0]["pointer"].split("/")[1:]]
    if problem["ruleId"] == "no-unused-components":
        return parts[-1] in LIVE_MESSAGES
    if problem["ruleId"] in ("operation-4xx-response", "operation-2xx-response"):
        operation = described["paths"][parts[1]][parts[2]]
        # Pages, files and health probes refuse nobody. A WebSocket is answered with 101, and a redirect with 303.
        is_other = {"101", "303"}.intersection(operation["responses"])
        return bool(is_other) or operation["tags"][0] in ("Gateway", "Browser files", "Not built yet")
    return False


def test_redocly_finds_no_problem(tmp_path: Path) -> None:
    npm_install(tmp_path, REDOCLY)
    described = document()
    (tmp_path / "openapi.json").write_text(json.dumps(described))
    program = shutil.which("redocly", path=tmp_path / "node_modules" / ".bin")
    assert program is not None
    quiet = {**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    command = (program, "lint", "--format", "json", "--max-problems", "10000", "openapi.json")
    done = subprocess.run(command, cwd=tmp_path, env=quiet, capture_output=True, text=True, timeout=60)
    problems = json.loads(done.stdout)["problems"]
    found = [
        f"{each['ruleId']} at {each['location'][0]['pointer']}: {each['message']}"
        for each in problems
        if not is_meant(each, described)
    ]
    assert not found, "\n".join(found)
    assert done.returncode == 0
