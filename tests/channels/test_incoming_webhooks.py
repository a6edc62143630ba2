"""Signatures of GitHub, Stripe and Amazon SNS: documented examples, the provider's own signer, and forgeries."""

import json
from urllib.parse import urlencode

import pytest
import stripe as stripe_sdk

from gateway.channels import aws_sns, github, stripe
from gateway.channels.incoming_webhook import IncomingWebhook, RefusedWebhookError, WebhookDelivery
from tests.channels.webhook_signers import (
    CERTIFICATE_URL,
    NOW,
    certificate,
    github_headers,
    request_of,
    sns_message,
)

SECRET = "It's a Secret to Everybody"


async def nothing(url: str) -> bytes:
    raise AssertionError(f"{url} is fetched")


async def read(
    webhook: IncomingWebhook, headers: dict[str, str], body: bytes, secret: str = SECRET, now: float = NOW
) -> WebhookDelivery:
    return await webhook.read(request_of(headers, body, now), secret, nothing)


async def reason(
    webhook: IncomingWebhook, headers: dict[str, str], body: bytes, secret: str = SECRET, now: float = NOW
) -> str:
    """Return why a request is refused."""
    with pytest.raises(RefusedWebhookError) as refused:
        await read(webhook, headers, body, secret, now)
    assert secret not in str(refused.value)
    return refused.value.reason


# ---- GitHub


async def test_the_documented_example_of_github_has_a_valid_signature() -> None:
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = {"x-hub-signature-256": signature, "x-github-event": "x", "x-github-delivery": "1"}
    assert await reason(github.WEBHOOK, headers, b"Hello, World!") == "body", "it is signed, but it is not JSON"
    for other in (b"Hello, World", b""):
        assert await reason(github.WEBHOOK, headers, other) == "signature"
    assert await reason(github.WEBHOOK, headers, b"Hello, World!", "another") == "signature"
    for bad in ("", "sha256=", signature.removeprefix("sha256="), signature[:-1] + "é", "sha1=0"):
        assert await reason(github.WEBHOOK, {**headers, "x-hub-signature-256": bad}, b"Hello, World!") == "signature"


@pytest.mark.parametrize("is_form", [False, True])
async def test_github_sends_json_or_a_form(is_form: bool) -> None:
    payload = {"action": "opened", "repository": {"full_name": "octocat/hello-world"}}
    body = json.dumps(payload).encode()
    if is_form:
        body = urlencode({"payload": body}).encode()
    headers = github_headers(SECRET, body, "issues", "72d3162e")
    headers["content-type"] = "application/x-www-form-urlencoded" if is_form else "application/json"
    assert await read(github.WEBHOOK, headers, body) == WebhookDelivery(
        "72d3162e", "issues", "issues opened in octocat/hello-world", payload
    )


@pytest.mark.parametrize("body", [b"[1]", b"{", b"payload=1", b"\xff", b"[" * 100_000])
async def test_a_signed_body_of_github_that_is_no_payload_is_refused(body: bytes) -> None:
    headers = github_headers(SECRET, body)
    assert await reason(github.WEBHOOK, headers, body) == "body"
    form = {**headers, "content-type": "application/x-www-form-urlencoded"}
    assert await reason(github.WEBHOOK, form, body) == "body"


async def test_a_delivery_of_github_needs_its_id_and_event() -> None:
    headers = github_headers(SECRET, b"{}")
    for name in ("x-github-delivery", "x-github-event"):
        assert await reason(github.WEBHOOK, {**headers, name: ""}, b"{}") == "body"


# ---- Stripe

EVENT = b'{"id": "evt_1", "object": "event", "type": "invoice.paid", "data": {"object": {"id": "in_1"}}}'


def stripe_header(body: bytes, secret: str = SECRET, second: int = int(NOW)) -> str:
    """Sign a body as Stripe's own library does."""
    signature = stripe_sdk.WebhookSignature._compute_signature(f"{second}.{body.decode()}", secret)
    return f"t={second},v1={signature}"


async def test_what_stripe_signs_is_accepted_and_stripe_accepts_the_same() -> None:
    header = stripe_header(EVENT)
    assert stripe_sdk.WebhookSignature.verify_header(EVENT.decode(), header, SECRET)
    delivery = await read(stripe.WEBHOOK, {"stripe-signature": header}, EVENT)
    assert (delivery.id, delivery.type, delivery.payload) == ("evt_1", "invoice.paid", json.loads(EVENT))


async def test_one_valid_signature_of_several_is_enough_while_a_secret_is_rotated() -> None:
    old, new = stripe_header(EVENT, "old"), stripe_header(EVENT)
    header = f"{old},v1={new.partition('v1=')[2]},v0=00"
    assert (await read(stripe.WEBHOOK, {"stripe-signature": header}, EVENT)).id == "evt_1"


