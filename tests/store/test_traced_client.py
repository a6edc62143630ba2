"""The client that carries traces on. In a cluster, a call and the context that it stores are in different slots."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from gateway.settings import Settings
from gateway.store import keys
from gateway.store.contents import Content, ContentStore, NotificationFields
from gateway.store.event_log import LogRetention
from gateway.store.inbox import InboxStore
from gateway.store.jobs import JobKind, JobStore
from gateway.store.library import LIBRARY
from gateway.store.redis.subscriber import Subscriber
from gateway.store.redis.topology import Topology
from gateway.store.span_contexts import OF_MANY, SpanContexts
from gateway.store.traced_client import SPAN_MESSAGE, TracedClient
from gateway.telemetry.span_export import SpanQueue
from gateway.telemetry.spans import Spans, to_text
from tests.cluster import running_cluster
from tests.servers import running_redis
from tests.store.conftest import at, close, new_user


@pytest.fixture(scope="module", params=["server", "cluster"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a server, and of a cluster."""
    directory = tmp_path_factory.mktemp("traced")
    if request.param == "server":
        with running_redis("valkey", directory) as server:
            yield server.url
        return
    with running_cluster(directory) as cluster:
        yield cluster.url


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def spans(exported: InMemorySpanExporter) -> Iterator[Spans]:
    provider, queue = TracerProvider(shutdown_on_exit=False), SpanQueue(InMemorySpanExporter())
    provider.add_span_processor(SimpleSpanProcessor(exported))
    yield Spans(provider.get_tracer("test"), queue)
    queue.close(10)


@pytest.fixture
async def client(url: str, spans: Spans) -> AsyncIterator[TracedClient]:
    client = TracedClient(Topology(Settings(redis_url=url, redis_timeout_seconds=30)), LIBRARY, spans, carries=True)
    await client.load()
    yield client
    await close(client)


async def test_the_message_about_a_span_precedes_its_event_which_is_the_same_without_traces(
    client: TracedClient, spans: Spans, exported: InMemorySpanExporter
) -> None:
    user = new_user()
    channel = keys.user(user.project_id, user.id).encode()
    received: list[bytes] = []
    subscriber = Subscriber(client, uuid4().hex)
    subscriber.on_messages = lambda _, messages: received.extend(messages)
    running = asyncio.create_task(subscriber.run())
    async with asyncio.timeout(30):
        while not subscriber.healthy:
            await asyncio.sleep(0.01)
        await subscriber.subscribe(channel)
        inboxes = InboxStore(client, LogRetention(events=10, seconds=100), ContentStore(client))
        item = Content.encode(str(uuid4()), NotificationFields(title="t"))
        with spans.running("request", SpanKind.SERVER, {}, Context()):
            await inboxes.create_each(item, [user], at(1_700_000_000), remember=False)
        while len(received) < 2:
            await asyncio.sleep(0.01)
    message, event = received
    call, request = exported.get_finished_spans()[-2:]
    assert (call.name, request.name) == ("FCALL create_each", "request")
    assert call.parent is not None
    assert call.parent.span_id == request.context.span_id
    assert message.startswith(SPAN_MESSAGE + event.split(b" ")[1] + b" 00-")
    assert f"{call.context.span_id:016x}".encode() in message
    assert f"{call.context.trace_id:032x}".encode() not in event
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_the_context_of_a_job_and_of_a_notification_for_webhooks_is_stored(
    client: TracedClient, spans: Spans
) -> None:
    user, item = new_user(), Content.encode(str(uuid4()), NotificationFields(title="t"))
    inboxes, job_id = InboxStore(client, LogRetention(events=10, seconds=100), ContentStore(client)), str(uuid4())
    with spans.running("request", SpanKind.SERVER, {}, Context()) as request:
        await JobStore(client).enqueue(JobKind.IMPORT, user.project_id, job_id, b"", 1, listed=False)
        await inboxes.create_each(item, [user], at(1), remember=False)
        client.has_webhooks = lambda project_id: project_id == user.project_id
        other = Content.encode(str(uuid4()), NotificationFields(title="t"))
        await inboxes.create_each(other, [user, new_user()], at(2), remember=False)
        context = to_text(request)
    ids = [job_id, item.id_text, other.id_text]
    async with asyncio.timeout(30):
        found = await SpanContexts(client).read_many(user.project_id, ids)
    assert found == [OF_MANY + context, "", context]


async def test_outside_of_a_trace_nothing_is_carried(client: TracedClient, exported: InMemorySpanExporter) -> None:
    user, item = new_user(), Content.encode(str(uuid4()), NotificationFields(title="t"))
    client.has_webhooks = lambda project_id: True
    inboxes = InboxStore(client, LogRetention(events=10, seconds=100), ContentStore(client))
    await inboxes.create_each(item, [user], at(1), remember=False)
    assert await SpanContexts(client).read_many(user.project_id, [item.id_text]) == [""]
    assert exported.get_finished_spans() == ()
