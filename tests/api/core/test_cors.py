"""Preflights, and which pages may read responses."""

import httpx
import pytest

from tests.api.inbox import ORIGIN, Inbox
from tests.servers import (
    user_headers,
)

ASKED = ", ".join(
    f"x-magicbell-{name}"
    for name in ("api-key", "api-secret", "user-external-id", "user-email", "user-hmac", "client-id")
) + ", authorization, content-type, idempotency-key"  # fmt: skip


def preflight(method: str, origin: str = ORIGIN) -> dict[str, str]:
    """Return the headers of a browser's preflight."""
    return {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": ASKED}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/notifications"),
        ("POST", "/notifications/42/read"),
        ("DELETE", "/notifications/42"),
        ("GET", "/config"),
    ],
)
async def test_a_browser_may_cache_a_preflight_for_a_day(http: httpx.AsyncClient, method: str, path: str) -> None:
    response = await http.options(path, headers=preflight(method))
    headers = response.headers
    assert (response.status_code, headers["access-control-allow-origin"]) == (200, "*")
    assert headers["access-control-max-age"] == "86400"
    assert set(ASKED.split(", ")) <= set(headers["access-control-allow-headers"].lower().split(", "))
    assert method in headers["access-control-allow-methods"].split(", ")


@pytest.mark.parametrize(
    ("path", "status"), [("/notifications", 200), ("/notifications/42", 404), ("/notifications?page=x", 422)]
)
async def test_a_browser_may_read_responses_errors_and_positions(inbox: Inbox, path: str, status: int) -> None:
    response = await inbox.request("GET", path, headers={"Origin": ORIGIN})
    exposed = set(response.headers["access-control-expose-headers"].split(", "))
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (status, "*")
    assert {"Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "X-Inbox-Position"} <= exposed


async def test_a_page_may_read_the_error_that_its_credentials_are_missing(http: httpx.AsyncClient) -> None:
    response = await http.get("/config", headers={"Origin": ORIGIN})
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (401, "*")


@pytest.mark.parametrize(
    ("origin", "status", "allowed"),
    [
        (ORIGIN, 200, ORIGIN),
        ("https://other.example.com", 200, "https://other.example.com"),
        ("https://evil.example.com", 400, None),
        ("http://app.example.com", 400, None),
        ("null", 400, None),
    ],
)
def test_a_preflight_succeeds_for_allowed_origins_only(
    strict: httpx.Client, origin: str, status: int, allowed: str | None
) -> None:
    response = strict.options("/notifications", headers=preflight("GET", origin))
    assert (response.status_code, response.headers.get("access-control-allow-origin")) == (status, allowed)


@pytest.mark.parametrize(
    ("origin", "status", "allowed"), [(ORIGIN, 200, ORIGIN), ("https://evil.example.com", 403, None)]
)
def test_only_pages_of_allowed_origins_are_served_and_may_read_responses(
    strict: httpx.Client, origin: str, status: int, allowed: str | None
) -> None:
    response = strict.get("/notifications", headers=user_headers("ada") | {"Origin": origin})
    assert (response.status_code, response.headers.get("access-control-allow-origin")) == (status, allowed)
    assert "Origin" in response.headers["vary"]


@pytest.mark.parametrize("origin", [None, ORIGIN, "https://evil.example.com", "null"])
def test_pages_of_every_origin_may_load_scripts_whatever_the_api_allows(
    strict: httpx.Client, origin: str | None
) -> None:
    # A cache keeps the headers with the file, so a request without an origin gets them too.
    response = strict.get("/client.js", headers={"Origin": origin} if origin else {})
    assert response.headers.get_list("access-control-allow-origin") == ["*"]
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    assert response.headers.get_list("vary") == ["Accept-Encoding"]
