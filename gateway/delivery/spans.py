"""Deliveries as spans of the requests that sent the notifications. They are used only with INBOX_TRACES=on.

    POST /notifications          in a worker
      deliver email              here: one attempt to deliver one notification to one destination
        send smtp                the request to the provider, which may have several messages

Of what was sent to many, each request to a provider is a trace of its own with links. A delivery that belongs to no
trace has no span. Only webhooks of the project get `traceparent`: third parties do not.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind

from gateway.channels.outcome import Delivered, Handed, Outcome
from gateway.channels.webhook import Sent
from gateway.delivery.user_work import Attempt
from gateway.domain.delivery import Lane
from gateway.domain.ids import ProjectId
from gateway.domain.webhook import WebhookEvent
from gateway.store.redis.problems import StoreUnavailableError
from gateway.store.span_contexts import OF_MANY, SpanContexts
from gateway.store.webhook_messages import TakenMessage
from gateway.telemetry.spans import Spans, below, failed, from_text, headers_of, link_to

MAX_CACHED = 1000
"""How many contexts are remembered. A notification is looked up once for each attempt of each of its recipients."""

R = TypeVar("R")


class _Item(msgspec.Struct, frozen=True):
    id: str = ""


class _Data(msgspec.Struct, frozen=True):
    notification: _Item = _Item()


class _Body(msgspec.Struct, frozen=True):
    data: _Data = _Data()


_decode = msgspec.json.Decoder(_Body).decode


class DeliverySpans:
    """Creates the spans of a process that delivers."""

    def __init__(self, spans: Spans, contexts: SpanContexts):
        self._spans = spans
        self._contexts = contexts
        self._cache: OrderedDict[tuple[ProjectId, str], str] = OrderedDict()

    async def around_request(
        self,
        lane: Lane,
        provider: str,
        attempts: Sequence[Attempt],
        send: Callable[[], Awaitable[Sequence[Outcome]]],
    ) -> Sequence[Outcome]:
        """Send the messages of attempts within spans, and return their outcomes."""
        ids = [str(UUID(bytes=attempt.entry.entry.id.notification_id)) for attempt in attempts]
        contexts = await self._read(lane.project_id, ids)
        channel = lane.route.channel.value if lane.route.channel is not None else lane.route.name.lower()
        begun: list[tuple[int, Span]] = []
        links: list[Link] = []
        for place, (attempt, notification_id) in enumerate(zip(attempts, ids, strict=True)):
            context = contexts.get(notification_id, "")
            if context.startswith(OF_MANY):
                links += filter(None, [link_to(from_text(context.removeprefix(OF_MANY)))])
            elif context:
                attributes = {
                    **_of(lane.project_id, channel, provider),
                    "inbox.notification_id": notification_id,
                    "inbox.attempt": attempt.before.attempts + 1,
                }
                parent = from_text(context)
                begun.append((place, self._spans.begin(f"deliver {channel}", SpanKind.CONSUMER, attributes, parent)))
        if not begun and not links:
            return await send()
        outcomes: Sequence[Outcome] = []
        try:
            outcomes = await self._request(lane.project_id, channel, provider, begun, links, len(attempts), send)
        finally:
            for place, span in begun:
                _end(span, outcomes[place] if place < len(outcomes) else None)
        return outcomes

    async def _request(
        self,
        project_id: ProjectId,
        channel: str,
        provider: str,
        begun: Sequence[tuple[int, Span]],
        links: Sequence[Link],
        messages: int,
        send: Callable[[], Awaitable[Sequence[Outcome]]],
    ) -> Sequence[Outcome]:
        """Send within the span of the request: below the first delivery, with links to all others."""
        attributes = {**_of(project_id, channel, provider), "inbox.messages": messages}
        parent = below(begun[0][1]) if begun else Context()
        others = [*links, *(Link(span.get_span_context()) for _, span in begun[1:])]
        with self._spans.running(f"send {provider}", SpanKind.CLIENT, attributes, parent, others) as span:
            outcomes = await send()
            _describe(span, outcomes[0] if len(outcomes) == 1 else None)
        return outcomes

    async def around_webhook(
        self, project_id: ProjectId, message: TakenMessage, post: Callable[[Mapping[str, str]], Awaitable[Sent]]
    ) -> Sent:
        """Post a message to a webhook endpoint within spans, with the headers that name the span.

        Only the message about a new notification is part of the trace of its request. Those about what users did with
        it later are traces of their own, with a link.
        """
        notification_id = _notification_id(message)
        context = (await self._read(project_id, [notification_id])).get(notification_id, "") if notification_id else ""
        if not context:
            return await post({})
        is_part = message.label == WebhookEvent.NOTIFICATION_CREATED.label and not context.startswith(OF_MANY)
        parent = from_text(context.removeprefix(OF_MANY))
        link = None if is_part else link_to(parent)
        attributes = {
            **_of(project_id, "webhook", "webhook"),
            "inbox.notification_id": notification_id,
            "inbox.attempt": message.attempts,
        }
        with self._spans.running(
            "deliver webhook",
            SpanKind.CONSUMER,
            {**attributes, "inbox.event": message.label},
            parent if is_part else Context(),
            () if link is None else (link,),
        ) as delivery:
            fixed = {"http.request.method": "POST", "inbox.event": message.label}
            with self._spans.running("POST", SpanKind.CLIENT, fixed, below(delivery)) as span:
                sent = await post(headers_of(span))
                if sent.status:
                    span.set_attribute("http.response.status_code", sent.status)
                _describe(span, sent.outcome)
            _describe(delivery, sent.outcome)
        return sent

    async def _read(self, project_id: ProjectId, notification_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the contexts of those notifications that belong to a trace. Tracing never delays a delivery twice."""
        wanted = set(notification_ids)
        missing = [each for each in wanted if (project_id, each) not in self._cache]
        if missing:
            try:
                found = await self._contexts.read_many(project_id, missing)
            except StoreUnavailableError:
                found = [""] * len(missing)
            for each, context in zip(missing, found, strict=True):
                self._cache[project_id, each] = context
            while len(self._cache) > MAX_CACHED + len(wanted):
                self._cache.popitem(last=False)
        return {each: context for each in wanted if (context := self._cache[project_id, each])}


def _of(project_id: ProjectId, channel: str, provider: str) -> dict[str, Any]:
    return {"inbox.project_id": project_id, "inbox.channel": channel, "inbox.provider": provider}


def _describe(span: Span, outcome: Outcome | None) -> None:
    """Add the kind of an outcome. Its reason is left out: a provider's text may contain an address."""
    if outcome is not None:
        name = type(outcome).__name__.lower()
        span.set_attribute("inbox.outcome", name)
        if not isinstance(outcome, Delivered | Handed):
            failed(span, name)


def _end(span: Span, outcome: Outcome | None) -> None:
    _describe(span, outcome)
    if outcome is None:
        failed(span, "stopped")
    span.end()


def _notification_id(message: TakenMessage) -> str:
    """Return the id of the notification that a message is about, "" if it is about none."""
    try:
        return _decode(message.body).data.notification.id
    except msgspec.MsgspecError:
        return ""
