"""The metrics as text, in both formats."""

import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry import tallies
from gateway.telemetry.exposition import OPENMETRICS_TYPE, TEXT_TYPE, exposition, prefers_openmetrics
from gateway.telemetry.families import gauge
from gateway.telemetry.metrics import OPENED, REFUSED, REQUEST_SECONDS, REQUESTS
from gateway.telemetry.tallies import RequestTally, Tally

WORKER = """
from gateway.telemetry.metrics import ACTIVE_USERS, CONNECTIONS, OPENED
OPENED.labels("sse").inc(2)
CONNECTIONS.labels("sse").set(3)
"""

READ = """
from gateway.telemetry.exposition import exposition
print(exposition("", "gateway-1").body.decode(), flush=True)
"""

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;q=0.5"
)


def test_the_text_has_every_metric_and_those_of_this_process() -> None:
    OPENED.labels("websocket").inc()
    REFUSED.labels("400").inc()
    tally = Tally(REFUSED.labels("418"))
    tally.value += 1
    tallies.collect()
    text = exposition("*/*", "delivery-1", [gauge("inbox_made", "Made.", "part").metric((("a",), 2))])
    assert text.content_type == TEXT_TYPE
    names = {family.name for family in text_string_to_metric_families(text.body.decode())}
    assert {"inbox_connections_opened", "inbox_delivery_seconds", "process_open_fds", "inbox_build_info"} <= names
    assert not {"python_info", "python_gc_objects_collected"} & names
    assert b'inbox_http_refused_total{status="418"} 1.0' in text.body
    assert b'inbox_made{part="a"} 2.0' in text.body
    assert b'inbox_workers{kind="delivery"} 1.0' in text.body
    assert b'process_resident_memory_bytes{process="delivery-1"}' in text.body


def test_openmetrics_is_valid_to_a_strict_parser_and_ends_with_its_mark() -> None:
    RequestTally(REQUESTS.labels("GET /x", "200"), REQUEST_SECONDS.labels("/x", "GET", "2xx")).buckets[3] = 1
    tallies.collect()
    text = exposition(PROMETHEUS, "gateway-1")
    assert text.content_type == OPENMETRICS_TYPE
    assert text.body.endswith(b"# EOF\n")
    read = read_openmetrics(text.body.decode())  # type: ignore[no-untyped-call] # it has no types
    families = {family.name: family for family in read}
    assert families["process_cpu_seconds"].type == "counter"
    assert families["inbox_http_request_seconds"].type == "histogram"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (PROMETHEUS, True),
        ("application/openmetrics-text", True),
        ("text/plain;q=0.4, application/openmetrics-text; version=1.0.0; q=0.4", True),
        ("application/openmetrics-text;q=0.4,text/plain", False),
        ("application/openmetrics-text;version=0.0.1", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=none", False),
        ("text/html,*/*;q=0.8", False),
        ("", False),
    ],
)
def test_openmetrics_is_for_clients_that_prefer_it(accept: str, expected: bool) -> None:
    assert prefers_openmetrics(accept) is expected


def test_the_text_sums_the_processes_of_a_gateway(tmp_path: Path) -> None:
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", WORKER], env=environment, check=True, timeout=60)
    done = subprocess.run(
        [sys.executable, "-c", READ], env=environment, check=True, timeout=60, capture_output=True, text=True
    )
    assert 'inbox_connections_opened_total{transport="sse"} 4.0' in done.stdout
    assert 'process_cpu_seconds_total{process="gateway-1"}' in done.stdout
