"""The locked dependencies, the content of the package, and the error of programs whose packages are not installed."""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import httpx
import pytest

from gateway import __version__
from tests.release.archives import read_archive
from tests.release.distributions import build_chart, build_distributions, sources
from tests.servers import Gateway

ROOT = Path(__file__).parent.parent
EPOCH = 1_750_000_000
EXTRAS = ("templates", "sso", "otel")
EXTRA_LOCKS = tuple(f"requirements-{extra}.lock" for extra in EXTRAS)
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-build.lock", *EXTRA_LOCKS)


def pinned(lock: str) -> dict[str, str]:
    """Return the versions in a lock file that have a hash, by name."""
    entries = re.findall(
        r"^([a-z0-9-]+)==(\S+)[^\n]*\\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", _text(lock), re.M
    )
    return {name: version for name, version, _ in entries}


def _text(name: str) -> str:
    return (ROOT / name).read_text()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_of_a_lock_file_has_hashes_and_no_host(lock: str) -> None:
    assert len(pinned(lock)) == len(re.findall(r"^[a-z0-9]", _text(lock), re.MULTILINE)) > 0
    assert "://" not in _text(lock)


def test_the_lock_files_agree() -> None:
    runtime, everything = pinned("requirements.lock"), pinned("requirements-dev.lock")
    assert runtime.items() <= everything.items()
    for lock in EXTRA_LOCKS:
        assert pinned(lock).items() <= everything.items()


def test_each_extra_has_a_lock_file_with_what_pyproject_names() -> None:
    extras = tomllib.loads(_text("pyproject.toml"))["project"]["optional-dependencies"]
    assert set(extras) == {*EXTRAS, "dev"}
    for extra in EXTRAS:
        assert {re.split(r"[<>=\[]", one)[0] for one in extras[extra]} <= pinned(f"requirements-{extra}.lock").keys()


def test_packages_are_only_installed_with_their_hashes() -> None:
    for name in ("Makefile", "Dockerfile"):
        for line in re.sub(r"\\\n", " ", _text(name)).splitlines():
            for command in line.split("&&"):
                if "--requirement" in command:
                    assert "--require-hashes" in command or "$(LOCKED)" in command, command


@pytest.mark.parametrize(
    ("package", "least"),
    [
        ("starlette", (1, 3, 1)),  # CVE-2026-48710, CVE-2026-54282, CVE-2026-54283
        ("pyjwt", (2, 13)),  # CVE-2026-32597, CVE-2026-48523
        ("cryptography", (46, 0, 5)),  # CVE-2026-26007
    ],
)
def test_the_floor_of_a_dependency_is_above_its_advisories(package: str, least: tuple[int, ...]) -> None:
    dependencies = tomllib.loads(_text("pyproject.toml"))["project"]["dependencies"]
    (floor,) = [re.search(r">=([0-9.]+)", one) for one in dependencies if re.match(rf"{package}\b", one)]
    assert floor is not None
    assert tuple(map(int, floor[1].split("."))) >= least


