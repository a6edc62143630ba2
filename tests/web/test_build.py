"""The built files of gateway/web/dist, which browsers load, match their sources."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parent.parent.parent / "gateway" / "web"
BUILT = ("client.js", "demo.html", "docs.html")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory that `npm run build` has written, from a copy of the sources."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed: `apt-get install nodejs npm`")
    copy = tmp_path_factory.mktemp("web")
    for name in ("package.json", "package-lock.json", ".npmrc", "build.mjs"):
        shutil.copy(WEB / name, copy)
    shutil.copytree(WEB / "src", copy / "src")
    for command in (("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"), ("npm", "run", "build")):
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=110, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return copy / "dist"


def test_the_committed_files_equal_those_of_a_build(built: Path) -> None:
    assert sorted(path.name for path in built.iterdir()) == sorted(path.name for path in (WEB / "dist").iterdir())
    for name in BUILT:
        assert (built / name).read_bytes() == (WEB / "dist" / name).read_bytes(), (
            f"dist/{name} is out of date: run `npm ci && npm run build` in gateway/web"
        )


def test_the_lock_file_has_an_exact_version_and_a_hash_of_every_package_and_no_host() -> None:
    text = (WEB / "package-lock.json").read_text()
    assert "://" not in text
    packages = json.loads(text)["packages"]
    assert all("integrity" in package for path, package in packages.items() if path)
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in packages[""]["devDependencies"].values())


@pytest.mark.parametrize("name", ["demo.html", "docs.html"])
def test_a_page_loads_nothing_but_the_client(name: str) -> None:
    text = (WEB / "dist" / name).read_text()
    assert set(re.findall(r'(?:from|import) "([^"]+)"', text)) <= {"./client.js"}
    assert re.findall(r"<(?:script|link|img)[^>]* (?:src|href)=\"(?!data:)[^\"]*", text) == []
