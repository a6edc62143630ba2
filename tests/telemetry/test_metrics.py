"""The Prometheus metrics."""

import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry.metrics import OPENED, REFUSED, metrics_text

WORKER = """
from gateway.telemetry.metrics import ACTIVE_USERS, CONNECTIONS, OPENED
OPENED.labels("sse").inc(2)
CONNECTIONS.labels("sse").set(3)
"""

READ = """
from gateway.telemetry.metrics import metrics_text
print(metrics_text().decode(), flush=True)
"""


def test_the_text_is_prometheus_format_and_has_every_metric() -> None:
    OPENED.labels("websocket").inc()
    REFUSED.labels("400").inc()
    names = {family.name for family in text_string_to_metric_families(metrics_text().decode())}
    assert {"inbox_connections_opened", "inbox_http_refused", "inbox_delivery_seconds", "inbox_body_bytes"} <= names


def test_the_text_sums_the_workers_of_a_gateway(tmp_path: Path) -> None:
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", WORKER], env=environment, check=True, timeout=60)
    done = subprocess.run(
        [sys.executable, "-c", READ], env=environment, check=True, timeout=60, capture_output=True, text=True
    )
    assert 'inbox_connections_opened_total{transport="sse"} 4.0' in done.stdout


def test_dropped_log_lines_are_counted(tmp_path: Path) -> None:
    program = """
import os
from gateway.telemetry.logs import log
from gateway.telemetry.metrics import configure_logging, metrics_text
configure_logging("info")
log.writer._max_bytes = log.writer._usual_bytes = 0
log.error("dropped")
print(metrics_text().decode(), flush=True)
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, timeout=60, capture_output=True, text=True)
    assert "inbox_log_lines_dropped_total 1.0" in done.stdout
