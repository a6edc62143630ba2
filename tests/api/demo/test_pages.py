"""The pages of the demo restrict what they load, and only the gateway's own page may frame a device."""

import httpx
import pytest

from tests.end_to_end.demo_page import Demo

PAGES = {"/demo": "'none'", "/demo/theme": "'none'", "/demo/protocol": "'none'", "/demo/device": "'self'"}


@pytest.mark.parametrize(("path", "ancestors"), PAGES.items())
def test_a_page_allows_files_of_its_own_only(demo: Demo, path: str, ancestors: str) -> None:
    response = httpx.get(f"{demo.gateway.url}{path}")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = dict(rule.strip().split(" ", 1) for rule in response.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == ancestors
    assert response.headers["x-frame-options"] == ("SAMEORIGIN" if ancestors == "'self'" else "DENY")
    assert response.headers["cross-origin-opener-policy"] == "same-origin"
    assert "form" not in response.text or 'type="password"' not in response.text


def test_the_root_leads_to_the_demo(demo: Demo) -> None:
    response = httpx.get(f"{demo.gateway.url}/")
    assert (response.status_code, response.headers["location"]) == (307, "/demo")
    response = httpx.get(f"{demo.gateway.url}/demo//")
    assert (response.status_code, response.headers["location"]) == (307, "/demo")