@pytest.mark.parametrize(
    ("module", "target"),
    [
        ("loadtest", "make install-dev"),
        ("loadtest.check", "make install-dev"),
        ("tests", "make install-dev"),
        ("tests.fuzz", "make install-dev"),
        ("tests.reference", "make install-dev"),
        ("gateway", "make install"),
    ],
)
def test_a_program_whose_packages_are_not_installed_prints_how_to_install_them(module: str, target: str) -> None:
    # -S excludes the installed packages.
    command = [sys.executable, "-S", "-m", module, "check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert f"run `{target}`" in line


def test_a_release_is_built_without_the_packages_of_the_tests() -> None:
    command = [sys.executable, "-S", "-m", "tests.release", "help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, "tests.release build" in done.stderr) == (2, True)


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the paths of the source distribution and of the wheel."""
    return build_distributions(tmp_path_factory.mktemp("distributions"), EPOCH)


@pytest.fixture(scope="module")
def wheel(distributions: tuple[Path, Path]) -> Path:
    return distributions[1]


def test_distributions_that_are_built_twice_are_equal(distributions: tuple[Path, Path], tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        again = build_distributions(tmp_path, EPOCH)
    finally:
        os.umask(before)
    for first, second in zip(distributions, again, strict=True):
        assert first.name == second.name
        assert first.read_bytes() == second.read_bytes(), first.name


def test_distributions_have_the_sources_the_built_pages_and_nothing_else(distributions: tuple[Path, Path]) -> None:
    sdist, wheel = distributions
    files = {name.partition("/")[2]: content for name, content in read_archive(sdist).items()}
    metadata = {name for name in files if name.startswith("inbox_gateway.egg-info/")} | {"PKG-INFO", "setup.cfg"}
    assert {name: files[name] for name in files.keys() - metadata} == sources()
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert names == {name for name in sources() if name.startswith("gateway/")}
        assert all(archive.read(name) == files[name] for name in names)
        (described,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA"))
    assert f"\nVersion: {__version__}\n" in described
    assert "License-Expression: Apache-2.0" in described


def test_a_chart_that_is_packed_twice_is_equal(tmp_path: Path) -> None:
    first = build_chart(tmp_path, __version__, EPOCH).read_bytes()
    assert first == build_chart(tmp_path, __version__, EPOCH).read_bytes()
    assert {name.split("/")[0] for name in read_archive(tmp_path / f"inbox-gateway-chart-{__version__}.tgz")} == {
        "inbox-gateway"
    }


def test_the_classifiers_name_the_versions_of_python_that_are_tested() -> None:
    project = tomllib.loads(_text("pyproject.toml"))["project"]
    tested = re.findall(r'"(3\.\d+)"', re.search(r"python: \[(.*)\]", _text(".github/workflows/test.yml"))[1])  # type: ignore[index]
    named = [name.rpartition(" ")[2] for name in project["classifiers"] if re.search(r":: 3\.\d+$", name)]
    assert named == tested
    assert project["requires-python"] == f">={tested[0]}"


def dist() -> set[str]:
    """Return the paths of the files that browsers load."""
    return {str(path.relative_to(ROOT)) for path in (ROOT / "gateway/web/dist").rglob("*") if path.is_file()}


def test_the_package_contains_the_built_pages_and_the_lua_functions_and_no_web_sources(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name for name in names if name.startswith("gateway/web/")} == dist()
    functions = {path.name for path in (ROOT / "gateway" / "store" / "functions").glob("*.lua")}
    assert functions == {Path(name).name for name in names if name.endswith(".lua")}


def address(name: str) -> str:
    """Return the path at which a file of dist is served."""
    directory, _, file = name.rpartition("/")
    if not directory:
        return f"/{name}"
    if directory == "dashboard":
        return f"/admin/files/{file}"
    if file == "index.html":
        return f"/{directory.replace('-', '/')}"
    return f"/inbox-assets/{__version__}/{file}" if directory == "assets" else f"/web/{name}"


def test_an_installed_wheel_serves_every_file_without_node(wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "venv"
    venv.create(installed, symlinks=True)
    python = str(installed / "bin" / "python")
    install = (
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--no-deps",
        "--no-index",
        "--no-compile",
        str(wheel),
    )
    subprocess.run(install, capture_output=True, timeout=60, check=True)
    environment = {
        "PATH": str(installed / "bin"),  # no node
        "PYTHONPATH": sysconfig.get_path("purelib"),  # the dependencies, and not this package
        "PYTHONSAFEPATH": "1",
        "INBOX_DEMO": "on",
    }
    found = (python, "-c", "import gateway; print(gateway.__file__)")
    printed = subprocess.run(found, env=environment, capture_output=True, text=True, timeout=30, check=True).stdout
    assert Path(printed).is_relative_to(installed)
    gateway = Gateway(tmp_path / "data", environment, command=(str(installed / "bin" / "inbox-gateway"),))
    try:
        gateway.start()
        with httpx.Client(base_url=gateway.url) as http:
            for path in sorted(dist() - {"gateway/web/dist/dashboard/index.html"}):  # it is served with a base address
                served = http.get(address(path.removeprefix("gateway/web/dist/")))
                assert served.status_code == 200, path
                assert served.content == (ROOT / path).read_bytes(), path
    finally:
        gateway.end()
