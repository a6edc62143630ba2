"""From a request of a backend to a provider: a real gateway with its process that delivers, and stubs of providers."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.servers import ADMIN, Gateway, running_gateway, user_headers, wait_for
from tests.stubs.in_thread import in_thread
from tests.stubs.mail_services import SendgridStub
from tests.stubs.twilio import TwilioStub

TWILIO = {
    "account_sid": "AC00000000000000000000000000000000",
    "api_key": "SK00000000000000000000000000000000",
    "api_secret": "an-example-of-a-secret-of-twilio",
    "from": "+15005550006",
}


class Providers:
    """A gateway whose providers are stubs, and a client of it."""

    def __init__(self, gateway: Gateway, mail: SendgridStub, sms: TwilioStub, client: httpx.Client):
        self.gateway = gateway
        self.mail = mail
        self.sms = sms
        self._client = client

    def put(self, integration: str, config: Any) -> None:
        response = self._client.put(f"/v2/integrations/{integration}", headers=ADMIN, json=config)
        assert response.status_code == 200, response.text

    def configure(self, *channels: dict[str, Any]) -> str:
        """Save a delivery config with these channels, and return its category."""
        category = f"c{uuid4().hex}"
        body = {"key": category, "channels": list(channels)}
        response = self._client.put("/v2/channels/deliveryconfig", headers=ADMIN, json=body)
        assert response.status_code == 200, response.text
        return category

    def send(self, name: str, **fields: Any) -> str:
        """Send a notification to one user, who has a mail address and a phone number, and return its id."""
        user = {"external_id": name, "email": address(name), "phone_numbers": [number(name)]}
        body = {"notification": {"title": f"For {name}", "recipients": [user], **fields}}
        response = self._client.post("/notifications", headers=ADMIN, json=body)
        assert response.status_code == 201, response.text
        return str(response.json()["notification"]["id"])

    def mark(self, name: str, notification: str, action: str) -> None:
        response = self._client.post(f"/notifications/{notification}/{action}", headers=user_headers(name))
        assert response.status_code == 204, response.text

    def mails(self, name: str) -> list[dict[str, Any]]:
        return [mail for mail in self.mail.mails if address(name) in str(mail["personalizations"])]

    def texts(self, name: str) -> list[dict[str, str]]:
        return [message for message in self.sms.messages if message["To"] == number(name)]

    def events(self, kind: str, **context: Any) -> list[dict[str, Any]]:
        """Return the contexts of the project's events of a type, those that have these values."""
        response = self._client.get("/v2/events", headers=ADMIN, params={"type": kind, "page[size]": 100})
        assert response.status_code == 200, response.text
        found = [event["context"] for event in response.json()["data"]]
        return [each for each in found if context.items() <= each.items()]

    def ended(self, notification: str, channel: str) -> dict[str, Any]:
        """Wait until a delivery has ended, and return its event."""
        kind, names = "delivery.ended", {"notification_id": notification, "channel": channel}
        (found,) = wait_for(lambda: self.events(kind, **names), f"the {channel} to end", 60)
        return dict(found)


def address(name: str) -> str:
    return f"{name}@example.com"


def number(name: str) -> str:
    return f"+1{int(name.removeprefix('u')) % 10**10:010}"


@pytest.fixture(scope="module")
def providers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Providers]:
    stubs = SendgridStub(), TwilioStub(TWILIO["account_sid"], TWILIO["api_key"], TWILIO["api_secret"])
    directory: Path = tmp_path_factory.mktemp("d")
    with in_thread(stubs[0]) as mail, in_thread(stubs[1]) as sms:
        urls = f"sendgrid={mail.url},twilio={sms.url}"
        with (
            running_gateway(directory / "data", INBOX_DELIVERY_WORKERS="1", INBOX_PROVIDER_URLS=urls) as gateway,
            httpx.Client(base_url=gateway.url, timeout=30) as client,
        ):
            found = Providers(gateway, mail, sms, client)
            found.put("sendgrid", {"api_key": mail.key, "from": {"email": "shop@example.com"}})
            found.put("twilio", TWILIO)
            wait_for(lambda: '"delivery_ready"' in gateway.log, "the process that delivers", 30)
            yield found
            secrets = (mail.key, TWILIO["api_secret"], "@example.com", "+1")
            assert not [secret for secret in secrets if secret in gateway.log]


@pytest.fixture
def name() -> str:
    """Return the external id of a user of this test, which is a number too."""
    return f"u{uuid4().int % 10**10:010}"


