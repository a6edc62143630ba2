"""Spans of OpenTelemetry: what a process did for one request, and how long each part took.

This module is imported only with INBOX_TRACES=on. Its packages are the extra `otel`, and their standard variables
(`OTEL_…`) configure it. Nothing that a user wrote or that names a user becomes an attribute.

The current span is a context variable of its own. A span that has ended is no parent: a task that a request started,
and that goes on without it, belongs to no trace.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Tracer, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.trace.status import Status, StatusCode

from gateway import __version__
from gateway.telemetry.logs import log
from gateway.telemetry.span_export import SpanQueue

CLOSE_SECONDS = 2.0
"""How long a process that ends exports what is left. The supervisor kills it some seconds after the drain time."""

MAX_STATE_LENGTH = 512
"""The most characters of `tracestate` that are carried on: what the specification asks everybody to carry."""

CURRENT: ContextVar[Span | None] = ContextVar("span", default=None)
"""The span of what runs now, None outside of traces."""

_PROPAGATOR = TraceContextTextMapPropagator()


class Spans:
    """Creates the spans of a process."""

    def __init__(self, tracer: Tracer, queue: SpanQueue):
        self._tracer = tracer
        self._queue = queue

    def begin(
        self,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any],
        parent: Context,
        links: Sequence[Link] = (),
        started_ns: int | None = None,
    ) -> Span:
        """Begin a span. Call its `end` afterwards. An empty `parent` begins a trace, if the sampler takes it."""
        return self._tracer.start_span(name, parent, kind, attributes, links, started_ns)

    @contextmanager
    def running(
        self,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any],
        parent: Context,
        links: Sequence[Link] = (),
    ) -> Iterator[Span]:
        """Make a span the current one until the block ends."""
        span = self.begin(name, kind, attributes, parent, links)
        token = CURRENT.set(span)
        try:
            yield span
        except BaseException as problem:
            failed(span, type(problem).__name__)
            raise
        finally:
            CURRENT.reset(token)
            span.end()

    async def close(self) -> None:
        """Export what is left, for CLOSE_SECONDS at most."""
        await asyncio.to_thread(self._queue.close, CLOSE_SECONDS)


def start_spans(process_id: str, role: str) -> Spans:
    """Start to create and export the spans of this process. Lines of its log have the trace from now on."""
    # The library writes a line for each header that it cannot read, with the text of the client, past our log.
    logger = logging.getLogger("opentelemetry")
    logger.handlers[:], logger.propagate = [logging.NullHandler()], False
    queue = SpanQueue(OTLPSpanExporter())
    provider = TracerProvider(resource=_resource(process_id, role), shutdown_on_exit=False)
    provider.add_span_processor(queue)
    log.trace_id = current_trace_id
    return Spans(provider.get_tracer("inbox-gateway", __version__), queue)


def _resource(process_id: str, role: str) -> Resource:
    """Return the attributes of this process. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence."""
    own = {
        "service.name": "inbox-gateway",
        "service.version": __version__,
        "service.instance.id": process_id,
        "inbox.process": role,
    }
    return Resource({**Resource.create().attributes, **own, **OTELResourceDetector().detect().attributes})


# ---- the current span


def recorded() -> Span | None:
    """Return the current span if it is recorded and has not ended, else None."""
    span = CURRENT.get()
    return span if span is not None and span.is_recording() else None


def current_trace_id() -> str:
    """Return the id of the current trace in hexadecimal, "" outside of traces."""
    span = CURRENT.get()
    context = span.get_span_context() if span is not None else None
    return f"{context.trace_id:032x}" if context is not None and context.is_valid else ""


def below(span: Span) -> Context:
    """Return the parent of spans below a span."""
    return set_span_in_context(span, Context())


def failed(span: Span, error_type: str) -> None:
    """Mark a span as failed. `error_type` is a fixed word, never a text that may have data of users."""
    if span.is_recording():
        span.set_attribute("error.type", error_type)
        span.set_status(Status(StatusCode.ERROR))


# ---- contexts that are carried to another process


def from_headers(headers: Mapping[str, str]) -> Context:
    """Return the parent that a request names by `traceparent`, an empty one without. Names are in lower case."""
    return _PROPAGATOR.extract(headers, Context()) if "traceparent" in headers else Context()


def to_text(span: Span) -> str:
    """Return the context of a span as text: `traceparent`, and `tracestate` after a space if there is one."""
    context = span.get_span_context()
    state = context.trace_state.to_header()
    return traceparent(context) + (f" {state}" if state and len(state) <= MAX_STATE_LENGTH else "")


def from_text(text: str) -> Context:
    """Return the parent that a text of `to_text` names, an empty one for any other text."""
    parent, _, state = text.partition(" ")
    return from_headers({"traceparent": parent, **({"tracestate": state} if state else {})})


def link_to(parent: Context) -> Link | None:
    """Return a link to the span of a context, None for an empty one."""
    context = get_current_span(parent).get_span_context()
    return Link(context) if context.is_valid else None


def traceparent(context: SpanContext) -> str:
    """Return a context as the header `traceparent`."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def headers_of(span: Span) -> dict[str, str]:
    """Return the headers that carry a span to the receiver of a request."""
    parent, _, state = to_text(span).partition(" ")
    return {"traceparent": parent, **({"tracestate": state} if state else {})}
