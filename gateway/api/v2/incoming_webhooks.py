"""Incoming webhooks of GitHub, Stripe, Amazon SNS and mail services. The provider's signature is the credential."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from gateway.api.core.body import Body
from gateway.api.core.call import PUBLIC, PublicCall
from gateway.api.core.operation import AnyOperation, Operation
from gateway.api.core.problems import not_found
from gateway.api.core.responses import encode, json_response
from gateway.api.core.schema import Errors, Hash, ResponseSpec
from gateway.api.v2.mail_feedback import MailFeedback
from gateway.api.v2.provider_http import ProviderHttp
from gateway.channels import aws_sns, github, mailgun_events, sendgrid_events, stripe
from gateway.channels.incoming_webhook import IncomingWebhook, RefusedWebhookError, WebhookDelivery, WebhookRequest
from gateway.channels.payload_mapping import MappedNotification, mapped
from gateway.domain.errors import ErrorCode, api_error, invalid
from gateway.domain.ids import ProjectId
from gateway.domain.objects import FreeObject
from gateway.domain.principal import Project
from gateway.domain.project_event import ContextValue, ProjectEvent, ProjectEventType
from gateway.domain.retention import ItemRetention
from gateway.sending.command import Recipient, SendCommand
from gateway.sending.plans import SendPlan, new_send_plan
from gateway.sending.sender import Sender
from gateway.store.configurations import Configuration
from gateway.store.event_log import Moment
from gateway.store.idempotency import Busy, Finished, IdempotencyStore, Reused
from gateway.store.integrations import IntegrationStore
from gateway.store.project_events import ProjectEvents
from gateway.store.projects import ProjectStore
from gateway.store.redis.problems import decoding
from gateway.store.webhook_deliveries import WebhookDeliveries, digest_of

WEBHOOKS: tuple[IncomingWebhook, ...] = (
    github.WEBHOOK,
    stripe.WEBHOOK,
    aws_sns.WEBHOOK,
    mailgun_events.WEBHOOK,
    sendgrid_events.WEBHOOK,
)

REFUSED_EVENT_SECONDS = 1.0
"""The least time between two events about refused webhooks of an integration: anybody can send such requests."""

_REMEMBERED = 1000
_MAX_NAME = 255

_SECRET = "webhook_signing_secret"  # noqa: S105 - the name of a field


class IncomingWebhookAnswer(msgspec.Struct):
    """A webhook that was accepted."""

    type: str
    description: str
    payload: Hash


class StripeWebhookAnswer(msgspec.Struct):
    """An event of Stripe that was accepted."""

    id: str
    description: str
    type: str | UnsetType = UNSET


@dataclass(slots=True)
class _RefusedEvents:
    """When a refused webhook of an integration last became an event."""

    noted: dict[str, float] = field(default_factory=dict)

    def may_note(self, integration_id: str) -> bool:
        """Return whether it may become one now, and record that it does."""
        now = time.monotonic()
        if now - self.noted.get(integration_id, -REFUSED_EVENT_SECONDS) < REFUSED_EVENT_SECONDS:
            return False
        if len(self.noted) >= _REMEMBERED:
            self.noted.clear()
        self.noted[integration_id] = now
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingWebhooksResource:
    """The operations that providers call, with the stores that they use.

    `item_retention` applies to projects that have none of their own.
    """

    integrations: IntegrationStore
    projects: ProjectStore
    deliveries: WebhookDeliveries
    idempotency: IdempotencyStore
    sender: Sender
    mail: MailFeedback
    events: ProjectEvents
    http: ProviderHttp
    item_retention: ItemRetention
    now: Callable[[], Moment]
    refused: _RefusedEvents = field(default_factory=_RefusedEvents)

    async def receive(self, webhook: IncomingWebhook, call: PublicCall) -> Response:
        """Receive a webhook of {title}, as {title} sends it. The signature is verified by the saved secret.

        It becomes an event of the project, and the notifications that the configuration maps it to. A delivery that the
        provider repeats is answered with 200, and does nothing again.
        """
        found = await self.integrations.find(webhook.kind, call.uuid("integration_id", "Integration"))
        project = await self.projects.by_id(found[0]) if found is not None else None
        if found is None or project is None:
            raise not_found("Integration")
        body, configuration = await call.body(), found[1]
        secret = configuration.secrets.get(_SECRET)
        if secret is None and _SECRET not in configuration.names:
            raise not_found("Integration")  # it was saved without what verifies webhooks
        if secret is None:
            raise api_error(ErrorCode.STORE_DATA_BROKEN)
        request = WebhookRequest(call.request.headers, body, time.time())
        try:
            delivery = await webhook.read(request, secret, self.http.cached)
        except RefusedWebhookError as refusal:
            self._note_refused(project.id, webhook, configuration, refusal)
            if refusal.reason == "body":
                raise invalid(str(refusal)) from None
            raise api_error(ErrorCode.WEBHOOK_NOT_SIGNED, str(refusal)) from None
        is_new = await self._process(project, webhook, configuration, delivery)
        return json_response(_shown(webhook, delivery), 201 if is_new else 200)

    async def _process(
        self, project: Project, webhook: IncomingWebhook, configuration: Configuration, delivery: WebhookDelivery
    ) -> bool:
        """Do what a delivery causes, unless it is done already. Return whether it was not."""
        name = webhook.kind.name
        if await self.deliveries.is_done(project.id, name, delivery.id):
            return False
        notifications = mapped(configuration.plain, delivery)
        plans = encode([new_send_plan(self.now()) for _ in notifications])
        # No client can send this key, because a header has no NUL.
        key = f"\0webhook {digest_of(name, delivery.id)}"
        claim = await self.idempotency.begin(project.id, key, name, plans)
        if isinstance(claim, Busy):
            raise api_error(ErrorCode.IDEMPOTENCY_KEY_IN_USE, retry_after_seconds=1)
        if isinstance(claim, Finished | Reused):
            return False
        try:
            await self._send_all(project, notifications, claim.plan)
            if reports := webhook.feedback(configuration.plain, delivery.payload):
                await self.mail.apply(project.id, reports)
            if delivery.confirm_url:
                await self.http.get(delivery.confirm_url)
            # A repetition after a failure up to here writes the event again, rather than none.
            await self._write_accepted(project.id, webhook, configuration, delivery, len(notifications))
            await self.deliveries.record(project.id, name, delivery.id)
            await self.idempotency.finish(project.id, key, 201, b"")
        finally:
            self.idempotency.cut_off_if_under_way(project.id, key)
        return True

    async def _send_all(self, project: Project, notifications: list[MappedNotification], encoded_plans: bytes) -> None:
        """Send the notifications by the plans of the first attempt. The mapping may have changed since."""
        with decoding("an idempotency record"):
            plans = msgspec.json.decode(encoded_plans, type=list[SendPlan])
        keep = project.item_retention(self.item_retention)
        for notification, plan in zip(notifications, plans, strict=False):
            await self.sender.send(project.id, _command(notification), plan, keep, repeatable=True)

    async def _write_accepted(
        self,
        project_id: ProjectId,
        webhook: IncomingWebhook,
        configuration: Configuration,
        delivery: WebhookDelivery,
        notifications: int,
    ) -> None:
        context: dict[str, ContextValue] = {
            "integration": webhook.kind.name,
            "integration_id": configuration.id,
            "delivery_id": delivery.id[:_MAX_NAME],
            "event": delivery.type[:_MAX_NAME],
            "notifications": notifications,
        }
        await self.events.write(project_id, ProjectEvent(ProjectEventType.WEBHOOK_ACCEPTED, None, context))

    def _note_refused(
        self,
        project_id: ProjectId,
        webhook: IncomingWebhook,
        configuration: Configuration,
        refusal: RefusedWebhookError,
    ) -> None:
        if self.refused.may_note(configuration.id):
            context = {
                "integration": webhook.kind.name,
                "integration_id": configuration.id,
                "reason": refusal.reason,
            }
            self.events.note(project_id, ProjectEvent(ProjectEventType.WEBHOOK_REFUSED, None, context))


def _command(notification: MappedNotification) -> SendCommand:
    return SendCommand(
        title=notification.title,
        content=notification.content,
        action_url=notification.action_url,
        category=notification.category,
        topic=notification.topic,
        recipients=[
            Recipient(external_id=each.external_id, email=each.email, matches=each.matches)
            for each in notification.recipients
        ],
    )


def _shown(webhook: IncomingWebhook, delivery: WebhookDelivery) -> dict[str, Any]:
    if webhook is stripe.WEBHOOK:
        return {"id": delivery.id, "description": delivery.description, "type": delivery.type}
    return {"type": delivery.type, "description": delivery.description, "payload": delivery.payload}


_Handler = Callable[[IncomingWebhooksResource, PublicCall], Awaitable[Response]]


def _handler(webhook: IncomingWebhook) -> _Handler:
    """Return the handler of a provider's operation, with its description."""

    async def handle(resource: IncomingWebhooksResource, call: PublicCall) -> Response:
        return await resource.receive(webhook, call)

    handle.__doc__ = (IncomingWebhooksResource.receive.__doc__ or "").format(title=webhook.kind.title)
    return handle


