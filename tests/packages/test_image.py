"""The image: built from the Dockerfile on a Debian, and run as an orchestrator does, read-only and without rights."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway import __version__
from tests.packages.image import LIMITS, READ_ONLY, Engine, built_image, missing_program
from tests.servers import free_port, wait_for

USER = 10001
COMMIT = "0123456789abcdef0123456789abcdef01234567"

pytestmark = pytest.mark.skipif(bool(missing_program()), reason=missing_program())


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with built_image(__version__, "--build-arg", f"REVISION={COMMIT}") as built:
        yield built


def test_the_image_describes_itself(engine: Engine) -> None:
    described = engine.inspected()
    config = described["Config"]
    assert config["User"] == f"{USER}:{USER}"
    assert config["Cmd"] == ["inbox-gateway", "serve"]
    assert described["HealthCheck" if "HealthCheck" in described else "Healthcheck"]["Test"] == [
        "CMD",
        "inbox-gateway",
        "healthcheck",
    ]
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in config["Labels"].items()}
    assert (labels["version"], labels["revision"], labels["licenses"]) == (__version__, COMMIT, "Apache-2.0")
    assert not any(variable.startswith("PIP_") for variable in config["Env"])


def test_the_image_has_the_extras_and_nothing_to_install_or_compile_with(engine: Engine) -> None:
    program = (
        "import importlib.util as u, shutil; "
        "print([bool(u.find_spec(n)) for n in ('liquid', 'authlib', 'opentelemetry', 'pip', 'setuptools')], "
        "[n for n in ('cc', 'gcc', 'make', 'pip') if shutil.which(n)])"
    )
    assert engine.output("/opt/inbox/bin/python", "-c", program) == "[True, True, True, False, False] []\n"
    assert engine.output("inbox-gateway", "--version") == f"inbox-gateway, version {__version__}\n"
    program = "from gateway.revision import revision; print(revision())"
    assert engine.output("/opt/inbox/bin/python", "-c", program) == f"{COMMIT[:12]}\n"
    assert not engine.output(
        *["find", "/opt/inbox", "/data", "-writable", "-not", "-type", "l", "-not", "-path", "/data"]
    )
    uncompiled = "import pathlib as p; print(len([f for f in p.Path('/opt/inbox/lib').rglob('*.py') if not list("
    uncompiled += "(f.parent / '__pycache__').glob(f.stem + '.*.pyc'))]))"
    assert engine.output("/opt/inbox/bin/python", "-c", uncompiled) == "0\n"


def test_a_read_only_container_serves_becomes_healthy_and_keeps_its_data(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.chown(tmp_path, USER, USER)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = ("--env", f"INBOX_PORT={port}", "--env", "INBOX_HOST=127.0.0.1", "--env", "INBOX_DRAIN_SECONDS=1")

    def start(name: str) -> float:
        begin = time.monotonic()
        data = ("--volume", f"{tmp_path}:/data")
        engine.run("run", "--detach", "--name", name, *LIMITS, *READ_ONLY, *settings, *data, engine.image)
        wait_for(lambda: _is_ready(url), f"{name} is ready", 60)
        return time.monotonic() - begin

    seconds = start("first")
    assert engine.run("healthcheck", "run", "first").returncode == 0
    created = engine.run("exec", "first", "inbox-gateway", "project", "create", "shop").stdout
    assert "shop" in created
    engine.run("stop", "--time", "20", "first")
    assert engine.run("inspect", "--format", "{{.State.ExitCode}}", "first").stdout == "0\n"

    start("second")
    assert "shop" in engine.run("exec", "second", "inbox-gateway", "project", "list").stdout
    engine.run("stop", "--time", "20", "second")
    size = engine.inspected()["Size"]
    added = size - int(engine.run("image", "inspect", "--format", "{{.Size}}", "localhost/base:test").stdout)
    with capsys.disabled():
        print(  # noqa: T201 - what the target reports
            f"\nimage: {size / 1e6:.0f} MB, {added / 1e6:.0f} MB more than its base; ready after {seconds:.1f} s"
        )


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
