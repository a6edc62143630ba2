"""Headers that restrict what browsers and caches do with a response."""

import re

import httpx
import pytest

from tests.api.tokens import bearer
from tests.api.workspaces import workspace_token
from tests.servers import ADMIN, Gateway, user_headers

PAGES = ("/docs",)


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_allows_files_of_its_own_only_and_cannot_be_framed(http: httpx.AsyncClient, path: str) -> None:
    headers = (await http.get(path)).headers
    policy = dict(rule.strip().split(" ", 1) for rule in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe-inline" not in headers["content-security-policy"]
    assert policy["script-src"] == policy["style-src"] == "'self'"
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


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_and_the_files_that_it_names_are_revalidated(http: httpx.AsyncClient, path: str) -> None:
    page = await http.get(path)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    named = re.findall(r"(?:src|href)=\"(?!data:|#|https?:)([^\"]+)\"", page.text)
    for name in ("", *named):
        file = await http.get(f"/{name}" if name else path)
        assert (file.status_code, file.headers["cache-control"]) == (200, "no-cache"), name
    kinds = {name.rpartition(".")[2] for name in named}
    assert kinds >= {"js", "css"}


@pytest.mark.parametrize(
    "name", ["docs/index.html", "docs/nothing.js", "assets/x.js", "x/main.js", "docs/%2e%2e%2fclient.js", "docs/%00"]
)
async def test_a_name_that_is_no_file_of_a_page_gets_404(http: httpx.AsyncClient, name: str) -> None:
    assert (await http.get(f"/web/{name}")).status_code == 404
