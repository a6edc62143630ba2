"""Probes and metrics."""

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prometheus_client.metrics import MetricWrapperBase

from gateway.telemetry import metrics as telemetry
from tests.servers import (
    Gateway,
    user_headers,
    wait_for,
)

METRICS = [metric for metric in vars(telemetry).values() if isinstance(metric, MetricWrapperBase)]


@pytest.mark.parametrize(("path", "body"), [("/healthz", {"status": "ok"}), ("/readyz", {"status": "ready"})])
async def test_probes_need_no_credentials(http: httpx.AsyncClient, path: str, body: Any) -> None:
    response = await http.get(path)
    assert (response.status_code, response.json()) == (200, body)


async def test_every_metric_of_the_catalogue_is_shown(http: httpx.AsyncClient) -> None:
    response = await http.get("/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    shown = {name.removesuffix("_total") for name in re.findall(r"^# TYPE (\S+)", response.text, re.MULTILINE)}
    named = {family.name for metric in METRICS for family in metric.describe()}
    assert len(named) == len(METRICS) > 10
    assert named <= shown


async def test_probes_and_metrics_are_not_in_the_access_log(http: httpx.AsyncClient, gateway: Gateway) -> None:
    before = len(gateway.log)
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await http.get(path)).status_code == 200
    marker = str(uuid4())
    await http.get("/notifications", headers=user_headers("ada") | {"X-Request-Id": marker})
    wait_for(lambda: marker in gateway.log[before:], "the request after them in the access log")
    for path in ("/healthz", "/readyz", "/metrics"):
        assert f'"method": "GET", "path": "{path}"' not in gateway.log[before:]
