"""The wheel by the installers that people use, each in a home of its own: pip with the lock files, pipx and uvx."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from gateway import __version__
from tests.release.distributions import ROOT, build_distributions, commit_time
from tests.servers import free_port, wait_for

PROGRAMS = ROOT / ".venv-release" / "bin"

pytestmark = pytest.mark.skipif(not PROGRAMS.exists(), reason="pipx and uv are not installed: run `make installers`")


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build_distributions(tmp_path_factory.mktemp("distributions"), commit_time())


@pytest.fixture(scope="module")
def wheel(distributions: tuple[Path, Path]) -> Path:
    return distributions[1]


def home(folder: Path) -> dict[str, str]:
    """Return an environment in which nothing is installed but the installers."""
    return {
        "HOME": str(folder),
        "PATH": os.pathsep.join((str(PROGRAMS), str(Path(sys.executable).parent), "/usr/bin", "/bin")),
        **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_CERT_"))},
        "UV_SYSTEM_CERTS": "true",  # those of this machine
        "INBOX_DATA_DIR": str(folder / "data"),
    }


def output(command: tuple[str, ...], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def assert_it_serves(command: tuple[str, ...], environment: dict[str, str]) -> None:
    """Start `serve` by a command, wait until it is ready, and stop it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/readyz"
    with subprocess.Popen((*command, "serve", "--port", str(port)), env=environment, stderr=subprocess.PIPE) as process:
        try:
            wait_for(lambda: process.poll() is not None or _is_ready(url), "the gateway is ready", 120)
            assert process.poll() is None
        finally:
            process.terminate()
            process.communicate(timeout=60)
    assert process.returncode in (0, -15)  # uvx ends by the signal


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.parametrize("kind", ["wheel", "source distribution"])
def test_pip_installs_it_with_every_hash_checked(distributions: tuple[Path, Path], tmp_path: Path, kind: str) -> None:
    environment = home(tmp_path)
    venv = tmp_path / "venv"
    output((sys.executable, "-m", "venv", str(venv)), environment)
    pip = (str(venv / "bin" / "pip"), "install", "--quiet")
    locks = ("requirements-build.lock", "requirements.lock", "requirements-sso.lock")
    requirements = [part for lock in locks for part in ("--requirement", str(ROOT / lock))]
    output((*pip, "--require-hashes", *requirements), environment)
    built = distributions[1 if kind == "wheel" else 0]
    output((*pip, "--no-deps", "--no-index", "--no-build-isolation", str(built)), environment)
    program = str(venv / "bin" / "inbox-gateway")
    assert output((program, "--version"), environment) == f"inbox-gateway, version {__version__}\n"
    if kind == "wheel":
        assert_it_serves((program,), environment)


def test_pipx_runs_it_once_and_installs_it_with_an_extra(wheel: Path, tmp_path: Path) -> None:
    environment = home(tmp_path)
    once = ("pipx", "run", "--spec", str(wheel), "inbox-gateway")
    assert output((*once, "--version"), environment) == f"inbox-gateway, version {__version__}\n"
    assert_it_serves(once, environment)
    output(("pipx", "install", f"{wheel}[templates]"), environment)
    program = str(tmp_path / ".local" / "bin" / "inbox-gateway")
    assert output((program, "--version"), environment) == f"inbox-gateway, version {__version__}\n"
    python = tmp_path / ".local" / "share" / "pipx" / "venvs" / "inbox-gateway" / "bin" / "python"
    assert output((str(python), "-c", "import liquid"), environment) == ""


def test_uvx_runs_it_and_uv_installs_it_with_an_extra(wheel: Path, tmp_path: Path) -> None:
    environment = home(tmp_path)
    command = ("uvx", "--from", str(wheel), "inbox-gateway")
    assert output((*command, "--version"), environment) == f"inbox-gateway, version {__version__}\n"
    assert_it_serves(command, environment)
    output(("uv", "tool", "install", f"{wheel}[templates]"), environment)
    program = str(tmp_path / ".local" / "bin" / "inbox-gateway")
    assert output((program, "--version"), environment) == f"inbox-gateway, version {__version__}\n"
