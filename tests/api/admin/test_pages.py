"""The page of the dashboard, at every address below `/admin`."""

import re
from urllib.parse import urljoin

import httpx
import pytest

from tests.servers import Gateway


@pytest.mark.parametrize("path", ["/admin", "/admin/", "/admin/login", "/admin/projects/5/users", "/admin/projects/5/"])
def test_every_route_has_the_page_whose_links_begin_at_the_dashboard(gateway: Gateway, path: str) -> None:
    page = httpx.get(gateway.url + path)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    base = re.search(r'<base href="([./a-z]*)">', page.text)
    assert base is not None
    for prefix in ("", "/behind/a/proxy"):
        assert urljoin(f"http://host{prefix}{path}", base[1]) == f"http://host{prefix}/admin/"
    main = re.search(r'src="(files/main\.js)"', page.text)
    assert main is not None
    assert httpx.get(f"{gateway.url}/admin/{main[1]}").headers["content-type"].startswith("text/javascript")
    policy = page.headers["content-security-policy"]
    for rule in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'self'"):
        assert rule in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in policy
    assert page.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("path", ["/api/none", "/api", "/files", "/files/none.js", "/files/index.html", "/a" * 30])
def test_what_is_no_route_of_the_page_is_not_found(gateway: Gateway, path: str) -> None:
    assert httpx.get(f"{gateway.url}/admin{path}").status_code == 404
