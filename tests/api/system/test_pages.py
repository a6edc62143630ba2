"""Headers that restrict what browsers and caches do with a response."""

import httpx
import pytest

from tests.api.tokens import bearer
from tests.api.workspaces import workspace_token
from tests.servers import ADMIN, Gateway, user_headers

PAGES = ("/demo", "/docs")


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_allows_its_own_scripts_only_and_cannot_be_framed(http: httpx.AsyncClient, path: str) -> None:
    headers = (await http.get(path)).headers
    policy = dict(rule.strip().split(" ", 1) for rule in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe-inline" not in headers["content-security-policy"]
    assert policy["script-src"].startswith("'self' 'sha256-")
    assert (headers["x-frame-options"], headers["referrer-policy"]) == ("DENY", "no-referrer")


@pytest.mark.parametrize(
    "path", [*PAGES, "/client.js", "/openapi.json", "/healthz", "/metrics", "/nowhere", "/config", "/realtime/sse"]
)
async def test_browsers_must_not_guess_the_type_of_a_response(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path)).headers.get_list("x-content-type-options") == ["nosniff"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", "/notifications"), ("GET", "/notifications/x"), ("GET", "/config"), ("GET", "/realtime/events")),
        *(("GET", "/v2/jwt/project"), ("POST", "/v2/jwt/project"), ("POST", "/users"), ("GET", "/active_users")),
        *(("GET", "/workspaces/default/projects"), ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics")),
    ],
)
@pytest.mark.parametrize("with_credentials", [True, False])
def test_no_cache_keeps_inboxes_secrets_or_probes(
    gateway: Gateway, method: str, path: str, with_credentials: bool
) -> None:
    headers = ADMIN | user_headers("ada") if with_credentials else {}
    if with_credentials and path.startswith("/workspaces"):
        headers = bearer(workspace_token(gateway))
    response = httpx.request(method, f"{gateway.url}{path}", headers=headers)
    assert response.headers.get_list("cache-control") == ["no-store"]


@pytest.mark.parametrize("path", [*PAGES, "/client.js", "/openapi.json"])
async def test_a_file_is_revalidated_before_it_is_used_from_a_cache(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path)).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("path", "media_type", "holds"),
    [
        ("/demo", "text/html; charset=utf-8", "<!doctype html>"),
        ("/client.js", "text/javascript; charset=utf-8", "export"),
    ],
)
async def test_the_demo_page_and_its_client_are_served(
    http: httpx.AsyncClient, path: str, media_type: str, holds: str
) -> None:
    response = await http.get(path)
    assert (response.status_code, response.headers["content-type"]) == (200, media_type)
    assert holds in response.text.lower()


async def test_the_root_redirects_to_the_demo_page(http: httpx.AsyncClient) -> None:
    response = await http.get("/")
    assert (response.status_code, response.headers["location"]) == (307, "/demo")
