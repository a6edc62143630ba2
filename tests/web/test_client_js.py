"""The browser client in Node's test runner: its reducer against a model, and live against a gateway."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers import API_KEY, API_SECRET, Gateway

OLDEST_NODE = (20, 19)
"""The oldest version with which these tests have run."""


@pytest.fixture(scope="module")
def node() -> str:
    """Return the path of a Node that is new enough."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("node is not installed: `apt-get install nodejs`")
    printed = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    if tuple(map(int, re.findall(r"\d+", printed))) < OLDEST_NODE:
        pytest.skip(f"node is {printed.strip()}, and these tests need 20.19 or newer")
    return path


def test_the_client_passes_its_own_tests(node: str, gateway: Gateway) -> None:
    files = sorted(map(str, Path(__file__).parent.glob("*.test.mjs")))
    environment = {"GATEWAY_URL": gateway.url, "API_KEY": API_KEY, "API_SECRET": API_SECRET}
    done = subprocess.run(
        [node, "--test", "--test-reporter=tap", "--test-timeout=100000", *files],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# skipped 0" in done.stdout