async def test_a_signature_of_stripe_lasts_five_minutes() -> None:
    headers = {"stripe-signature": stripe_header(EVENT)}
    for age, refused in ((300, False), (301, True), (-300, False), (-301, True)):
        if refused:
            assert await reason(stripe.WEBHOOK, headers, EVENT, now=NOW + age) == "timestamp"
        else:
            await read(stripe.WEBHOOK, headers, EVENT, now=NOW + age)


@pytest.mark.parametrize("second", ["", "-1", "1e9", "²", "9" * 5000])
async def test_a_signed_time_of_stripe_that_is_no_number_is_refused(second: str) -> None:
    signature = stripe_sdk.WebhookSignature._compute_signature(f"{second}.{EVENT.decode()}", SECRET)
    headers = {"stripe-signature": f"t={second},v1={signature}"}
    assert await reason(stripe.WEBHOOK, headers, EVENT) == "timestamp"


@pytest.mark.parametrize("header", ["", "t=1", "v1=00", "t=,v1=", "t=x,v1=00", "v1=é", ",".join(["v1=0"] * 99)])
async def test_a_forged_signature_of_stripe_is_refused(header: str) -> None:
    assert await reason(stripe.WEBHOOK, {"stripe-signature": header}, EVENT) == "signature"
    changed = EVENT.replace(b"in_1", b"in_2")
    assert await reason(stripe.WEBHOOK, {"stripe-signature": stripe_header(EVENT)}, changed) == "signature"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id": 1, "type": "x"}', b'{"id": "x"}'])
async def test_a_signed_body_of_stripe_that_is_no_event_is_refused(body: bytes) -> None:
    assert await reason(stripe.WEBHOOK, {"stripe-signature": stripe_header(body)}, body) == "body"


# ---- Amazon SNS


async def read_sns(message: dict[str, str], secret: str = "", now: float = NOW, published: str = "") -> WebhookDelivery:
    async def fetch(url: str) -> bytes:
        assert url == CERTIFICATE_URL, "only a certificate of SNS is fetched"
        return published.encode()

    return await aws_sns.WEBHOOK.read(request_of({}, json.dumps(message).encode(), now), secret or certificate(), fetch)


async def sns_reason(message: dict[str, str], secret: str = "", now: float = NOW, published: str = "") -> str:
    with pytest.raises(RefusedWebhookError) as refused:
        await read_sns(message, secret, now, published)
    return refused.value.reason


@pytest.mark.parametrize("version", ["1", "2"])
async def test_a_message_that_the_saved_certificate_signed_is_accepted(version: str) -> None:
    delivery = await read_sns(sns_message(version=version, Subject="Done", Message='{"job": {"id": 7}}'))
    assert (delivery.type, delivery.description, delivery.confirm_url) == ("Notification", "Done", "")
    assert delivery.payload["Message"] == {"job": {"id": 7}}
    assert "Signature" not in delivery.payload


async def test_a_certificate_that_sns_publishes_is_accepted_while_it_is_valid() -> None:
    other = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
    assert (await read_sns(sns_message(), other, published=certificate())).id.startswith("22b80b92")
    assert await sns_reason(sns_message(), other, published=certificate(1, NOW - 3 * 86400)) == "signature"
    assert await sns_reason(sns_message(), other, published="no certificate") == "signature"


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem",
        "http://sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem",
        "https://evil.example/sns.eu-west-1.amazonaws.com/x.pem",
        "https://bucket.s3.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com/../x.pem?y",
        "",
    ],
)
async def test_no_other_address_is_fetched(url: str) -> None:
    other = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
    assert await sns_reason(sns_message(SigningCertURL=url), other, published=certificate()) == "signature"
    confirmation = sns_message(kind="SubscriptionConfirmation", Token="t", SubscribeURL=url.replace("x.pem", "?a=b"))
    if url:
        assert await sns_reason(confirmation) == "body"


async def test_a_confirmation_names_the_address_that_confirms_it() -> None:
    url = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"
    delivery = await read_sns(sns_message(kind="SubscriptionConfirmation", Token="t", SubscribeURL=url))
    assert delivery.confirm_url == url
    assert "SubscribeURL" not in delivery.payload


@pytest.mark.parametrize("field", ["Message", "MessageId", "Timestamp", "TopicArn", "Type", "Signature"])
async def test_a_changed_message_is_refused(field: str) -> None:
    assert await sns_reason({**sns_message(), field: "Unsigned"}, published=certificate()) == "signature"


async def test_a_message_of_sns_lasts_a_day_and_needs_its_fields() -> None:
    assert await sns_reason(sns_message(), now=NOW + 86401) == "timestamp"
    assert await sns_reason(sns_message(), now=NOW - 301) == "timestamp"
    assert await sns_reason(sns_message(Timestamp="x")) == "body"
    assert await sns_reason(sns_message(MessageId="")) == "body"
    assert await sns_reason({**sns_message(), "SignatureVersion": "3"}) == "signature"
    for body in (b"{", b"[]"):
        assert await reason(aws_sns.WEBHOOK, {}, body, certificate()) == "body"
