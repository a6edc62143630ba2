"""Probes and metrics of a worker."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from gateway.api.core.call import PUBLIC, PublicCall
from gateway.api.core.operation import Operation
from gateway.api.core.responses import json_response
from gateway.api.core.schema import ResponseSpec
from gateway.domain.readiness import readiness
from gateway.telemetry.exposition import MetricsText


class Health(msgspec.Struct):
    """The process runs."""

    status: Literal["ok"]


class Readiness(msgspec.Struct):
    """Whether the worker is ready for traffic.

    If it is not, `reason` is `draining` or the code of an error. For an error, `message` explains the cause.
    """

    status: Literal["ready", "not ready"]
    reason: str | UnsetType = UNSET
    message: str | UnsetType = UNSET


HEALTHY = ResponseSpec(200, "The process runs", Health)
READY = ResponseSpec(200, "Ready", Readiness)
NOT_READY = ResponseSpec(503, "The worker is draining, or cannot use Redis", Readiness, headers=("Retry-After",))
METRICS = ResponseSpec(200, "The metrics", media_type="text/plain")


@dataclass(frozen=True, slots=True)
class HealthResource:
    """The probes and the metrics.

    `not_ready` returns the reason why the worker should receive no traffic now, "" if there is none. `read_metrics`
    returns the metrics for an Accept header.
    """

    not_ready: Callable[[], str]
    read_metrics: Callable[[str], Awaitable[MetricsText]]

    async def healthz(self, call: PublicCall) -> Response:
        """Return 200 whenever the process can respond: a liveness probe. It does not use Redis."""
        return json_response({"status": "ok"})

    async def readyz(self, call: PublicCall) -> Response:
        """Return 200 if this worker should get traffic, 503 while it drains or cannot use Redis: a readiness probe."""
        reason = self.not_ready()
        if not reason:
            return json_response(readiness(reason))
        return json_response(readiness(reason), 503, {"Retry-After": "1"})

    async def metrics(self, call: PublicCall) -> Response:
        """Return the metrics of all processes of this node, and of Redis, in the text format of Prometheus.

        A client whose `Accept` header prefers `application/openmetrics-text` gets OpenMetrics 1.0. If
        `INBOX_METRICS_PORT` is set, the metrics are on that port alone.
        """
        text = await self.read_metrics(call.request.headers.get("accept", ""))
        return Response(text.body, headers={"Content-Type": text.content_type})


OPERATIONS = [
    Operation("GET", "/healthz", PUBLIC, HealthResource.healthz, "Check that the process runs", HEALTHY),
    Operation(
        "GET", "/readyz", PUBLIC, HealthResource.readyz, "Check readiness for traffic", READY, failures=(NOT_READY,)
    ),
    Operation("GET", "/metrics", PUBLIC, HealthResource.metrics, "Get Prometheus metrics", METRICS),
]
