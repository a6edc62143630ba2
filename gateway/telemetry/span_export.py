"""The export of finished spans to the collector: a bounded queue, and a thread that exports what is in it.

The event loop only appends to the queue. If the collector is slower than the spans, or does not respond, the queue is
full after a while, and further spans are dropped and counted. The SDK's own batch processor would do the same, but it
counts nothing, and logs each failure of a collector that is down.
"""

import logging
import os
import threading
import time
from collections import deque

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from gateway.telemetry.logs import log
from gateway.telemetry.metrics import SPANS_DROPPED, SPANS_EXPORTED
from gateway.telemetry.tallies import Tally

REPORT_SECONDS = 60.0
"""How often a collector that accepts no spans is logged."""

_dropped = Tally(SPANS_DROPPED)


class SpanQueue(SpanProcessor):
    """The finished spans of a process until they are exported. Call `close` at the end.

    Its bounds are the standard variables of a batch processor.
    """

    def __init__(self, exporter: SpanExporter):
        self._exporter = exporter
        self._size = _number("OTEL_BSP_MAX_QUEUE_SIZE", 2048)
        self._batch = min(_number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512), self._size)
        self._delay = _number("OTEL_BSP_SCHEDULE_DELAY", 5000) / 1000
        self._waiting: deque[ReadableSpan] = deque()
        self._woken = threading.Event()
        self._closing = False
        self._reported_at = -REPORT_SECONDS
        self._unreported = 0
        self._cause = _Cause()
        self._thread = threading.Thread(target=self._run, name="span-export", daemon=True)
        self._thread.start()

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span. It is called in the thread of the event loop, and never waits."""
        if not span.context.trace_flags.sampled:
            return
        if len(self._waiting) >= self._size or self._closing:
            _dropped.value += 1
            return
        self._waiting.append(span)
        if len(self._waiting) >= self._batch and not self._woken.is_set():
            self._woken.set()

    def close(self, seconds: float) -> None:
        """Export what is left, for at most this long. What remains is dropped. It waits, so call it in a thread."""
        self._closing = True
        self._woken.set()
        self._thread.join(seconds)
        self._exporter.shutdown()  # ends the pause before a repetition
        if self._thread.is_alive():
            SPANS_DROPPED.inc(len(self._waiting))
            self._waiting.clear()

    def _run(self) -> None:
        while not self._closing:
            self._woken.wait(self._delay)
            self._woken.clear()
            self._export_some()
        self._export_some()

    def _export_some(self) -> None:
        """Export what waits now."""
        for _ in range(len(self._waiting) // self._batch + 1):
            batch: list[ReadableSpan] = []
            while self._waiting and len(batch) < self._batch:
                batch.append(self._waiting.popleft())
            if not batch:
                return
            try:
                exported = self._exporter.export(batch) is SpanExportResult.SUCCESS
            except Exception as problem:  # a fault of the exporter must not end its thread
                exported, self._cause.text = False, type(problem).__name__
            if exported:
                SPANS_EXPORTED.inc(len(batch))
            else:
                SPANS_DROPPED.inc(len(batch))
                self._report(len(batch))

    def _report(self, spans: int) -> None:
        self._unreported += spans
        if time.monotonic() >= self._reported_at + REPORT_SECONDS:
            log.warning("spans_not_exported", spans=self._unreported, problem=self._cause.text)
            self._reported_at, self._unreported = time.monotonic(), 0


class _Cause(logging.Handler):
    """The reason of the last failed export, as the exporter logs it.

    Only statuses and names of exceptions are kept: the texts have the collector's address, which may contain a key.
    """

    def __init__(self) -> None:
        super().__init__()
        self.text = "no response"
        logger = logging.getLogger("opentelemetry.exporter")
        logger.handlers[:] = [self]
        logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        """Note the status or the exception in a line of the exporter."""
        for argument in record.args if isinstance(record.args, tuple) else ():
            if isinstance(argument, int):
                self.text = f"HTTP {argument}"
            elif isinstance(argument, Exception):
                self.text = type(argument).__name__


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "").strip()
    return max(1, int(text)) if text.isascii() and text.isdigit() else default
