"""Metrics that are made when they are read, not counted: of processes, of Redis, of lanes.

They are declared here as the others are in `telemetry.metrics`, so that the reference lists them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from prometheus_client.metrics_core import Metric


class Family(NamedTuple):
    """A metric with its labels. The name of a counter has no `_total`."""

    name: str
    type: str
    help: str
    labels: tuple[str, ...] = ()

    def metric(self, *samples: tuple[Sequence[str], float]) -> Metric:
        """Return the metric with samples, each of which has the values of the labels and a number."""
        metric = Metric(self.name, self.help, self.type)
        name = f"{self.name}_total" if self.type == "counter" else self.name
        for values, number in samples:
            metric.add_sample(name, dict(zip(self.labels, values, strict=True)), number)
        return metric


def gauge(name: str, help_text: str, *labels: str) -> Family:
    """Declare a gauge."""
    return Family(name, "gauge", help_text, labels)


def counter(name: str, help_text: str, *labels: str) -> Family:
    """Declare a counter."""
    return Family(name, "counter", help_text, labels)
