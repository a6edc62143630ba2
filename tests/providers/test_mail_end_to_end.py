"""From a request to a mailbox: a gateway, its process that delivers, and a real Postfix."""

import email
import os
import time
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from email.policy import default
from typing import Any

import httpx
import pytest

from tests.providers.postfix import POSTFIX, Postfix, running_postfix
from tests.servers import ADMIN, Gateway, running_gateway, user_headers

SECONDS = 30
PUBLIC_URL = "https://inbox.example.com"


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    if not POSTFIX or os.geteuid() != 0:
        pytest.skip("postfix is not installed, or this is not root: `apt-get install postfix`")
    with running_postfix() as started:
        yield started


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, postfix: Postfix) -> Iterator[Gateway]:
    """Yield a gateway that sends through Postfix."""
    settings = {
        "INBOX_OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8",
        "INBOX_PROVIDER_CA_FILE": str(postfix.certificates.authority),
        "INBOX_PUBLIC_URL": PUBLIC_URL,
        "INBOX_DELIVERY_WORKERS": "1",
    }
    with running_gateway(tmp_path_factory.mktemp("mail") / "data", **settings) as started:
        yield started


@pytest.fixture
def calls(gateway: Gateway, postfix: Postfix) -> Iterator[httpx.Client]:
    sender = {"email": "shop@example.com", "name": "Orchard"}
    config = {"host": "localhost", "port": postfix.port, "security": "starttls", "from": sender}
    with httpx.Client(base_url=gateway.url, headers=ADMIN, timeout=10) as client:
        client.put("/v2/integrations/smtp", json=config).raise_for_status()
        user = {"external_id": "ada", "email": "ada@mail.test"}
        client.post("/users", json={"user": user}).raise_for_status()
        yield client


def send(calls: httpx.Client, title: str, **fields: Any) -> str:
    body = {"title": title, "recipients": [{"external_id": "ada"}], **fields}
    response = calls.post("/notifications", json={"notification": body})
    assert response.status_code == 201, response.text
    found: str = response.json()["notification"]["id"]
    return found


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def mail_with(postfix: Postfix, subject: str) -> EmailMessage | None:
    for raw in postfix.mails():
        mail = email.message_from_bytes(raw, policy=default)
        assert isinstance(mail, EmailMessage)
        if mail["Subject"] == subject:
            return mail
    return None


def trace(calls: httpx.Client, notification_id: str) -> str:
    response = calls.get(f"/v2/users/external_id:ada/notifications/{notification_id}/trace")
    return response.raise_for_status().text


def test_a_notification_arrives_as_an_email_from_which_the_user_can_unsubscribe(
    calls: httpx.Client, postfix: Postfix
) -> None:
    send(
        calls,
        "Größe 42 is back",
        content="<p>Have a <b>look</b></p>",
        category="shoes",
        action_url="https://a.example/42",
    )
    mail = wait_for(lambda: mail_with(postfix, "Größe 42 is back"))
    assert mail["From"] == "Orchard <shop@example.com>"
    assert "<b>look</b>" in mail.get_body(("html",)).get_content()
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = mail["List-Unsubscribe"].strip("<>")
    assert link.startswith(f"{PUBLIC_URL}/unsubscribe/")

    path = link.removeprefix(PUBLIC_URL)
    one_click = httpx.post(f"{calls.base_url}".rstrip("/") + path, data={"List-Unsubscribe": "One-Click"})
    assert one_click.status_code == 200
    muted = send(calls, "Größe 43 is back", category="shoes")
    other = send(calls, "Your parcel", category="parcels")
    wait_for(lambda: mail_with(postfix, "Your parcel"))
    assert mail_with(postfix, "Größe 43 is back") is None
    assert '"preference"' in trace(calls, muted)
    assert '"delivered"' in trace(calls, other)


def test_what_was_read_meanwhile_is_not_sent(calls: httpx.Client, postfix: Postfix) -> None:
    channels = [{"channel": "in_app"}, {"channel": "email", "delay": 1}]
    calls.put("/v2/channels/deliveryconfig", json={"key": "slow", "channels": channels}).raise_for_status()
    read, unread = send(calls, "Read in time", category="slow"), send(calls, "Never read", category="slow")
    headers = user_headers("ada")
    httpx.post(f"{str(calls.base_url).rstrip('/')}/notifications/{read}/read", headers=headers).raise_for_status()
    wait_for(lambda: mail_with(postfix, "Never read"))
    wait_for(lambda: '"skipped"' in trace(calls, read))
    assert '"read"' in trace(calls, read)
    assert mail_with(postfix, "Read in time") is None
    assert '"delivered"' in trace(calls, unread)


def test_a_test_message_arrives_and_says_what_the_server_answered(calls: httpx.Client, postfix: Postfix) -> None:
    response = calls.post("/v2/delivery/tests/smtp", json={"user": "external_id:ada"})
    assert response.json()["outcome"] == "delivered", response.text
    wait_for(lambda: mail_with(postfix, "Test message"))
    wrong = {"host": "localhost", "port": postfix.port, "security": "tls", "from": {"email": "shop@example.com"}}
    calls.put("/v2/integrations/smtp", json=wrong).raise_for_status()
    response = calls.post("/v2/delivery/tests/smtp", json={"user": "external_id:ada"})
    assert response.json()["outcome"] == "misconfigured", response.text
    assert "TLS" in response.text


def test_an_unknown_mailbox_is_suppressed(calls: httpx.Client) -> None:
    calls.post("/users", json={"user": {"external_id": "ada", "email": "nobody@mail.test"}}).raise_for_status()
    first = send(calls, "To nobody")
    wait_for(lambda: "550 5.1.1" in trace(calls, first))
    second = send(calls, "To nobody again")
    wait_for(lambda: '"suppressed"' in trace(calls, second))
    calls.delete("/v2/users/external_id:ada/channels/email/suppressions").raise_for_status()
    third = send(calls, "To nobody once more")
    wait_for(lambda: "550 5.1.1" in trace(calls, third))
