"""Whether this process runs, whether it should get traffic, and its metrics."""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from gateway.api.core.operation import Call, Operation, Scope, json_response
from gateway.api.core.schema import Answer
from gateway.domain.errors import ErrorCode
from gateway.telemetry.metrics import metrics_text


class Health(msgspec.Struct):
    """This process runs."""

    status: Literal["ok"]


class Readiness(msgspec.Struct):
    """Whether this process should get traffic, and why not."""

    status: Literal["ready", "not ready"]
    reason: str | UnsetType = UNSET


HEALTHY = Answer(200, "It runs", Health)
READY = Answer(200, "Ready", Readiness)
NOT_READY = Answer(503, "Draining, or Redis cannot be reached", Readiness, headers=("Retry-After",))
METRICS = Answer(200, "The metrics", media_type="text/plain")


async def healthz(call: Call) -> Response:
    return json_response({"status": "ok"})


async def readyz(call: Call) -> Response:
    reason = call.services.not_ready()
    if reason:
        kind = next((code.kind for code in ErrorCode if code.kind.code == reason), None)
        message = f"{kind.message}. {kind.suggestion}" if kind is not None else ""
        told = {"status": "not ready", "reason": reason} | ({"message": message} if message else {})
        return json_response(told, 503, {"Retry-After": "1"})
    return json_response({"status": "ready"})


async def metrics(call: Call) -> Response:
    return Response(metrics_text(), media_type="text/plain; version=0.0.4; charset=utf-8")


OPERATIONS = [
    Operation("GET", "/healthz", Scope.PUBLIC, healthz, "Whether this process runs", HEALTHY),
    Operation(
        "GET",
        "/readyz",
        Scope.PUBLIC,
        readyz,
        "Whether this process should get traffic",
        READY,
        refusals=(NOT_READY,),
    ),
    Operation("GET", "/metrics", Scope.PUBLIC, metrics, "Prometheus metrics", METRICS),
]
