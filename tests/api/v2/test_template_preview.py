"""Previews of templates: of those in the request and of the saved ones, for samples and for real notifications."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.inbox import messages
from tests.servers import ADMIN, Gateway, user_headers

PATH = "/v2/integrations/templates"


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=30, headers=ADMIN) as client:
        yield client


def preview(client: httpx.Client, **body: Any) -> dict[str, Any]:
    response = client.post(f"{PATH}/preview", json=body)
    assert response.status_code == 200, response.text
    shown: dict[str, Any] = response.json()
    return shown


def test_templates_of_the_request_are_tried_with_samples(client: httpx.Client) -> None:
    texts = {"title": "{{ notification.title }}!", "content": "Hi {{ recipient.name }}\n{{ notification.topic }}"}
    shown = preview(client, channel="email", templates=texts, notification={"title": "Shipped"})
    assert shown == {
        "channel": "email",
        "title": "Shipped!",
        "content": "Hi Ada Lovelace<br>\n",
        "action_url": "https://example.com",
        "subject": "Shipped!",
        "used": ["email.title", "email.content"],
        "faults": [],
        "missing": [{"field": "email.content", "variable": "line 2: notification.topic"}],
    }
    assert preview(client, channel="sms", templates={})["subject"] is None


def test_faults_are_refused_when_they_are_found_in_the_text_and_shown_when_a_value_causes_them(
    client: httpx.Client,
) -> None:
    refused = client.post(f"{PATH}/preview", json={"channel": "sms", "templates": {"title": "\n{{ project.nam }}"}})
    assert refused.status_code == 422
    assert messages(refused) == [
        "Param 'templates.title' is not a template: line 2: 'project.nam' is not known; do you mean 'project.name'?"
    ]
    refused = client.post(f"{PATH}/preview", json={"channel": "sms", "templates": {"subject": "x"}})
    assert messages(refused) == [
        "Param 'templates.subject' is not known; there are title, content, action_url, categories"
    ]
    shown = preview(client, channel="sms", templates={"title": "{{ 1 | divided_by: 0 }}"})
    (fault,) = shown["faults"]
    assert fault["field"] == "sms.title"
    assert fault["message"].startswith("line 1: {{ 1 | divided_by: 0 }}: ")
    assert shown["title"] == "A sample notification"


def test_saved_templates_are_shown_with_a_real_user_and_notification(client: httpx.Client) -> None:
    name = f"eve-{uuid4()}"
    client.post("/v2/users", json={"external_id": name, "first_name": "Eve", "custom_attributes": {"plan": "pro"}})
    sent = {"title": "Paid", "category": "orders", "custom_attributes": {"sum": "7 €"}, "content": "<b>7</b>"}
    body = {"notification": {**sent, "recipients": [{"external_id": name}]}}
    notification_id = client.post("/notifications", json=body).json()["notification"]["id"]
    config = {
        "sms": {
            "title": "{{ recipient.first_name }}/{{ recipient.custom_attributes.plan }}",
            "categories": {
                "orders": {"content": "{{ notification.custom_attributes.sum }} {{ notification.content }}"}
            },
        }
    }
    assert client.put(PATH, json=config).status_code == 200
    user = f"external_id:{name}"
    shown = preview(client, channel="sms", user=user, notification_id=notification_id)
    assert (shown["title"], shown["content"]) == ("Eve/pro", "7 € <b>7</b>")
    assert shown["used"] == ["sms.title", "sms.categories.orders.content"]
    assert preview(client, channel="sms", user=user)["content"] == "This is its content."

    own = {"channel": "sms", "text": "mine: {{ notification.title }}"}
    assert client.post(f"{PATH}/installations", json=own, headers=user_headers(name)).status_code == 201
    shown = preview(client, channel="sms", user=user, notification_id=notification_id)
    assert (shown["content"], shown["used"][1]) == ("mine: Paid", "the user's installation")


def test_what_does_not_exist_is_named(client: httpx.Client) -> None:
    unknown = str(uuid4())
    client.post("/v2/users", json={"external_id": "eve"})
    for body, status in (
        ({"notification_id": unknown}, 422),
        ({"notification_id": unknown, "user": "external_id:eve"}, 404),
        ({"notification_id": "x", "user": "external_id:eve"}, 404),
        ({"user": f"external_id:{unknown}"}, 404),
        ({"channel": "in_app"}, 422),
    ):
        assert client.post(f"{PATH}/preview", json={"channel": "sms", **body}).status_code == status
