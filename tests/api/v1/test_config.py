"""`GET /config`: how an inbox widget connects."""

import pytest

from tests.api.inbox import Inbox


async def test_the_response_has_the_fields_of_v1_and_the_live_addresses(inbox: Inbox) -> None:
    config = await inbox.get("/config")
    base = str(inbox.http.base_url).rstrip("/")
    assert config["ws"]["auth_url"] == "/ws/auth"
    assert config["inbox"]["features"] == {}
    assert config["channels"] == {"web_push": {"enabled": False}}
    assert config["realtime"] == {
        "protocol": "inbox.v1",
        "websocket_url": f"{base.replace('http', 'ws', 1)}/realtime/ws",
        "sse_url": f"{base}/realtime/sse",
        "events_url": f"{base}/realtime/events",
    }


@pytest.mark.parametrize(("scheme", "websocket"), [("https", "wss"), ("http", "ws")])
async def test_behind_a_proxy_the_addresses_are_those_of_the_proxy(inbox: Inbox, scheme: str, websocket: str) -> None:
    proxied = {"X-Forwarded-Proto": scheme, "X-Forwarded-Host": "a.example", "X-Forwarded-Prefix": "/inbox"}
    response = await inbox.request("GET", "/config", headers=proxied)
    addresses = response.json()["realtime"]
    assert addresses["websocket_url"] == f"{websocket}://a.example/inbox/realtime/ws"
    assert addresses["sse_url"] == f"{scheme}://a.example/inbox/realtime/sse"
