"""The metrics of this node as text: in Prometheus' format, or as OpenMetrics for clients that ask for it."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from prometheus_client import REGISTRY, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.openmetrics import exposition as openmetrics

from gateway import __version__
from gateway.revision import revision
from gateway.telemetry.process_metrics import process_metrics
from gateway.telemetry.process_table import ProcessTable, read_table

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"

_REVISION = revision()


class MetricsText(NamedTuple):
    """A response body and its type."""

    body: bytes
    content_type: str


class _Collected:
    """What the exposition functions need of a registry."""

    def __init__(self, metrics: Sequence[Metric]):
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def exposition(accept: str, process: str, more: Iterable[Metric] = ()) -> MetricsText:
    """Return all metrics in the format that an Accept header prefers, summed over the processes of this node.

    `process` is the name of this process if it is the only one. `more` are metrics that were made for this response.
    Call `tallies.collect` before it. It may run in another thread, and takes 7 to 50 ms (three processes that have
    served 10 to 60 operations).
    """
    found = _Collected(sorted([*_counted(), *_of_processes(process), *more], key=lambda metric: metric.name))
    if prefers_openmetrics(accept):
        return MetricsText(openmetrics.generate_latest(found), OPENMETRICS_TYPE)  # type: ignore[no-untyped-call] # no types
    return MetricsText(generate_latest(found), TEXT_TYPE)


def _counted() -> Iterator[Metric]:
    """Yield what was counted here and, with several processes, in the others."""
    # Metrics of the library itself are of one process, and `_of_processes` has them of each.
    own = [metric for metric in REGISTRY.collect() if metric.name.startswith("inbox_")]
    if DIRECTORY in os.environ:
        collector = MultiProcessCollector(None)  # type: ignore[no-untyped-call] # the library has no types here
        found = list(collector.collect())  # type: ignore[no-untyped-call] # the same
        yield from found
        names = {metric.name for metric in found}
        # Nothing has happened yet that these count, but a reader should learn that they exist.
        yield from (Metric(each.name, each.documentation, each.type) for each in own if each.name not in names)
    else:
        yield from own


def _of_processes(process: str) -> Iterator[Metric]:
    table = ProcessTable({})
    if DIRECTORY in os.environ:
        table = read_table(Path(os.environ[DIRECTORY]))
    if not table.processes:
        kind = process.partition("-")[0]
        table = ProcessTable({process: os.getpid()}, {kind: 1}, {kind: 0})
    return process_metrics(table, __version__, _REVISION)


def prefers_openmetrics(accept: str) -> bool:
    """Return whether an Accept header names OpenMetrics 1.0, and prefers no other type that it names."""
    best, wanted = 0.0, 0.0
    for each in accept.lower().split(","):
        name, *rest = (part.strip() for part in each.split(";"))
        parameters = dict(part.partition("=")[::2] for part in rest)
        try:
            quality = float(parameters.get("q", 1))
        except ValueError:
            quality = 0.0
        if name != "application/openmetrics-text":
            best = max(best, quality)
        elif parameters.get("version", "1.0.0") == "1.0.0":
            wanted = max(wanted, quality)
    return wanted > 0 and wanted >= best
