"""Incoming webhooks over REST: accepted once, refused without a signature, and mapped to notifications."""

import hmac
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast
from uuid import uuid4

import httpx
import pytest

from gateway.api.core.body import Body
from gateway.api.core.call import PublicCall
from gateway.api.core.inputs import Inputs
from gateway.api.v2.incoming_webhooks import IncomingWebhooksResource
from gateway.api.v2.provider_http import ProviderHttp
from gateway.channels import aws_sns
from gateway.domain.errors import ApiError, ErrorCode, api_error
from gateway.domain.ids import ProjectId
from gateway.domain.objects import Object
from gateway.domain.outbound import PUBLIC_ONLY
from gateway.domain.project_event import ProjectEventType
from gateway.domain.retention import KEEP_ALL
from gateway.runtime.outbound import OutboundHttp
from gateway.store.event_log import Moment
from gateway.store.idempotency import IdempotencyStore
from gateway.store.integrations import IntegrationStore
from gateway.store.project_event_log import EventRetention, ProjectEventLog, StoredEvent
from gateway.store.project_events import ProjectEvents
from gateway.store.projects import ProjectStore
from gateway.store.redis.client import StoreUnavailableError
from gateway.store.webhook_deliveries import WebhookDeliveries
from tests.api.core.calls import context_of, request_of
from tests.api.inbox import messages
from tests.api.projects import Project, command, project_of
from tests.channels.test_incoming_webhooks import stripe_header
from tests.channels.webhook_signers import certificate, github_headers, sns_message
from tests.servers import Gateway, user_hmac
from tests.store.conftest import InspectedClient

SECRET = "a signing secret"
ISSUE = {"action": "opened", "issue": {"title": "It broke", "url": "https://x.y/1"}, "repository": {"full_name": "o/r"}}
MAPPING = [
    {
        "matches": "type = 'issues' and payload.action = 'opened'",
        "title": "{{ payload.issue.title }}",
        "content": "in {{ payload.repository.full_name }}",
        "action_url": "{{ payload.issue.url }}",
        "category": "issues",
        "recipients": [{"external_id": "ada"}, {"email": "ben@example.com"}],
    }
]


@pytest.fixture(scope="module")
def shop(gateway: Gateway) -> Project:
    return project_of(command(gateway, "project", "create", "shop"))


@pytest.fixture(scope="module")
def calls(gateway: Gateway, shop: Project) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, headers=shop.admin, timeout=10) as client:
        yield client


def saved(calls: httpx.Client, name: str, **config: Any) -> str:
    """Save an integration, and return the address of its webhooks."""
    secret = {"webhook_signing_secret": SECRET, **config}
    calls.put(f"/v2/integrations/{name}", json=secret).raise_for_status()
    (found,) = calls.get(f"/v2/integrations/{name}").json()["data"]
    assert found["config"]["webhook_signing_secret"] == "********"
    return f"/v2/integrations/{name}/webhooks/incoming/{found['id']}"