def _operation(webhook: IncomingWebhook) -> AnyOperation:
    answer = StripeWebhookAnswer if webhook is stripe.WEBHOOK else IncomingWebhookAnswer
    name = webhook.kind.config.name.removesuffix("Config")
    payload = FreeObject(required=True, name=f"{name}Webhook", max_bytes=webhook.max_bytes)
    errors = {
        401: "The signature is missing or wrong, or too old",
        404: "There is no such integration",
        409: "The same delivery is being processed",
        413: "The body is too large",
        422: "The body is signed, but it is not a webhook of the provider",
        502: "The provider cannot be reached, for a certificate or a confirmation",
        503: "The store cannot be reached",
    }
    return Operation(
        "POST",
        f"/v2/integrations/{webhook.kind.name}/webhooks/incoming/{{integration_id}}",
        PUBLIC,
        _handler(webhook),
        f"Receive a webhook of {webhook.kind.title}",
        ResponseSpec(201, "Accepted", answer),
        Body("", payload, webhook.example, max_bytes=webhook.max_bytes),
        failures=(
            ResponseSpec(200, "Accepted before", answer),
            *(ResponseSpec(status, text, Errors) for status, text in errors.items()),
        ),
        tag="Integrations",
    )


OPERATIONS: list[AnyOperation] = [_operation(webhook) for webhook in WEBHOOKS]
