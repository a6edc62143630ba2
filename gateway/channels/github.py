"""GitHub: incoming webhooks (docs.github.com, "Validating webhook deliveries" and "Webhook events and payloads").

`X-Hub-Signature-256` is `sha256=` and the HMAC-SHA256 of the body, in hexadecimal. `X-GitHub-Delivery` identifies the
delivery, also when somebody repeats it. The body is JSON, or a form whose field `payload` is JSON.
"""

import hmac
from typing import Any
from urllib.parse import parse_qs

import msgspec

from gateway.channels.incoming_webhook import (
    Fetch,
    IncomingWebhook,
    WebhookDelivery,
    WebhookRequest,
    bad_body,
    bad_signature,
)
from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.payload_mapping import NOTIFICATIONS
from gateway.channels.signed_webhooks import signing_secret
from gateway.domain.objects import Object

INTEGRATION = IntegrationKind(
    name="github",
    title="GitHub",
    config=Object(required=True, name="GithubConfig", fields={**signing_secret("GitHub"), **NOTIFICATIONS}),
    example={
        "webhook_signing_secret": "It's a Secret to Everybody",
        "notifications": [
            {
                "matches": "type = 'issues' and payload.action = 'opened'",
                "title": "{{ payload.issue.title }}",
                "content": "Opened by {{ payload.sender.login }}",
                "action_url": "{{ payload.issue.html_url }}",
                "category": "issues",
                "recipients": [{"external_id": "github-{{ payload.repository.owner.id }}"}],
            }
        ],
    },
)

MAX_BYTES = 25 * 1024 * 1024
"""GitHub sends no larger payload."""

_SIGNATURE, _DELIVERY, _EVENT = "x-hub-signature-256", "x-github-delivery", "x-github-event"


async def read(request: WebhookRequest, secret: str, fetch: Fetch) -> WebhookDelivery:
    """Verify a request, and return its delivery. Raises RefusedWebhookError."""
    wanted = "sha256=" + hmac.digest(secret.encode(), request.body, "sha256").hex()
    given = request.headers.get(_SIGNATURE, "")
    if not hmac.compare_digest(wanted.encode(), given.encode()):
        raise bad_signature("Header 'X-Hub-Signature-256'")
    delivery_id, event = request.headers.get(_DELIVERY), request.headers.get(_EVENT)
    if not delivery_id or not event:
        raise bad_body("Header 'X-GitHub-Delivery' or 'X-GitHub-Event' is missing")
    payload = _payload(request)
    return WebhookDelivery(delivery_id, event, _description(event, payload), payload)


def _payload(request: WebhookRequest) -> dict[str, Any]:
    try:
        body = request.body
        if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            body = parse_qs(body.decode())["payload"][0].encode()
        payload = msgspec.json.decode(body)
    except (KeyError, ValueError, RecursionError):
        raise bad_body("The body is not JSON, and no form with JSON in 'payload'") from None
    if not isinstance(payload, dict):
        raise bad_body("The payload is not a JSON object")
    return payload


def _description(event: str, payload: dict[str, Any]) -> str:
    """Return what happened in a few words, such as `issues opened in octocat/hello-world`."""
    repository = payload.get("repository")
    place = repository.get("full_name") if isinstance(repository, dict) else None
    words = [event, payload.get("action"), f"in {place}" if isinstance(place, str) else None]
    return " ".join(word for word in words if isinstance(word, str))


WEBHOOK = IncomingWebhook(
    kind=INTEGRATION,
    read=read,
    max_bytes=MAX_BYTES,
    example={"action": "opened", "issue": {"title": "Found a bug"}, "repository": {"full_name": "octocat/hello-world"}},
)