def post(calls: httpx.Client, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    """Send a webhook as a provider does, without credentials of the project."""
    return httpx.post(f"{str(calls.base_url).rstrip('/')}{path}", content=body, headers=headers, timeout=10)


def inbox(calls: httpx.Client, shop: Project, external_id: str) -> list[dict[str, Any]]:
    proof = {"X-MAGICBELL-USER-HMAC": user_hmac(external_id, shop.api_secret)}
    headers = {"X-MAGICBELL-API-KEY": shop.api_key, "X-MAGICBELL-USER-EXTERNAL-ID": external_id, **proof}
    found = httpx.get(f"{str(calls.base_url).rstrip('/')}/notifications", headers=headers).raise_for_status().json()
    entries: list[dict[str, Any]] = found["notifications"]
    return entries


def events(calls: httpx.Client, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = calls.get(f"/v2/events?type={kind}").json()["data"]
    return found


def test_a_webhook_of_github_becomes_a_notification_once(calls: httpx.Client, shop: Project) -> None:
    path, body = saved(calls, "github", notifications=MAPPING), json.dumps(ISSUE).encode()
    headers = github_headers(SECRET, body, "issues", str(uuid4()))
    answers = [post(calls, path, body, headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 200, 200]
    expected = {"type": "issues", "description": "issues opened in o/r", "payload": ISSUE}
    assert [answer.json() for answer in answers] == [expected] * 3
    (item,) = inbox(calls, shop, "ada")
    assert (item["title"], item["content"], item["category"]) == ("It broke", "in o/r", "issues")
    assert item["action_url"] == "https://x.y/1"
    (accepted,) = events(calls, "webhook.accepted")
    assert accepted["context"] == {
        "integration": "github",
        "integration_id": path.rpartition("/")[2],
        "delivery_id": headers["x-github-delivery"],
        "event": "issues",
        "notifications": 1,
    }
    unmapped = github_headers(SECRET, body, "push", str(uuid4()))
    assert post(calls, path, body, unmapped).status_code == 201
    assert len(inbox(calls, shop, "ada")) == 1


def test_a_webhook_without_a_valid_signature_is_refused_and_becomes_an_event(calls: httpx.Client) -> None:
    path, body = saved(calls, "github"), b"{}"
    for headers in ({}, github_headers("another secret", body), github_headers(SECRET, b"{ }")):
        response = post(calls, path, body, headers)
        assert (response.status_code, response.json()["errors"][0]["code"]) == (401, "webhook_not_signed")
        assert SECRET not in response.text
    signed = github_headers(SECRET, b"no json")
    response = post(calls, path, b"no json", signed)
    assert (response.status_code, messages(response)) == (
        422,
        ["The body is not JSON, and no form with JSON in 'payload'"],
    )
    deadline = time.monotonic() + 10
    while not (refused := events(calls, "webhook.refused")) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(refused) <= 2, "at most one a second, because anybody can send such requests"
    assert (refused[0]["level"], refused[0]["context"]["reason"]) == ("warning", "signature")


def test_a_webhook_for_no_integration_is_not_found(calls: httpx.Client) -> None:
    path, body = saved(calls, "github"), b"{}"
    headers = github_headers(SECRET, body)
    other = f"{path[:-1]}{'0' if path[-1] != '0' else '1'}"
    for wrong in (other, path.replace("github", "stripe"), f"{path.rpartition('/')[0]}/{uuid4()}"):
        assert post(calls, wrong, body, headers).status_code == 404
    calls.delete("/v2/integrations/github").raise_for_status()
    assert post(calls, path, body, headers).status_code == 404


def test_an_event_of_stripe_is_accepted_once_although_each_attempt_is_signed_anew(
    calls: httpx.Client, shop: Project
) -> None:
    mapping = {
        "title": "Paid {{ payload.data.object.total }}",
        "recipients": [{"external_id": "{{ payload.data.who }}"}],
    }
    path = saved(calls, "stripe", notifications=[mapping])
    event_id = f"evt_{uuid4().hex}"
    event = {"id": event_id, "type": "invoice.paid", "data": {"object": {"total": 42}, "who": "eve"}}
    body, now = json.dumps(event).encode(), int(time.time())
    answers = [
        post(calls, path, body, {"stripe-signature": stripe_header(body, SECRET, now + again)}) for again in (0, 1)
    ]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json() == {"id": event_id, "description": "invoice.paid", "type": "invoice.paid"}
    assert [item["title"] for item in inbox(calls, shop, "eve")] == ["Paid 42"]
    old = {"stripe-signature": stripe_header(body, SECRET, now - 301)}
    assert post(calls, path, body, old).status_code == 401


def test_a_message_of_sns_that_the_saved_certificate_signed_is_accepted(calls: httpx.Client) -> None:
    path = saved(calls, "awssns", webhook_signing_secret=certificate())
    # No address of Amazon, so that nothing is fetched for the message that was changed.
    message = sns_message(time.time(), Subject="Done", SigningCertURL="https://example.com/x.pem")
    body = json.dumps(message).encode()
    headers = {"content-type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": "Notification"}
    response = post(calls, path, body, headers)
    assert (response.status_code, response.json()["description"]) == (201, "Done")
    assert post(calls, path, body, headers).status_code == 200
    assert post(calls, path, body.replace(b"done", b"gone"), headers).status_code == 401


def ses_report(shop: Project, topic: str, **report: Any) -> bytes:
    """Return a message of SNS with a report of SES."""
    message = json.dumps({"mail": {"messageId": "1"}, **report})
    fields = {"MessageId": str(uuid4()), "TopicArn": topic, "Message": message}
    return json.dumps(sns_message(time.time(), SigningCertURL="https://example.com/x.pem", **fields)).encode()


def test_an_address_that_bounced_or_complained_is_suppressed_by_a_report_of_the_named_topic(
    calls: httpx.Client, shop: Project
) -> None:
    topic = "arn:aws:sns:eu-west-1:123456789012:Mail"
    path = saved(calls, "awssns", webhook_signing_secret=certificate(), mail_topic_arn=topic)
    for name in ("bounced", "complained", "full", "elsewhere"):
        user = {"external_id": name, "email": f"{name}@bücher.example"}
        calls.post("/users", json={"user": user}).raise_for_status()

    def bounce(name: str, kind: str = "Permanent") -> dict[str, Any]:
        return {"bounceType": kind, "bouncedRecipients": [{"emailAddress": f"{name}@bücher.example"}]}

    complaint = {"complainedRecipients": [{"emailAddress": "Complained@BÜCHER.example"}, {"emailAddress": "x@y.z"}]}
    for body in (
        ses_report(shop, topic, notificationType="Bounce", bounce=bounce("bounced")),
        ses_report(shop, topic, eventType="Complaint", complaint=complaint),
        ses_report(shop, topic, notificationType="Bounce", bounce=bounce("full", "Transient")),
        ses_report(shop, f"{topic}2", notificationType="Bounce", bounce=bounce("elsewhere")),
    ):
        assert post(calls, path, body, {}).status_code == 201
        assert post(calls, path, body, {}).status_code == 200
    found = {each["context"]["user_id"]: each["context"]["reason"] for each in events(calls, "address.suppressed")}
    ids = {name: calls.get(f"/v2/users/external_id:{name}").json()["id"] for name in ("bounced", "complained")}
    assert found == {ids["bounced"]: "bounced", ids["complained"]: "complaint"}
    # A mail has the domain in ASCII, and its tags name the user.
    mail = {"tags": {"inbox_user_id": [calls.get("/v2/users/external_id:full").json()["id"]]}}
    ascii_address = {"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": "full@xn--bcher-kva.example"}]}
    body = ses_report(shop, topic, eventType="Bounce", bounce=ascii_address, mail=mail)
    assert post(calls, path, body, {}).status_code == 201
    assert len(events(calls, "address.suppressed")) == 3


def test_mailgun_reports_a_bounce_once_a_signing_key_is_saved(calls: httpx.Client) -> None:
    config = {"api_key": "key-1", "domain": "mg.example.com", "region": "eu"}
    calls.put("/v2/integrations/mailgun", json=config).raise_for_status()
    (found,) = calls.get("/v2/integrations/mailgun").json()["data"]
    path = f"/v2/integrations/mailgun/webhooks/incoming/{found['id']}"
    calls.post("/users", json={"user": {"external_id": "mg", "email": "mg@example.com"}}).raise_for_status()
    second = str(int(time.time()))
    signature = hmac.new(SECRET.encode(), f"{second}token-1".encode(), "sha256").hexdigest()
    signed = {"timestamp": second, "token": "token-1", "signature": signature}
    event = {"event": "failed", "severity": "permanent", "reason": "bounce", "recipient": "mg@example.com"}
    body = json.dumps({"signature": signed, "event-data": event}).encode()
    assert post(calls, path, body, {}).status_code == 404
    assert saved(calls, "mailgun", **config) == path
    assert [post(calls, path, body, {}).status_code for _ in range(2)] == [201, 200]
    user_id = calls.get("/v2/users/external_id:mg").json()["id"]
    assert user_id in [each["context"]["user_id"] for each in events(calls, "address.suppressed")]


def test_a_mapping_that_is_not_valid_is_refused_when_it_is_saved(calls: httpx.Client) -> None:
    bad = {"title": "{{ secret }}", "matches": "payload.", "recipients": [{}]}
    config = {"webhook_signing_secret": SECRET, "notifications": [MAPPING[0], bad]}
    response = calls.put("/v2/integrations/github", json=config)
    assert response.status_code == 422
    assert [message.split("'")[1] for message in messages(response)] == [
        "notifications[1].matches",
        "notifications[1].title",
        "notifications[1].recipients[0]",
    ]


# ---- without a provider that can be reached


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[InspectedClient]:
    client = InspectedClient(f"unix://{gateway.data_dir}/valkey/valkey.sock")
    await client.load()
    yield client
    await client.aclose()


class Provider(ProviderHttp):
    """Records what is fetched, and fails if it shall."""

    def __init__(self) -> None:
        super().__init__(OutboundHttp(PUBLIC_ONLY))
        self.fetched: list[str] = []
        self.fails = False

    async def get(self, url: str) -> bytes:
        self.fetched.append(url)
        if self.fails:
            raise api_error(ErrorCode.PROVIDER_FAILED)
        return b""


class FailingDeliveries(WebhookDeliveries):
    """Cannot record a delivery once, as if the worker died."""

    def __init__(self, client: InspectedClient):
        super().__init__(client)
        self.fails = False

    async def record(self, project_id: ProjectId, integration: str, delivery_id: str) -> None:
        if self.fails:
            self.fails = False
            raise StoreUnavailableError
        await super().record(project_id, integration, delivery_id)


class Receiver:
    """Receives the confirmation of a subscription of SNS, for which nothing is mapped."""

    URL = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"

    def __init__(self, client: InspectedClient):
        self.client = client
        self.provider, self.deliveries = Provider(), FailingDeliveries(client)
        self.events = ProjectEventLog(client, EventRetention(100, 100))
        self.message = sns_message(time.time(), kind="SubscriptionConfirmation", Token="t", SubscribeURL=self.URL)

    async def prepare(self) -> None:
        projects, integrations = ProjectStore(self.client, "secret"), IntegrationStore(self.client, "secret")
        await projects.prepare()
        self.project = await projects.create("shop", hmac_enabled=True)
        config = {"webhook_signing_secret": certificate()}
        saved = await integrations.replace(self.project.id, aws_sns.INTEGRATION, config, None)
        assert saved is not None
        self.integration_id = saved.id
        self.resource = IncomingWebhooksResource(
            integrations=integrations,
            projects=projects,
            deliveries=self.deliveries,
            idempotency=IdempotencyStore(self.client),
            sender=cast(Any, None),
            mail=cast(Any, None),
            events=ProjectEvents(self.events),
            http=self.provider,
            item_retention=KEEP_ALL,
            now=lambda: Moment(int(time.time() * 1000), "e"),
        )

    async def receive(self) -> int:
        """Receive the message, and return the status of the response."""
        parts = [json.dumps(self.message).encode()]
        request = request_of("POST", parts=parts, path_params={"integration_id": self.integration_id})
        call = PublicCall(Inputs(Body("", Object(), {}), (), True), request, context_of())
        return (await self.resource.receive(aws_sns.WEBHOOK, call)).status_code

    async def accepted(self) -> list[StoredEvent]:
        """Return the events about it."""
        return (await self.events.read(self.project.id, [ProjectEventType.WEBHOOK_ACCEPTED], 5)).events


@pytest.fixture
async def receiver(client: InspectedClient) -> Receiver:
    receiver = Receiver(client)
    await receiver.prepare()
    return receiver


async def test_a_subscription_of_sns_is_confirmed_once_and_again_after_a_failure(receiver: Receiver) -> None:
    receiver.provider.fails = True
    with pytest.raises(ApiError) as failed:
        await receiver.receive()
    assert failed.value.code is ErrorCode.PROVIDER_FAILED
    receiver.provider.fails = False
    assert [await receiver.receive(), await receiver.receive()] == [201, 200]
    assert receiver.provider.fetched == [Receiver.URL] * 2
    (accepted,) = await receiver.accepted()
    assert json.loads(accepted.context)["event"] == "SubscriptionConfirmation"
    assert b"Token" not in accepted.context


async def test_a_delivery_that_could_not_be_recorded_is_recorded_when_it_is_repeated(receiver: Receiver) -> None:
    receiver.deliveries.fails = True
    with pytest.raises(StoreUnavailableError):
        await receiver.receive()
    assert [await receiver.receive(), await receiver.receive()] == [201, 200]
    assert await receiver.deliveries.is_done(receiver.project.id, "awssns", receiver.message["MessageId"])
    assert len(await receiver.accepted()) == 2, "no attempt may be without its event"