def test_a_notification_reaches_every_channel_that_is_configured_within_a_moment(
    providers: Providers, name: str
) -> None:
    overrides = {"channels": {"sms": {"title": "Short", "content": "for a phone"}}}
    notification = providers.send(name, content="<p>Hello <b>you</b></p>", overrides=overrides)
    wait_for(lambda: providers.mails(name) and providers.texts(name), "both", 60)
    (mail,), (text,) = providers.mails(name), providers.texts(name)
    assert mail["personalizations"][0]["subject" if "subject" in mail["personalizations"][0] else "to"]
    assert f"For {name}" in str(mail)
    assert "for a phone" in text["Body"]
    assert "Hello" not in text["Body"]
    assert providers.ended(notification, "email")["state"] == "delivered"


def test_a_mail_that_is_delayed_is_not_sent_once_the_notification_was_read(providers: Providers, name: str) -> None:
    category = providers.configure({"channel": "in_app"}, {"channel": "email", "delay": 2})
    read, unread = (providers.send(name, category=category, title=title) for title in ("read", "unread"))
    providers.mark(name, read, "read")
    skipped, delivered = providers.ended(read, "email"), providers.ended(unread, "email")
    assert (skipped["state"], skipped["reason"]) == ("skipped", "read")
    assert delivered["state"] == "delivered"
    (mail,) = providers.mails(name)
    assert "unread" in str(mail)
    assert providers.texts(name) == []  # the config does not list it


def test_a_wrong_key_parks_the_mails_and_the_right_one_sends_them(providers: Providers, name: str) -> None:
    category = providers.configure({"channel": "email"}, {"channel": "sms"})
    providers.put("sendgrid", {"api_key": "SG.wrong", "from": {"email": "shop@example.com"}})
    try:
        notification = providers.send(name, category=category)
        (parked,) = wait_for(lambda: providers.events("delivery.parked", provider="sendgrid"), "the event", 30)
        assert parked["channel"] == "email"
        assert "PUT /v2/integrations/sendgrid" in parked["remedy"]
        wait_for(lambda: providers.texts(name), "the other channel", 30)
        assert providers.mails(name) == []
    finally:
        providers.put("sendgrid", {"api_key": providers.mail.key, "from": {"email": "shop@example.com"}})
    assert providers.ended(notification, "email")["state"] == "delivered"
    assert len(providers.mails(name)) == 1


def test_a_user_who_switched_the_channel_off_does_not_get_it(providers: Providers, name: str) -> None:
    category = providers.configure({"channel": "email"}, {"channel": "sms"})
    body = {"categories": [{"key": category, "channels": [{"name": "email", "enabled": False}]}]}
    with httpx.Client(base_url=providers.gateway.url, timeout=30) as client:
        response = client.put("/v2/channels/user_preferences", headers=user_headers(name), json=body)
        assert response.status_code == 200
    providers.send(name, category=category)
    wait_for(lambda: providers.texts(name), "the other channel", 30)
    assert providers.mails(name) == []


def test_a_text_message_without_an_answer_is_not_sent_twice(providers: Providers, name: str) -> None:
    category = providers.configure({"channel": "sms"})
    providers.sms.faults.append(None)  # the connection is cut after the request
    before = len(providers.sms.requests)
    notification = providers.send(name, category=category)
    ended = providers.ended(notification, "sms")
    assert ended["state"] == "unknown"
    assert len(providers.sms.requests) == before + 1


def test_redis_dies_and_what_was_accepted_is_delivered(providers: Providers, name: str) -> None:
    category = providers.configure({"channel": "email", "delay": 1})
    notification = providers.send(name, category=category)
    providers.gateway.restart_valkey(signal.SIGTERM)  # it writes its data to disk
    assert providers.ended(notification, "email")["state"] == "delivered"
    assert len(providers.mails(name)) == 1


def test_a_process_that_dies_is_replaced(providers: Providers, name: str) -> None:
    (killed,) = providers.gateway.children("deliver")
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: killed not in providers.gateway.children("deliver"), "the end of the process", 10)
    notification = providers.send(name, category=providers.configure({"channel": "email"}))
    assert providers.ended(notification, "email")["state"] == "delivered"
    assert '"delivery_worker_ended"' in providers.gateway.log


def test_metrics_of_deliveries_are_those_of_the_gateway(providers: Providers, name: str) -> None:
    notification = providers.send(name, category=providers.configure({"channel": "email"}))
    providers.ended(notification, "email")

    def counted() -> bool:
        text = httpx.get(f"{providers.gateway.url}/metrics", timeout=30).text
        return 'inbox_deliveries_total{channel="email",outcome="delivered",provider="sendgrid"}' in text

    wait_for(counted, "the metrics", 10)
