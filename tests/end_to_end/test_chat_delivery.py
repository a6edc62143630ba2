"""A browser, two chats and a phone: what is accepted over REST arrives there, by a delivery process of the gateway."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from gateway.channels import slack, twilio
from tests.servers import ADMIN, running_gateway, user_headers
from tests.stubs.slack import SlackStub
from tests.stubs.teams import TeamsStub
from tests.stubs.twilio import TwilioStub
from tests.stubs.web_push import WebPushStub

SECONDS = 30
SMS = twilio.INTEGRATION.example
ADA = user_headers("ada")


async def eventually(found: Callable[[], Any], what: str) -> Any:
    """Wait until a function returns something true, and return it."""
    async with asyncio.timeout(SECONDS):
        while not (value := found()):
            await asyncio.sleep(0.02)
    return value


async def put(client: httpx.AsyncClient, path: str, body: Any, headers: dict[str, str]) -> Any:
    response = await client.put(path, json=body, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


async def set_up(client: httpx.AsyncClient, push: WebPushStub, slack_url: str, teams_url: str) -> None:
    """Configure the project, and register what a user has."""
    await put(client, "/v2/integrations/twilio", SMS, ADMIN)
    await put(client, "/v2/integrations/slack", slack.INTEGRATION.example, ADMIN)
    started = await client.post("/v2/integrations/web_push/installations/start", headers=ADA)
    assert started.status_code == 201, started.text
    user = {"external_id": "ada", "phone_numbers": ["+15005550009", "+15005550010"]}
    assert (await client.post("/v2/users", json=user, headers=ADMIN)).status_code == 201
    await put(client, "/v2/channels/web_push/tokens", push.subscription, ADA)
    await put(client, "/v2/channels/teams/tokens", {"webhook": {"url": teams_url}}, ADA)
    await put(client, "/v2/channels/slack/tokens", {"webhook": {"url": slack_url}}, ADA)
    # The token has expired, so that it is renewed before the first message.
    installation = {**slack.INSTALLATION.example, "access_token": "xoxb-0", "refresh_token": "xoxe-1"}
    saved = await put(client, "/v2/integrations/slack/installations", installation, ADA)
    token = {"oauth": {"channel_id": "C1", "installation_id": saved["id"]}}
    await put(client, "/v2/channels/slack/tokens", token, ADA)


async def sent(client: httpx.AsyncClient, title: str) -> str:
    """Send a notification to the user, and return its id."""
    notification = {"title": title, "content": "<b>Hello</b>", "recipients": [{"external_id": "ada"}]}
    response = await client.post("/notifications", json={"notification": notification}, headers=ADMIN)
    assert response.status_code == 201, response.text
    return str(response.json()["notification"]["id"])


async def traced(client: httpx.AsyncClient, notification_id: str, word: str) -> str:
    """Wait until the trace of a notification has a word, and return its verdict."""
    async with asyncio.timeout(SECONDS):
        while True:
            path = f"/v2/users/external_id:ada/notifications/{notification_id}/trace"
            response = await client.get(path, headers=ADMIN)
            if word in response.text:
                return str(response.json()["verdict"])
            await asyncio.sleep(0.05)


async def test_a_notification_reaches_a_browser_two_chats_and_a_phone_once(tmp_path: Path) -> None:
    async with (
        WebPushStub() as push,
        SlackStub() as slack_stub,
        TeamsStub() as teams,
        TwilioStub(SMS["account_sid"], SMS["api_key"], SMS["api_secret"]) as phones,
    ):
        slack_stub.token = "xoxb-1"
        phones.errors["+15005550010"] = (21610, 400)
        environment = {
            "INBOX_DELIVERY_WORKERS": "1",
            "INBOX_OUTBOUND_ALLOWED_NETWORKS": "127.0.0.1/32",
            "INBOX_PROVIDER_URLS": f"slack={slack_stub.url},twilio={phones.url}",
        }
        with running_gateway(tmp_path / "data", **environment) as gateway:
            async with httpx.AsyncClient(base_url=gateway.url, timeout=20) as client:
                await set_up(client, push, f"{slack_stub.url}/services/T0/B0/x", f"{teams.url}/workflows/a")
                first = await sent(client, "Number 0")
                await traced(client, first, "21610: the recipient has sent STOP")
                phones.results[f"SM{1:032x}"]["status"] = "delivered"
                await sent(client, "Number 1")
                await eventually(lambda: len(push.received) == 2, "the browser")
                await eventually(lambda: len(slack_stub.messages) == 4, "Slack")
                await eventually(lambda: len(teams.cards) == 2, "Teams")
                await eventually(lambda: len(phones.messages) == 2, "the phone")
                verdict = await traced(client, first, "An SMS was accepted by Twilio")
        for part in ("accepted by the browser's push service", "accepted by Slack", "accepted by Teams"):
            assert part in verdict
        shown = [json.loads(text)["notification"] for text in push.received]
        assert sorted((each["title"], each["body"]) for each in shown) == [("Number 0", "Hello"), ("Number 1", "Hello")]
        assert sorted(channel for channel, _ in slack_stub.messages) == ["/services/T0/B0/x"] * 2 + ["C1"] * 2
        assert [request.path for request in slack_stub.requests].count("/api/oauth.v2.access") == 1
        stopped = [request for request in phones.requests if b"5550010" in request.body]
        assert len(stopped) == 1, "nothing more is sent after STOP"
        for secret in ("xoxb-", "xoxe-", "services/T0", "5550009", SMS["api_secret"]):
            assert secret not in gateway.log
