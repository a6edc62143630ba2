"""Previews of drafts: every channel, with overrides, templates, brand and cuts as when it is sent."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.inbox import messages
from tests.api.projects import command, project_of
from tests.servers import Gateway


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    project = project_of(command(gateway, "project", "create", "Previews"))
    with httpx.Client(base_url=gateway.url, timeout=30, headers=project.admin) as client:
        yield client


def preview(client: httpx.Client, **body: Any) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return a preview, and its channels by name."""
    response = client.post("/v2/previews", json=body)
    assert response.status_code == 200, response.text
    shown: dict[str, Any] = response.json()
    return shown, {channel["channel"]: channel for channel in shown["channels"]}


def test_a_draft_is_shown_on_every_channel_and_as_a_mail_before_anything_is_configured(client: httpx.Client) -> None:
    shown, channels = preview(client, title="Shipped", content="<b>Friday</b>", action_url="https://example.com/7")
    assert list(channels) == ["in_app", "mobile_push", "web_push", "email", "slack", "sms", "teams"]
    assert [channel["configured"] for channel in channels.values()] == [True, *[False] * 6]
    assert channels["in_app"]["content"] == "<b>Friday</b>"
    assert channels["sms"] == {
        "channel": "sms",
        "configured": False,
        "title": "",
        "content": "Shipped\nFriday\nhttps://example.com/7",
        "action_url": "https://example.com/7",
        "cut": False,
        "segments": 1,
        "faults": [],
    }
    assert shown["category_known"] is None
    mail = shown["email"]
    assert mail["sender"].endswith("<notifications@example.com>")
    assert (mail["subject"], mail["text"].split("\n")[0]) == ("Shipped", "Shipped")
    assert "<b>Friday</b>" in mail["html"]
    assert "https://example.com/unsubscribe" in mail["html"]
    assert preview(client)[1]["in_app"]["title"] == ""


def test_overrides_templates_and_the_brand_apply(client: httpx.Client) -> None:
    name = f"eve-{uuid4()}"
    client.post("/v2/users", json={"external_id": name, "email": f"{name}@example.com", "first_name": "Eve"})
    sender = {"name": "Shop", "email": "mail@shop.example.com"}
    smtp = {
        "host": "mail.example.com",
        "port": 587,
        "username": "u",
        "password": "p",
        "security": "starttls",
        "from": sender,
    }
    for integration, config in (
        ("smtp", smtp),
        ("inbox", {"brand": {"name": "The Shop", "color": "#ff0000"}, "images": None, "locale": None, "theme": None}),
        ("templates", {"email": {"subject": "{{ recipient.first_name }}: {{ notification.title }}"}}),
    ):
        saved = client.put(f"/v2/integrations/{integration}", json=config)
        assert saved.status_code == 200, saved.text
    own = {"channels": {"sms": {"content": "Short"}, "email": {"title": "Mailed"}}}
    shown, channels = preview(
        client, title="T", content="C", category="parcels", overrides=own, user=f"external_id:{name}"
    )
    assert (shown["brand"], shown["category_known"]) == ("The Shop", False)
    assert channels["sms"]["content"] == "T\nShort"
    assert shown["email"]["subject"] == "Eve: Mailed"
    assert shown["email"]["sender"] == "Shop <mail@shop.example.com>"
    assert "The Shop" in shown["email"]["html"]
    assert channels["email"]["configured"]

    client.post(
        "/notifications",
        json={"notification": {"title": "x", "category": "parcels", "recipients": [{"external_id": name}]}},
    )
    client.put("/v2/integrations/templates", json={"email": {"title": "{{ 1 | divided_by: 0 }}"}})
    shown, channels = preview(client, title="T", category="parcels")
    assert shown["category_known"]
    assert channels["email"]["faults"][0].startswith("email.title: line 1")


def test_what_is_wrong_is_named(client: httpx.Client) -> None:
    refused = client.post("/v2/previews", json={"title": "a" * 256})
    assert refused.status_code == 422
    assert "Param 'title'" in messages(refused)[0]
    assert client.post("/v2/previews", json={"user": f"external_id:{uuid4()}"}).status_code == 404
