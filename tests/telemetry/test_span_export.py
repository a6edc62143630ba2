"""The queue of finished spans: bounded, never waiting, and exported by a thread."""

import logging
import threading
from collections.abc import Sequence
from functools import partial

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from prometheus_client import REGISTRY

from gateway.telemetry import tallies
from gateway.telemetry.span_export import SpanQueue
from tests.servers import wait_for
from tests.stubs.http_stub import Reply
from tests.stubs.in_thread import in_thread
from tests.stubs.otlp_collector import Collector


class Exporter(SpanExporter):
    """An exporter that waits until it is released, and then responds as the test wants it."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.batches: list[int] = []
        self.problem: Exception | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.batches.append(len(spans))
        self.released.wait(30)
        if self.problem is not None:
            raise self.problem
        return SpanExportResult.SUCCESS

    def has_exported(self, batches: int) -> bool:
        return len(self.batches) == batches

    def shutdown(self) -> None:
        self.released.set()


@pytest.fixture(autouse=True)
def bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "not a number")


def count(name: str) -> float:
    tallies.collect()
    return REGISTRY.get_sample_value(f"inbox_spans_{name}_total") or 0.0


def spans(queue: SpanQueue, number: int, *, sampled: bool = True) -> None:
    provider = TracerProvider(sampler=ALWAYS_ON if sampled else ALWAYS_OFF, shutdown_on_exit=False)
    provider.add_span_processor(queue)
    for _ in range(number):
        provider.get_tracer("test").start_span("a span").end()


def test_what_does_not_fit_while_the_collector_is_slow_is_dropped_and_counted() -> None:
    exporter, dropped, exported = Exporter(), count("dropped"), count("exported")
    queue = SpanQueue(exporter)
    spans(queue, 4)
    wait_for(lambda: exporter.batches == [4], "the first batch")
    spans(queue, 13)  # ten fit while the first ones are being exported
    assert count("dropped") == dropped + 3
    exporter.released.set()
    queue.close(30)
    assert exporter.batches == [4, 4, 4, 2]
    assert count("exported") == exported + 14
    spans(queue, 1)
    assert count("dropped") == dropped + 4


def test_a_queue_that_is_closed_drops_what_it_could_not_export_in_time() -> None:
    exporter, dropped = Exporter(), count("dropped")
    queue = SpanQueue(exporter)
    spans(queue, 4)
    wait_for(lambda: exporter.batches == [4], "the first batch")
    spans(queue, 2)
    queue.close(0.01)
    assert count("dropped") == dropped + 2


def test_spans_that_are_not_sampled_are_not_queued() -> None:
    exporter = Exporter()
    queue = SpanQueue(exporter)
    spans(queue, 20, sampled=False)
    queue.close(30)
    assert exporter.batches == []


def test_a_fault_of_the_exporter_is_logged_once_and_its_thread_goes_on(capfd: pytest.CaptureFixture[str]) -> None:
    exporter, dropped = Exporter(), count("dropped")
    exporter.problem = ValueError("with a secret")
    exporter.released.set()
    queue = SpanQueue(exporter)
    for total in (1, 2):
        spans(queue, 4)
        wait_for(partial(exporter.has_exported, total), "a batch")
    queue.close(30)
    assert count("dropped") == dropped + 8
    written = capfd.readouterr().err
    assert written.count("spans_not_exported") == 1
    assert "ValueError" in written
    assert "secret" not in written


def test_the_log_has_the_status_of_a_collector_that_refuses_but_not_its_address(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with in_thread(Collector()) as collector:
        collector.faults.append(Reply(401))
        queue = SpanQueue(OTLPSpanExporter(f"{collector.url}/v1/traces?key=secret"))
        spans(queue, 1)
        queue.close(30)
    written = capfd.readouterr().err
    assert "HTTP 401" in written
    assert "secret" not in written


def test_other_lines_of_the_library_are_still_logged() -> None:
    SpanQueue(Exporter()).close(30)
    assert logging.getLogger("opentelemetry.sdk").propagate
    assert not logging.getLogger("opentelemetry.exporter").propagate
