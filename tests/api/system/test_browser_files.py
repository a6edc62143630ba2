"""The files that pages of every origin load, with and without a version in the address."""

import base64
import hashlib
from importlib.resources import files

import httpx
import pytest

from gateway import __version__
from gateway.api.system.static_files import StaticFiles

DIST = files("gateway") / "web" / "dist"
SCRIPTS = sorted({"client.js", "inbox-bell.js"} & set(StaticFiles()))


@pytest.mark.parametrize("name", SCRIPTS)
async def test_an_address_without_a_version_is_revalidated_and_one_with_it_is_kept_for_ever(
    http: httpx.AsyncClient, name: str
) -> None:
    newest = await http.get(f"/{name}")
    pinned = await http.get(f"/{name.removesuffix('.js')}@{__version__}.js")
    assert newest.content == pinned.content == (DIST / name).read_bytes()
    assert newest.headers["etag"] == pinned.headers["etag"]
    assert newest.headers["cache-control"] == "no-cache"
    assert pinned.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert newest.headers["content-type"] == pinned.headers["content-type"] == "text/javascript; charset=utf-8"
    source_map = await http.get(f"/{name}.map")
    assert source_map.json()["version"] == 3


@pytest.mark.parametrize(
    "path",
    [
        "/client@0.0.1.js",
        "/inbox-bell@latest.js",
        "/inbox-assets/9.9.9/html.js",
        "/client@%2e%2e.js",
        "/client@0.0.1.js/",
    ],
)
async def test_another_version_gets_404_with_the_version_that_there_is(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path)
    assert response.status_code == 404
    assert f"This gateway has version {__version__}, not " in response.json()["errors"][0]["message"]
    assert response.headers["cache-control"] == "no-store"  # it may exist tomorrow


@pytest.mark.parametrize("file", ["nothing.js", "..%2fclient.js", "%2e%2e", "client.js", "%00", "html.js%00.map"])
async def test_a_name_that_is_no_asset_gets_404(http: httpx.AsyncClient, file: str) -> None:
    response = await http.get(f"/inbox-assets/{__version__}/{file}")
    assert (response.status_code, response.headers["content-type"]) == (404, "application/json")


async def test_the_hash_of_every_pinned_script_is_the_one_that_a_browser_computes(http: httpx.AsyncClient) -> None:
    hashes = (await http.get("/integrity.json")).json()
    assert hashes["version"] == __version__
    assert set(hashes["files"]) >= {f"{name.removesuffix('.js')}@{__version__}.js" for name in SCRIPTS}
    for address, integrity in hashes["files"].items():
        content = (await http.get(f"/{address}")).content
        assert integrity == f"sha384-{base64.b64encode(hashlib.sha384(content).digest()).decode()}"


async def test_only_the_service_worker_may_control_pages_outside_its_directory(http: httpx.AsyncClient) -> None:
    paths = [
        f"/client@{__version__}.js",
        *(f"/inbox-assets/{__version__}/{name}.js" for name in ("html", "push-worker")),
    ]
    scopes = [(await http.get(path)).headers.get("service-worker-allowed") for path in paths]
    assert scopes == [None, None, "/"]
