"""The OpenAPI document as the gateway serves it."""

import httpx
import pytest


@pytest.mark.parametrize(("prefix", "server"), [("/inbox", "/inbox"), ("", "/")])
async def test_the_server_of_the_document_is_below_the_prefix_of_a_proxy(
    http: httpx.AsyncClient, prefix: str, server: str
) -> None:
    response = await http.get("/openapi.json", headers={"X-Forwarded-Prefix": prefix} if prefix else {})
    assert response.json()["servers"] == [{"url": server}]
    assert response.headers["cache-control"] == "no-cache"
