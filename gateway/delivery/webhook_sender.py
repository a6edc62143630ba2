"""Sends the messages of webhook endpoints, and decides when a failed one is repeated, and when an endpoint is disabled.

An endpoint is served by one worker at a time, with up to CONCURRENCY requests at once. Its failures concern no other
endpoint: after some of them a pause begins, and then one message at a time is tried.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from gateway.channels.outcome import Dead, Delivered, Outcome, Retry, Throttled
from gateway.channels.provider import Schedule
from gateway.channels.webhook import SECONDS, Http, Sent, send
from gateway.delivery.policy import pause_of, wait_after
from gateway.domain.ids import ProjectId
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.domain.webhook import EXPIRY_MS, Attempt, EndpointHealth, MessageState, ms_of
from gateway.store.project_events import ProjectEvents
from gateway.store.redis.problems import StoreUnavailableError
from gateway.store.webhook_endpoints import (
    DISABLED_BY_ENDPOINT,
    DISABLED_BY_FAILURES,
    Endpoint,
    WebhookEndpointStore,
)
from gateway.store.webhook_messages import TakenMessage, WebhookMessageStore
from gateway.telemetry.logs import log
from gateway.telemetry.metrics import ACCEPTED_TO_DELIVERED_SECONDS, DELIVERIES, DELIVERY_REQUEST_SECONDS

if TYPE_CHECKING:
    from gateway.delivery.spans import DeliverySpans

NAME = "webhook"
"""The channel and the provider in metrics."""

_OUTCOMES: dict[type[Outcome], str] = {
    Delivered: "delivered",
    Dead: "dead",
    Retry: "retry",
    Throttled: "throttled",
}

CONCURRENCY = 10
"""The requests to one endpoint at once."""

SERVED_SECONDS = 2.0
"""How long an endpoint is served with further messages before other members of the lane get their turn."""

RECORD_TRIES, RECORD_SECONDS = 30, 0.5
"""How often an attempt is recorded until Redis takes it, and the pause in between."""

LEASE_MS = int(1000 * (SECONDS + 20))
"""How long taken messages are due to nobody else: the time limit of a request, and what a stall of Redis may take."""

WAIT_MS = 10_000
"""How long a taken message waits for its turn among the requests of its project."""


class WebhookSender:
    """Serves endpoints. Methods raise StoreUnavailableError, and may be repeated: messages keep their ids."""

    def __init__(
        self,
        endpoints: WebhookEndpointStore,
        messages: WebhookMessageStore,
        http: Http,
        events: ProjectEvents,
        unix: Callable[[], float],
        spread: Callable[[], float] = random.random,
        spans: "DeliverySpans | None" = None,
    ):
        self._endpoints = endpoints
        self._messages = messages
        self._http = http
        self._events = events
        self._unix = unix
        self._spread = spread
        self._spans = spans

    async def serve(self, project_id: ProjectId, endpoint_id: str, requests: asyncio.Semaphore) -> int | None:
        """Send what is due to an endpoint. Return the unix ms at which it is to be served again, None for never.

        `requests` limits how many requests are under way to all endpoints of the project.
        """
        endpoint = await self._endpoints.read(project_id, endpoint_id)
        if endpoint is None:
            await self._messages.clear(project_id, endpoint_id)  # a message was added while it was deleted
            return None
        started = self._unix()
        while not endpoint.disabled:
            health, due_ms = await self._messages.health(project_id, endpoint.id)
            if due_ms is None:
                return None
            next_ms, now = max(due_ms, health.resumes_ms), self._unix()
            if next_ms > now * 1000 or now - started > SERVED_SECONDS:
                return next_ms
            endpoint = await _Batch(self, project_id, endpoint, health, requests).send()
        return None  # it is woken when it is enabled

    def now_ms(self) -> int:
        """Return the unix time in milliseconds."""
        return int(self._unix() * 1000)

    async def take(self, project_id: ProjectId, endpoint_id: str, limit: int) -> list[TakenMessage]:
        """Return messages that are due."""
        now_ms = self.now_ms()
        return await self._messages.take(project_id, endpoint_id, now_ms, now_ms + LEASE_MS, limit)

    async def post(self, project_id: ProjectId, endpoint: Endpoint, message: TakenMessage) -> tuple[Sent, Attempt]:
        """Send a message once."""
        now = self._unix()
        now_ms = int(now * 1000)
        post = partial(send, self._http, endpoint.url, endpoint.signing(now_ms), message.id, now, message.body)
        sent = await (post() if self._spans is None else self._spans.around_webhook(project_id, message, post))
        _count(sent, message, now, self._unix())
        reason = "" if isinstance(sent.outcome, Delivered) else getattr(sent.outcome, "reason", "")
        return sent, Attempt(now_ms, sent.status, max(0, self.now_ms() - now_ms), reason)

    def next_ms(self, sent: Sent, message: TakenMessage) -> int | None:
        """Return when a message is tried again after an attempt, None if it is not."""
        match sent.outcome:
            case Delivered() | Dead():
                return None
            case Throttled() as throttled:
                due_ms = self.now_ms() + int(1000 * pause_of(throttled))
                return due_ms if due_ms - ms_of(message.id) < EXPIRY_MS else None
        wait = wait_after(Schedule.PATIENT, message.attempts, self._spread())
        return None if wait is None else self.now_ms() + int(1000 * wait)

    async def record(
        self,
        project_id: ProjectId,
        endpoint: Endpoint,
        message: TakenMessage,
        sent: Sent,
        attempt: Attempt,
        health: EndpointHealth,
    ) -> None:
        """Record an attempt, through an outage of Redis. After a long one, the message is sent again."""
        next_ms = self.next_ms(sent, message)
        spent = message.attempts - isinstance(sent.outcome, Throttled)
        if isinstance(sent.outcome, Delivered):
            state = MessageState.DELIVERED
        else:
            state = MessageState.FAILED if next_ms is None else MessageState.PENDING
        for _ in range(RECORD_TRIES):
            try:
                await self._messages.record(project_id, endpoint.id, message, attempt, state, spent, next_ms, health)
                return
            except StoreUnavailableError:
                await asyncio.sleep(RECORD_SECONDS)

    async def disable(self, project_id: ProjectId, endpoint: Endpoint, reason: str) -> Endpoint:
        """Disable an endpoint, unless its address has changed since it was read. Return it as it is now."""
        found: Endpoint | None = endpoint
        while found is not None and found.url == endpoint.url and not found.disabled:
            after = replace(found, disabled=reason, updated_ms=self.now_ms())
            if await self._endpoints.save(project_id, after, found):
                log.warning("webhook_endpoint_disabled", project=project_id, endpoint=endpoint.id, reason=reason)
                context = {"endpoint_id": endpoint.id, "reason": reason}
                event = ProjectEvent(ProjectEventType.ENDPOINT_DISABLED, context=context)
                await self._events.write(project_id, event)
                return after
            found = await self._endpoints.read(project_id, endpoint.id)
        return found or replace(endpoint, disabled=reason)


def _count(sent: Sent, message: TakenMessage, began: float, now: float) -> None:
    """Count an attempt in the metrics of deliveries."""
    DELIVERIES.labels(NAME, NAME, _OUTCOMES.get(type(sent.outcome), "unknown")).inc()
    if sent.status:
        DELIVERY_REQUEST_SECONDS.labels(NAME).observe(max(0.0, now - began))
    if isinstance(sent.outcome, Delivered) and message.attempts == 1:
        ACCEPTED_TO_DELIVERED_SECONDS.labels(NAME).observe(max(0.0, now - ms_of(message.id) / 1000))


class _Batch:
    """Messages that are sent to an endpoint at once, and the health of the endpoint meanwhile."""

    def __init__(
        self,
        sender: WebhookSender,
        project_id: ProjectId,
        endpoint: Endpoint,
        health: EndpointHealth,
        requests: asyncio.Semaphore,
    ):
        self._sender = sender
        self._requests = requests
        self._project_id = project_id
        self._endpoint = endpoint
        self._health = health
        self._is_gone = False

    async def send(self) -> Endpoint:
        """Send what is due, and return the endpoint as it is then."""
        limit = 1 if self._health.is_probed else CONCURRENCY
        taken = await self._sender.take(self._project_id, self._endpoint.id, limit)
        async with asyncio.TaskGroup() as group:
            for message in taken:
                group.create_task(self._send_one(message), name="webhook")
        if self._is_gone:
            return await self._sender.disable(self._project_id, self._endpoint, DISABLED_BY_ENDPOINT)
        if self._health.is_dead(self._sender.now_ms()):
            return await self._sender.disable(self._project_id, self._endpoint, DISABLED_BY_FAILURES)
        return self._endpoint

    async def _send_one(self, message: TakenMessage) -> None:
        taken_ms = self._sender.now_ms()
        async with self._requests:
            if self._sender.now_ms() - taken_ms > WAIT_MS:
                return  # it is due again when its lease ends
            sent, attempt = await self._sender.post(self._project_id, self._endpoint, message)
        self._note(sent)
        await self._sender.record(self._project_id, self._endpoint, message, sent, attempt, self._health)

    def _note(self, sent: Sent) -> None:
        now_ms = self._sender.now_ms()
        match sent.outcome:
            case Delivered():
                self._health = self._health.succeeded()
            case Throttled() as throttled:
                self._health = self._health.throttled(now_ms, int(1000 * pause_of(throttled)))
            case Dead():
                self._is_gone = True
            case _:
                self._health = self._health.failed(now_ms)
