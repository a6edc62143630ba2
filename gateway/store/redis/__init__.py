"""Access to Redis: protocol, connections, topology, the function library, subscriptions, and exceptions."""

import importlib
import sys

_METRICS = "opentelemetry.sdk.metrics"

# redis-py imports the metrics of OpenTelemetry wherever the extra `otel` is installed. They take each process 0.1 s
# and 2 MB, and nobody reads them. None in `sys.modules` makes that import fail, as if they were not installed.
if _METRICS not in sys.modules:
    sys.modules[_METRICS] = None  # type: ignore[assignment]
    try:
        importlib.import_module("redis.observability.providers")
    finally:
        del sys.modules[_METRICS]
