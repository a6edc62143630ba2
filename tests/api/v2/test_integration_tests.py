"""Test messages, against stubs of a provider with addresses and of one with tokens."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from gateway.api.v2.integration_tests import result_of
from gateway.channels import twilio
from gateway.channels.outcome import (
    Dead,
    Delivered,
    Handed,
    Misconfigured,
    Outcome,
    Refused,
    Retry,
    Scope,
    Throttled,
    Unknown,
)
from tests.servers import ADMIN, running_gateway, user_headers
from tests.stubs.expo import ExpoStub
from tests.stubs.in_thread import in_thread
from tests.stubs.twilio import TwilioStub

CONFIG = twilio.INTEGRATION.example


@pytest.fixture(scope="module")
def sms() -> Iterator[TwilioStub]:
    with in_thread(TwilioStub(CONFIG["account_sid"], CONFIG["api_key"], CONFIG["api_secret"])) as stub:
        yield stub


@pytest.fixture(scope="module")
def expo() -> Iterator[ExpoStub]:
    with in_thread(ExpoStub()) as stub:
        yield stub


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, sms: TwilioStub, expo: ExpoStub) -> Iterator[httpx.Client]:
    data: Path = tmp_path_factory.mktemp("tests") / "data"
    urls = f"twilio={sms.url},expo={expo.url}"
    with (
        running_gateway(data, INBOX_PROVIDER_URLS=urls, INBOX_DELIVERY_WORKERS="0") as gateway,
        httpx.Client(base_url=gateway.url, headers=ADMIN, timeout=30) as client,
    ):
        yield client


def attempt(client: httpx.Client, name: str, key: str = "", **body: Any) -> dict[str, Any]:
    headers = {"Idempotency-Key": key} if key else {}
    response = client.post(f"/v2/delivery/tests/{name}", json=body, headers=headers)
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found


def test_an_address_gets_one_message_whatever_number_of_repetitions(client: httpx.Client, sms: TwilioStub) -> None:
    unsaved = client.post("/v2/delivery/tests/twilio", json={"user": "x"})
    assert (unsaved.status_code, unsaved.json()["errors"][0]["message"]) == (404, "Integration not found")
    client.put("/v2/integrations/twilio", json=CONFIG).raise_for_status()
    client.post("/v2/users", json={"external_id": "ada", "phone_numbers": ["+15005550001"]}).raise_for_status()
    for _ in range(2):
        found = attempt(client, "twilio", "key", user="external_id:ada")
        assert (found["outcome"], found["channel"], found["code"]) == ("handed", "sms", "")
    assert found["message"] == "twilio took the message, and tells the result later."
    (message,) = sms.messages
    assert message["To"] == "+15005550001"
    assert "can reach you here" in message["Body"]


def test_what_the_provider_says_is_shown_without_the_address(client: httpx.Client, sms: TwilioStub) -> None:
    client.put("/v2/integrations/twilio", json=CONFIG).raise_for_status()
    client.post("/v2/users", json={"external_id": "bob", "phone_numbers": ["+15005550009"]}).raise_for_status()
    sms.errors["+15005550009"] = (21614, 400)
    found = attempt(client, "twilio", user="external_id:bob")
    assert (found["outcome"], found["provider"]) == ("dead", "twilio")
    assert "21614" in found["code"]
    assert found["message"] == "twilio knows no such address any more. A notification would discard it."
    assert "+1500" not in str(found)


def test_a_token_gets_a_message_the_newest_or_a_given_one(client: httpx.Client, expo: ExpoStub) -> None:
    name = f"eve-{uuid4()}"
    client.post("/v2/users", json={"external_id": name}).raise_for_status()
    nothing = attempt(client, "expo", user=f"external_id:{name}")
    assert (nothing["outcome"], nothing["message"]) == ("no_destination", "The user has no channel token for expo.")
    tokens = [f"ExponentPushToken[{uuid4().hex[:22]}]" for _ in range(2)]
    registered = [
        client.post(
            "/v2/channels/mobile_push/expo/tokens", json={"device_token": token}, headers=user_headers(name)
        ).json()
        for token in tokens
    ]
    assert attempt(client, "expo", user=f"external_id:{name}")["outcome"] == "handed"
    assert tokens[1].encode() in _sent(expo)
    attempt(client, "expo", user=f"external_id:{name}", token_id=registered[0]["id"])
    assert tokens[0].encode() in _sent(expo)


def _sent(expo: ExpoStub) -> bytes:
    import gzip

    body = expo.requests[-1].body
    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


def test_what_cannot_be_tested_is_refused(client: httpx.Client) -> None:
    client.put("/v2/integrations/twilio", json=CONFIG).raise_for_status()
    client.post("/v2/users", json={"external_id": "ada"}).raise_for_status()
    client.post("/v2/users", json={"external_id": "nobody"}).raise_for_status()
    for name, body, status in (
        ("github", {"user": "external_id:ada"}, 404),
        ("twilio", {"user": "external_id:unknown"}, 404),
        ("twilio", {}, 422),
        ("twilio", {"user": "external_id:ada", "token_id": str(uuid4())}, 422),
        ("expo", {"user": "external_id:ada", "token_id": str(uuid4())}, 404),
        ("expo", {"user": "external_id:ada", "token_id": "x"}, 404),
        ("ses", {"user": "external_id:ada"}, 404),
    ):
        assert client.post(f"/v2/delivery/tests/{name}", json=body).status_code == status, name
    found = attempt(client, "twilio", user="external_id:nobody")
    assert found["message"] == "The user has no phone number for twilio."


@pytest.mark.parametrize(
    ("outcome", "name", "text"),
    [
        (Delivered("id-1"), "delivered", "accepted the message"),
        (Handed("id-1", 60), "handed", "took the message, and tells the result later"),
        (Dead("410"), "dead", "knows no such address any more. A notification would discard it"),
        (Retry("503"), "retry", "failed, perhaps for a moment. A notification would be tried again"),
        (Throttled(7), "throttled", "takes nothing for this project for 7 seconds"),
        (Throttled(7, Scope.DESTINATION, "429"), "throttled", "takes nothing for this destination for 7 seconds"),
        (
            Misconfigured("401"),
            "misconfigured",
            "refuses the configuration. Deliveries of a notification would wait until it is corrected",
        ),
        (Refused("413"), "refused", "will not take this message"),
        (Unknown("time-out"), "unknown", "did not answer. The message may have arrived"),
    ],
)
def test_each_outcome_has_a_sentence(outcome: Outcome, name: str, text: str) -> None:
    found = result_of(twilio.PROVIDER, outcome)
    assert (found.outcome, found.message) == (name, f"twilio {text}.")
    assert found.provider_id == ("id-1" if name in ("delivered", "handed") else "")
    assert found.code == getattr(outcome, "reason", "")
