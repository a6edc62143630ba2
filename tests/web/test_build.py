"""The built files of gateway/web/dist, which browsers load, match their sources, and are small."""

import gzip
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.api.operations import document as openapi_document
from tests.npm import WEB, web_modules

PANEL = "assets/panel.js"
BUDGETS = {
    ("client.js",): 10_640,
    ("inbox-bell.js",): 17_180,
    ("inbox-bell.js", PANEL): 26_660,  # all that every page with a user loads
    ("assets/settings.js",): 4_510,
    ("assets/toast.js",): 2_330,
    ("assets/html.js",): 1_760,
    ("dashboard/style.css",): 10_000,
    ("dashboard/index.html", "dashboard/main.js", "dashboard/style.css"): 60_000,
}
"""Bytes that a browser loads, compressed. The bell contains the client.

The limits of the bell are one per cent more than what was reached, those of the dashboard are its requirements."""


@pytest.fixture(scope="module")
def built() -> Path:
    """Return a directory that `npm run build` has written, from a copy of the sources."""
    copy = web_modules().parent  # source maps have the path from a source to a package
    for name in ("src", "dist"):
        shutil.rmtree(copy / name, ignore_errors=True)
    shutil.copy(WEB.parent / "__init__.py", copy.parent)  # has the version
    for path in (*WEB.glob("*.mjs"), *WEB.glob("tsconfig*.json")):
        shutil.copy(path, copy)
    shutil.copytree(WEB / "src", copy / "src")
    done = subprocess.run(("npm", "run", "build"), cwd=copy, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return copy / "dist"


def files_in(directory: Path) -> set[str]:
    """Return the paths of the files in a directory, relative to it."""
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_the_committed_files_equal_those_of_a_build(built: Path) -> None:
    committed = WEB / "dist"
    assert files_in(built) == files_in(committed)
    differing = [name for name in files_in(built) if (built / name).read_bytes() != (committed / name).read_bytes()]
    assert differing == [], "run `npm ci && npm run build` in gateway/web"


@pytest.mark.parametrize("names", BUDGETS, ids=" ".join)
def test_modules_are_within_their_budget(names: tuple[str, ...]) -> None:
    size = sum(len(gzip.compress((WEB / "dist" / name).read_bytes(), 9)) for name in names)
    assert size <= BUDGETS[names], f"{' and '.join(names)} have {size} bytes compressed"


@pytest.mark.parametrize("name", sorted(name for name in files_in(WEB / "dist") if name.endswith(".js")))
def test_a_module_has_its_source_map_beside_it(name: str) -> None:
    path = WEB / "dist" / name
    assert path.read_text().rstrip().endswith(f"//# sourceMappingURL={path.name}.map")
    source_map = json.loads(path.with_name(f"{path.name}.map").read_text())
    assert len(source_map["sources"]) == len(source_map["sourcesContent"]) > 0
    assert all(not source.startswith("/") for source in source_map["sources"])


TYPED_PAGE = """
import { InboxClient, type Client, type Notification } from "./dist/client.js";
import type { InboxEvents } from "./dist/inbox-bell.js";

const client: Client = new InboxClient({ apiKey: "k", userExternalId: "ada", getToken: async () => "t" });
const shown: Notification[] = [...client.inbox({ filter: { read: false } }).state.notifications];
const bell = document.querySelector("inbox-bell")!;
bell.client = client;
const clicked = ({ detail }: InboxEvents["inbox-item-click"]) => shown.push(detail.notification);
bell.addEventListener("inbox-item-click", clicked);
// @ts-expect-error There is no such filter.
client.inbox({ filter: { nothing: true } });
// @ts-expect-error There is no such theme.
bell.theme = "purple";
"""


def test_sources_and_a_page_that_uses_the_built_declarations_have_no_type_error(built: Path) -> None:
    (built.parent / "src" / "client" / "page.ts").write_text(TYPED_PAGE.replace("./dist/", "../../dist/"))
    document = built.parent / "openapi.json"
    document.write_text(json.dumps(openapi_document()))
    command, environment = ("npm", "run", "--silent", "types"), os.environ | {"OPENAPI_FILE": str(document)}
    done = subprocess.run(
        command, cwd=built.parent, env=environment, capture_output=True, text=True, timeout=110, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_lock_file_has_an_exact_version_and_a_hash_of_every_package_and_no_host() -> None:
    text = (WEB / "package-lock.json").read_text()
    assert "://" not in text
    packages = json.loads(text)["packages"]
    assert all("integrity" in package for path, package in packages.items() if path)
    exact = re.compile(r"(npm:\w+@)?\d+\.\d+\.\d+")
    assert all(exact.fullmatch(version) for version in packages[""]["devDependencies"].values())


PAGES = sorted(path.parent.name for path in (WEB / "dist").glob("*/index.html"))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_inline_script_or_style_and_uses_the_gateway_only(name: str) -> None:
    text = (WEB / "dist" / name / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)|javascript:", text, re.IGNORECASE)
    loaded = re.findall(r"<(?:script|link|img)[^>]* (?:src|href)=\"(?!data:)([^\"]*)", text)
    assert loaded
    assert all(not re.match(r"\w+:|/", address) for address in loaded)
    imported = re.findall(r'(?:^|;)import\b[^";]*"([^"]+)"', (WEB / "dist" / name / "main.js").read_text())
    assert set(imported) <= {"../../client.js", "../../inbox-bell.js"}
