"""Web push: messages to the stub of a push service, and what its responses mean."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key

from gateway.channels.message import Brand
from gateway.channels.outcome import Dead, Delivered, Misconfigured, Outcome, Refused, Retry, Scope, Throttled
from gateway.channels.provider import Answer
from gateway.channels.web_push import (
    NO_CONTACT,
    PROVIDER,
    TOKEN,
    check,
    deliver,
    encrypted,
    new_key_pair,
    origin_of,
    outcome_of,
    topic_of,
)
from gateway.channels.web_push_payload import MAX_PLAINTEXT
from gateway.domain.ids import ProjectId
from tests.channels.messages import StubLinks, message_to
from tests.stubs.web_push import WebPushStub, decoded

APPLE = "https://web.push.apple.com/QGuQyavXutnMH"
MOZILLA = "https://updates.push.services.mozilla.com/wpush/v2/x"
GOOGLE = "https://fcm.googleapis.com/fcm/send/x"
EDGE = "https://wns2-par02p.notify.windows.com/w/?token=x"
FOREIGN = "https://push.example.com/x"


@pytest.fixture
async def stub() -> AsyncIterator[WebPushStub]:
    async with WebPushStub() as started:
        yield started


@pytest.fixture
async def links() -> AsyncIterator[StubLinks]:
    made = StubLinks()
    yield made
    await made.close()


async def test_a_browser_decrypts_what_a_service_worker_shows(stub: WebPushStub, links: StubLinks) -> None:
    message = message_to(
        PROVIDER,
        stub.subscription,
        topic="order:7",
        brand=Brand(name="Shop", logo_url="https://example.com/logo.png"),
        image_url="https://example.com/parcel.png",
        custom_attributes={"order": 7},
        extra={"notification": {"requireInteraction": True}, "urgency": "high", "ttl": 60},
    )
    assert await deliver(message, links) == Delivered()
    assert json.loads(stub.received[0]) == {
        "web_push": 8030,
        "notification": {
            "title": "Your order has shipped",
            "body": "It arrives on Friday.",
            "navigate": "https://example.com/orders/7",
            "icon": "https://example.com/logo.png",
            "image": "https://example.com/parcel.png",
            "tag": "order:7",
            "data": {
                "id": message.notification_id,
                "category": "orders",
                "topic": "order:7",
                "custom_attributes": {"order": 7},
            },
            "requireInteraction": True,
        },
        "app_badge": 3,
    }
    headers = stub.requests[0].headers
    assert (headers["urgency"], headers["ttl"], headers["topic"]) == ("high", "60", topic_of(message))


async def test_the_token_of_a_push_service_is_signed_once_and_has_the_contact(
    stub: WebPushStub, links: StubLinks
) -> None:
    for _ in range(2):
        await deliver(message_to(PROVIDER, stub.subscription), links)
    first, second = (request.headers["authorization"] for request in stub.requests)
    assert first == second
    assert stub.claims[0]["sub"] == "mailto:ops@example.com"
    assert stub.claims[0]["aud"] == stub.url
    assert 0 < stub.claims[0]["exp"] - links.now() <= 24 * 3600
    await deliver(message_to(PROVIDER, stub.subscription, config=new_key_pair()), links)
    assert stub.requests[2].headers["authorization"] != first, "another key pair"


async def test_tokens_of_many_push_services_use_bounded_memory(links: StubLinks) -> None:
    from gateway.channels.vapid import MAX_ORIGINS, authorization

    config = new_key_pair()
    for number in range(MAX_ORIGINS + 5):
        authorization(config, "id", f"https://push{number}.example.com", links)
    assert len(links.memo("vapid id")) <= MAX_ORIGINS


async def test_a_message_without_an_address_is_left_to_the_service_worker(stub: WebPushStub, links: StubLinks) -> None:
    """A declarative push message must have an address."""
    await deliver(message_to(PROVIDER, stub.subscription, action_url=None, content=None), links)
    found = json.loads(stub.received[0])
    assert "web_push" not in found
    assert "body" not in found["notification"]


@pytest.mark.parametrize("letter", ["a", "ä", "\N{PARTY POPPER}", '"', "\x01"])
async def test_a_long_body_is_cut_to_what_push_services_take(stub: WebPushStub, links: StubLinks, letter: str) -> None:
    attributes = {"much": "x" * 2000}  # left out: more than 1 KB
    message = message_to(PROVIDER, stub.subscription, content=letter * 5000, custom_attributes=attributes)
    assert await deliver(message, links) == Delivered()
    found = json.loads(stub.received[0])["notification"]
    assert MAX_PLAINTEXT - 12 <= len(stub.received[0]) <= MAX_PLAINTEXT
    assert found["body"].endswith("…")
    assert set(found["body"][:-1]) == {letter}
    assert "custom_attributes" not in found["data"]


async def test_what_a_sender_merges_may_be_too_large(links: StubLinks) -> None:
    message = message_to(PROVIDER, TOKEN.example, extra={"much": "x" * 4000})
    assert await deliver(message, links) == Refused("The message is too large")


@pytest.mark.parametrize(
    "keys",
    [
        {"p256dh": "BP4z", "auth": "BTBZMqHH6r4Tts7J_aSIgg"},
        {"p256dh": TOKEN.example["keys"]["p256dh"], "auth": "BTBZ"},
        {"p256dh": "!", "auth": "!"},
    ],
)
async def test_a_subscription_whose_keys_are_no_keys_is_dead(links: StubLinks, keys: dict[str, str]) -> None:
    outcome = await deliver(message_to(PROVIDER, {"endpoint": MOZILLA, "keys": keys}), links)
    assert outcome == Dead("The keys of the subscription are not valid")


async def test_without_a_key_pair_nothing_is_sent(links: StubLinks) -> None:
    message = message_to(PROVIDER, TOKEN.example, config={"public_key": "x"})
    assert await deliver(message, links) == Misconfigured("The key pair is missing")


@pytest.mark.parametrize("contact", ["", "http://127.0.0.1:8000", "mailto:root@localhost", "https://inbox.local"])
async def test_apple_gets_nothing_until_there_is_a_contact_that_it_accepts(contact: str) -> None:
    """Complaint of web-push-libs/web-push#947: Apple's 403 was taken for a failure of the subscription, for ever."""
    links = StubLinks(contact=contact)
    outcome = await deliver(message_to(PROVIDER, {**TOKEN.example, "endpoint": APPLE}), links)
    assert outcome == Misconfigured(NO_CONTACT, is_doubted=True)
    assert "INBOX_PUSH_CONTACT" in NO_CONTACT


