"""Turns of jobs as spans. They are used only with INBOX_TRACES=on.

A broadcast to a million users is no part of the request that began it: each turn of its job is a trace of its own, with
a link to that request. The sampler decides about it by itself.
"""

from collections.abc import Awaitable, Callable

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from gateway.store.job_queue import Job
from gateway.store.redis.problems import StoreUnavailableError
from gateway.store.span_contexts import OF_MANY, SpanContexts
from gateway.telemetry.spans import Spans, from_text, link_to


class JobSpans:
    """Creates the spans of the jobs of a worker."""

    def __init__(self, spans: Spans, contexts: SpanContexts):
        self._spans = spans
        self._contexts = contexts

    async def around(self, job: Job, turn: Callable[[Job], Awaitable[None]]) -> None:
        """Run a turn of a job within a span."""
        try:
            (context,) = await self._contexts.read_many(job.project_id, [job.id])
        except StoreUnavailableError:
            context = ""
        link = link_to(from_text(context.removeprefix(OF_MANY)))
        attributes = {"inbox.project_id": job.project_id, "inbox.job_id": job.id, "inbox.job_kind": job.kind.value}
        links = () if link is None else (link,)
        with self._spans.running(f"job {job.kind.value}", SpanKind.CONSUMER, attributes, Context(), links):
            await turn(job)
