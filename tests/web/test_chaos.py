"""The browser client behind a network that fails, against a gateway whose workers are killed and whose log is short."""

import os
import subprocess
from pathlib import Path

from tests.servers import API_KEY, API_SECRET, running_gateway
from tests.web.test_client_js import node

__all__ = ["node"]

SECONDS = float(os.environ.get("CHAOS_SECONDS", "4"))


def test_lists_and_counts_are_exact_after_chaos(node: str, tmp_path: Path) -> None:
    script = Path(__file__).parent / "chaos.mjs"
    with running_gateway(tmp_path / "data", INBOX_WORKERS="2", INBOX_LOG_RETENTION_EVENTS="10") as gateway:
        assert gateway.process is not None
        environment = {"GATEWAY_URL": gateway.url, "API_KEY": API_KEY, "API_SECRET": API_SECRET}
        done = subprocess.run(
            [node, "--experimental-websocket", "--test", "--test-reporter=tap", str(script)],
            env=os.environ | environment | {"GATEWAY_PID": str(gateway.process.pid)},
            capture_output=True,
            text=True,
            timeout=SECONDS + 100,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