@pytest.mark.parametrize(("contact", "fault"), [("mailto:ops@example.com", ""), ("http://127.0.0.1:8000", NO_CONTACT)])
async def test_the_operator_learns_that_the_contact_is_missing_before_apple_says_so(contact: str, fault: str) -> None:
    assert await check({}, StubLinks(contact=contact)) == fault


async def test_other_push_services_need_no_contact(stub: WebPushStub) -> None:
    links = StubLinks(contact="http://127.0.0.1:8000")
    assert await deliver(message_to(PROVIDER, stub.subscription), links) == Delivered()
    await links.close()
    assert "sub" not in stub.claims[0]


def test_the_vector_of_rfc_8291_is_encrypted_byte_for_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    """Section 5 has the keys and the salt, and appendix A what is in between."""
    private = derive_private_key(
        int.from_bytes(decoded("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), "big"), SECP256R1()
    )
    monkeypatch.setattr("gateway.channels.web_push.generate_private_key", lambda curve: private)
    monkeypatch.setattr(http_ece.os, "urandom", lambda size: decoded("DGv6ra1nlYgDCS1FRnbzlw"))
    body = encrypted(b"When I grow up, I want to be a watermelon", TOKEN.example["keys"])
    assert base64.urlsafe_b64encode(body).rstrip(b"=").decode() == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A"
        "_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


@pytest.mark.parametrize(
    ("endpoint", "status", "headers", "body", "outcome"),
    [
        (MOZILLA, 201, {}, b"", Delivered()),
        (GOOGLE, 200, {}, b"", Delivered()),
        (FOREIGN, 202, {}, b"", Delivered()),
        (MOZILLA, 404, {}, b"", Dead("404: the browser has unsubscribed")),
        (APPLE, 410, {}, b'{"reason":"Unregistered"}', Dead("410: the browser has unsubscribed")),
        (MOZILLA, 413, {}, b"", Refused("413: the message is too large")),
        (MOZILLA, 400, {}, b"", Refused("400")),
        (MOZILLA, 429, {"retry-after": "7"}, b"", Throttled(7.0, Scope.DESTINATION, "429")),
        (MOZILLA, 429, {}, b"", Throttled(60.0, Scope.DESTINATION, "429")),
        (EDGE, 406, {}, b"", Throttled(60.0, Scope.DESTINATION, "406")),
        (FOREIGN, 406, {}, b"", Refused("406")),
        (MOZILLA, 503, {"retry-after": "9"}, b"", Retry("503", 9.0)),
        (MOZILLA, 500, {}, b"", Retry("500")),
        (MOZILLA, 301, {"location": "https://example.com"}, b"", Refused("301")),
        (FOREIGN, 403, {}, b"", Refused("403")),
        (FOREIGN, 401, {}, b"", Refused("401")),
    ],
)
def test_each_response_has_an_outcome(
    endpoint: str, status: int, headers: dict[str, str], body: bytes, outcome: Outcome
) -> None:
    assert outcome_of(Answer(status, headers, body), endpoint, 0) == outcome


@pytest.mark.parametrize(("endpoint", "status"), [(APPLE, 403), (MOZILLA, 401), (GOOGLE, 403), (EDGE, 403)])
def test_a_push_service_that_refuses_the_key_or_contact_means_the_configuration(endpoint: str, status: int) -> None:
    """Complaint of web-push-libs/pywebpush#175: 403 was taken for a living subscription, and tried for ever."""
    outcome = outcome_of(Answer(status, {}, b'{"reason":"BadJwtToken"}'), endpoint, 0)
    assert isinstance(outcome, Misconfigured)
    assert "INBOX_PUSH_CONTACT" in outcome.reason


@pytest.mark.parametrize(
    ("endpoint", "status", "body"),
    [
        (APPLE, 400, b'{"reason":"VapidPkHashMismatch"}'),
        (MOZILLA, 401, b'{"errno":109,"message":"VAPID public key mismatch"}'),
        (GOOGLE, 403, b"the VAPID credentials in the authorization header do not correspond to the credentials used"),
    ],
)
def test_a_browser_that_subscribed_with_another_key_stops_no_other_browser(
    endpoint: str, status: int, body: bytes
) -> None:
    outcome = outcome_of(Answer(status, {}, body), endpoint, 0)
    assert outcome == Dead(f"{status}: the browser has subscribed with another key pair")


def test_messages_of_a_topic_replace_each_other_within_a_project() -> None:
    def topic(**changes: Any) -> str:
        return topic_of(message_to(PROVIDER, TOKEN.example, **changes))

    assert topic(topic="a", id=uuid4()) == topic(topic="a", id=uuid4())
    assert topic(topic="a") != topic(topic="a", project_id=ProjectId("2"))
    assert topic(id=uuid4()) != topic(id=uuid4())
    assert len(topic()) == 32


@pytest.mark.parametrize(
    ("endpoint", "origin"),
    [
        ("https://Push.Example.com/a?b", "https://push.example.com"),
        ("https://push.example.com:443/a", "https://push.example.com"),
        ("https://push.example.com:8443/a", "https://push.example.com:8443"),
        ("https://[2a00:1450::1]/a", "https://[2a00:1450::1]"),
    ],
)
def test_the_audience_is_the_origin_of_the_endpoint(endpoint: str, origin: str) -> None:
    assert origin_of(endpoint) == origin


def test_a_push_service_that_throttles_delays_no_other() -> None:
    def key(endpoint: str) -> str:
        assert PROVIDER.destination_key is not None
        return PROVIDER.destination_key(message_to(PROVIDER, {**TOKEN.example, "endpoint": endpoint}))

    assert key(MOZILLA) == key(MOZILLA + "/other") != key(GOOGLE)


@pytest.mark.parametrize(
    ("extra", "ttl", "urgency"),
    [({}, 3600, "normal"), ({"ttl": 10**9, "urgency": "now"}, 28 * 24 * 3600, "normal"), ({"ttl": 0}, 0, "normal")],
)
async def test_the_time_to_live_and_urgency_are_those_that_push_services_accept(
    stub: WebPushStub, links: StubLinks, extra: dict[str, Any], ttl: int, urgency: str
) -> None:
    await deliver(message_to(PROVIDER, stub.subscription, extra=extra), links)
    headers = stub.requests[0].headers
    assert ttl - 5 <= int(headers["ttl"]) <= ttl
    assert headers["urgency"] == urgency
