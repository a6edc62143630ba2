"""`GET /config`: how an inbox widget connects."""

from typing import Any

import httpx
import pytest

from gateway.channels import smtp, teams
from gateway.domain.preferences import Channel
from tests.api.inbox import Inbox
from tests.api.projects import API_KEY_HEADER, command, project_of
from tests.servers import Gateway


def enabled(gateway: Gateway, headers: dict[str, str]) -> set[str]:
    """Return the channels that are enabled for a user."""
    channels = httpx.get(f"{gateway.url}/config", headers=headers, timeout=30).json()["channels"]
    return {name for name, channel in channels.items() if channel["enabled"]}


async def test_the_response_has_the_fields_of_v1_and_the_live_addresses(inbox: Inbox) -> None:
    config = await inbox.get("/config")
    base = str(inbox.http.base_url).rstrip("/")
    assert config["ws"]["auth_url"] == "/ws/auth"
    assert config["inbox"]["features"] == {}
    assert config["channels"].keys() == {channel.value for channel in Channel} - {"in_app"}
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


def test_a_channel_is_enabled_when_the_project_or_the_user_has_set_it_up(gateway: Gateway) -> None:
    project = project_of(command(gateway, "project", "create", "channels", "--no-hmac"))
    ada, bob = ({API_KEY_HEADER: project.api_key, "X-MAGICBELL-USER-EXTERNAL-ID": name} for name in ("ada", "bob"))
    assert enabled(gateway, ada) == set()

    def post(path: str, headers: dict[str, str], body: Any) -> None:
        httpx.post(gateway.url + path, headers=headers, json=body, timeout=30).raise_for_status()

    post("/v2/integrations/web_push/installations/start", ada, None)  # makes the key pair
    assert enabled(gateway, ada) == enabled(gateway, bob) == {"web_push"}
    post("/v2/channels/teams/tokens", ada, teams.TOKEN.example)
    assert enabled(gateway, ada) == {"web_push", "teams"}
    assert enabled(gateway, bob) == {"web_push"}
    smtp_url = f"{gateway.url}/v2/integrations/smtp"
    httpx.put(smtp_url, headers=project.admin, json=smtp.INTEGRATION.example, timeout=30).raise_for_status()
    assert enabled(gateway, bob) == {"web_push", "email"}
