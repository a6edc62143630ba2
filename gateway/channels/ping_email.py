"""Ping email: a URL that is called instead of sending an email. What is behind it sends the mail."""

from typing import Any

import msgspec

from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.mail_service import SECONDS, extra_of, passing
from gateway.channels.message import Message
from gateway.channels.outcome import Delivered, Misconfigured, Outcome, Refused
from gateway.channels.provider import Links, Provider, Schedule, one_by_one
from gateway.channels.text import merged
from gateway.domain.objects import Object
from gateway.domain.params import OutboundUrl
from gateway.domain.preferences import Channel

INTEGRATION = IntegrationKind(
    name="ping_email",
    title="Ping email",
    config=Object(
        required=True,
        name="PingEmailConfig",
        fields={"url": OutboundUrl(required=True, max_length=100, description="The URL to call. It must be public.")},
    ),
    example={"url": "https://example.com/ping"},
)


async def _deliver(message: Message, links: Links) -> Outcome:
    from gateway.channels.email_message import Mail, mail_of

    # The sender is chosen behind the URL, so it is not part of the request.
    mail = mail_of(message, "notifications@localhost")
    if not isinstance(mail, Mail):
        return mail
    request: dict[str, Any] = {
        "id": str(message.id),
        "to": mail.recipient.email,
        "subject": mail.subject,
        "text": mail.text,
        "html": mail.html,
        "headers": dict(mail.headers),
        "notification": {
            "id": message.notification_id,
            "title": message.title,
            "content": message.content,
            "action_url": message.action_url,
            "category": message.category,
            "topic": message.topic,
            "custom_attributes": dict(message.custom_attributes),
            "sent_at": message.sent_at,
        },
        "user": {"external_id": message.addressee.external_id, "email": message.addressee.email},
    }
    answer = await links.request(
        "POST",
        message.config["url"],
        headers={"Content-Type": "application/json", "Idempotency-Key": str(message.id)},
        body=msgspec.json.encode(merged(request, extra_of(message, "to", "user"))),
        tenants=True,
    )
    reason = str(answer.status)
    if 200 <= answer.status < 300:
        return Delivered()
    if found := passing(answer, reason, links.now()):
        return found
    if answer.status < 400 or answer.status in (401, 403, 404, 405, 410):
        return Misconfigured(reason)
    return Refused(reason)


PROVIDER = Provider(
    name="ping_email",
    channel=Channel.EMAIL,
    deliver=one_by_one(_deliver),
    integration=INTEGRATION,
    schedule=Schedule.PATIENT,
    seconds=SECONDS,
)
