"""A gateway below a path of a proxy: pages, addresses in responses, redirects, live connections."""

import json
from collections.abc import Iterator
from itertools import islice
from urllib.parse import urljoin

import httpx
import pytest
from playwright.sync_api import Browser, expect
from websockets.sync.client import connect

from gateway import __version__
from tests.browser.chromium import CHROMIUM, running_chromium
from tests.end_to_end.demo_page import Demo, running_demo
from tests.servers import ADMIN, Gateway, running_gateway, user_headers
from tests.subpath import PREFIX, running_subpath_proxy

FORWARDED = {
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https, http",
    "X-Forwarded-Host": "shop.example.com",
    "X-Forwarded-Prefix": PREFIX,
}
PUBLIC = f"https://shop.example.com{PREFIX}"


@pytest.fixture(scope="module", params=["forwarded", "configured", "configured-path-kept"])
def below(
    request: pytest.FixtureRequest, gateway: Gateway, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """Yield a client of a gateway below a path, which is named by the proxy's headers or by INBOX_PUBLIC_URL."""
    if request.param == "forwarded":
        with running_subpath_proxy(gateway.port, FORWARDED) as port, client(port) as http:
            yield http
        return
    # No proxy is trusted here, so that the headers are ignored.
    settings = {"INBOX_PUBLIC_URL": PUBLIC + "/", "INBOX_TRUSTED_PROXIES": "none"}
    with running_gateway(tmp_path_factory.mktemp("public") / "data", **settings) as started:
        false_headers = FORWARDED | {
            "X-Forwarded-Host": "evil.example",
            "X-Forwarded-Prefix": "/evil",
            "X-Request-Id": "evil",
        }
        kept = request.param == "configured-path-kept"
        with running_subpath_proxy(started.port, false_headers, keep_path=kept) as port, client(port) as http:
            yield http


def client(port: int) -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{port}{PREFIX}", timeout=10)


def test_config_returns_the_public_addresses(below: httpx.Client) -> None:
    response = below.get("/config", headers=user_headers("ada"))
    live = response.json()["realtime"]
    assert live["websocket_url"] == f"wss://shop.example.com{PREFIX}/realtime/ws"
    assert (live["sse_url"], live["events_url"]) == (f"{PUBLIC}/realtime/sse", f"{PUBLIC}/realtime/events")
    assert response.headers["cache-control"] == "no-store"


def test_links_in_responses_are_below_the_path(below: httpx.Client) -> None:
    for _ in range(2):
        below.post("/v2/jwt/user", headers=ADMIN, json={"external_id": "linked"}).raise_for_status()
    response = below.get("/v2/jwt/user/external_id:linked?page[size]=1", headers=ADMIN).json()
    following = httpx.get(urljoin(str(below.base_url), response["links"]["next"]), headers=ADMIN)
    assert following.status_code == 200
    assert following.json()["data"][0] != response["data"][0]


@pytest.mark.parametrize(("path", "to"), [("/", "/docs"), ("/docs/", "/docs"), ("/docs//", "/docs")])
def test_redirects_stay_below_the_path(below: httpx.Client, path: str, to: str) -> None:
    response = below.get(path)
    assert response.status_code == 307
    response = httpx.get(urljoin(str(response.url), response.headers["location"]))
    assert (response.status_code, str(response.url)) == (200, f"{str(below.base_url).rstrip('/')}{to}")
    assert "<!doctype html>" in response.text.lower()


def test_the_openapi_document_names_the_path(below: httpx.Client) -> None:
    assert below.get("/openapi.json").json()["servers"] == [{"url": PREFIX}]


@pytest.mark.parametrize(
    "path",
    [
        *("/client.js", f"/inbox-bell@{__version__}.js", f"/inbox-assets/{__version__}/panel.js"),
        *("/web/docs/main.js", "/push-worker.js"),
    ],
)
def test_files_are_served_below_the_path(below: httpx.Client, path: str) -> None:
    response = below.get(path)
    assert (response.status_code, bool(response.headers["etag"])) == (200, True)


def test_live_connections_open_below_the_path(below: httpx.Client) -> None:
    address = f"{below.base_url}realtime/"
    with connect(f"{address.replace('http', 'ws', 1)}ws", additional_headers=user_headers("ada")) as socket:
        assert json.loads(socket.recv(5))["type"] == "ready"
    with httpx.stream("GET", f"{address}sse", headers=user_headers("ada"), timeout=30) as stream:
        assert stream.status_code == 200
        assert "event: ready" in islice(stream.iter_lines(), 2)


def test_a_host_header_without_a_proxy_is_not_used_in_addresses(gateway: Gateway, below: httpx.Client) -> None:
    for host in ("evil.example/x", "a@b", "<script>"):
        response = httpx.get(f"{gateway.url}/config", headers=user_headers("ada") | {"Host": host})
        assert response.status_code == 400 or host not in response.text


# ---- in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("chromium is not installed: `apt-get install chromium`")
    with running_chromium() as started:
        yield started


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(tmp_path_factory.mktemp("demo") / "data") as started:
        yield started


def test_the_demo_page_works_below_a_path(browser: Browser, demo: Demo) -> None:
    with running_subpath_proxy(demo.gateway.port) as port, browser.new_context() as context:
        page = context.new_page()
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.goto(f"http://127.0.0.1:{port}{PREFIX}/demo/protocol")
        expect(page.locator('.panel[data-state="live"]')).to_have_count(4)
        page.locator('#send [name="title"]').fill("Below a path")
        page.get_by_role("button", name="Send", exact=True).click()
        expect(page.locator(".item h4", has_text="Below a path")).to_have_count(4)
        assert problems == []


def test_the_api_page_works_below_a_path(browser: Browser, demo: Demo) -> None:
    with running_subpath_proxy(demo.gateway.port) as port, browser.new_context() as context:
        page = context.new_page()
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.goto(f"http://127.0.0.1:{port}{PREFIX}/docs#post_notifications")
        expect(page.locator("#post_notifications pre").first).to_contain_text(
            f'"http://127.0.0.1:{port}{PREFIX}/notifications"'
        )
        assert problems == []
