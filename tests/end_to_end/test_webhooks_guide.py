"""The guide to outgoing webhooks works as written: its receivers in Python and Node verify what its requests cause."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import API_KEY, API_SECRET, Gateway, free_port, running_gateway, wait_for

GUIDE = (Path(__file__).parent.parent.parent / "docs" / "api" / "webhooks.md").read_text()
SHELL = re.findall(r"```sh\n(.*?)```", GUIDE, flags=re.DOTALL)
RECEIVERS = {"python": (sys.executable, "receiver.py"), "js": ("node", "receiver.mjs")}


@pytest.fixture(scope="module")
def delivering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Yield a gateway that delivers, also to this machine."""
    with running_gateway(
        tmp_path_factory.mktemp("g") / "data",
        INBOX_DELIVERY_WORKERS="1",
        INBOX_OUTBOUND_ALLOWED_NETWORKS="127.0.0.0/8",
    ) as gateway:
        yield gateway


@pytest.mark.parametrize("language", RECEIVERS)
def test_the_guide_works_as_written(delivering: Gateway, tmp_path: Path, language: str) -> None:
    program, name = RECEIVERS[language]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    (receiver,) = re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)
    (tmp_path / name).write_text(receiver)
    port, output = free_port(), tmp_path / "output"
    # The receiver starts once the secret is known, in the place where a reader would start it.
    start = f'PORT={port} WEBHOOK_SECRET="$WEBHOOK_SECRET" {program} {tmp_path / name} > {output} 2>&1 &\nRUNNING=$!\n'
    start += "until curl -s -o /dev/null $RECEIVER; do sleep 0.1; done\n"  # or the first attempt would fail
    script = "".join([SHELL[0].replace("first-endpoint", language), start, *SHELL[1:], "kill $RUNNING\n"])
    environment = {
        **os.environ,
        "INBOX": delivering.url,
        "API_KEY": API_KEY,
        "API_SECRET": API_SECRET,
        "RECEIVER": f"http://127.0.0.1:{port}/",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr + output.read_text()
    wait_for(lambda: "webhook.test" in output.read_text(), "the test message", 10)
    for shown in (
        '"state":"delivered"',
        '"disabled":false',
        '"former_secret_expires_at"',
        '"disabled_reason":"request"',
    ):
        assert shown in done.stdout
