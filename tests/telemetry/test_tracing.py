"""Traces are off by default, and then nothing of OpenTelemetry is loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.settings import SettingsError, load_settings

PROGRAM = """
import sys
from pathlib import Path
from gateway.app import Worker
from gateway.deliverer_app import Deliverer
from gateway.live.dispatch import Dispatcher
from gateway.store.redis.client import FunctionClient
from gateway.api.core.endpoint import Endpoint
from gateway.settings import Settings
from gateway.telemetry.logs import log

settings = Settings(redis_url="redis://127.0.0.1:1", data_dir=Path(sys.argv[1]), secret_key="x" * 32)
worker, deliverer = Worker(settings), Deliverer(settings)
assert type(worker.client) is FunctionClient and type(worker.hub.dispatcher) is Dispatcher
assert worker.spans is None and deliverer.spans is None and log.trace_id is None
# redis-py loads the metrics of OpenTelemetry wherever it is installed.
ours = ("opentelemetry.sdk.trace", "opentelemetry.exporter", "gateway.telemetry.span", "gateway.store.traced", "google")
print([name for name in sys.modules if name.startswith(ours)])
"""


def test_without_the_setting_nothing_is_loaded_and_the_parts_are_those_without_traces(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_another_protocol_than_http_is_refused_in_one_sentence() -> None:
    environment = {"INBOX_TRACES": "on", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    with pytest.raises(SettingsError) as caught:
        load_settings(environment)
    assert str(caught.value) == (
        "OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf, which is the only protocol of INBOX_TRACES, not 'grpc'"
    )
    assert load_settings({**environment, "INBOX_TRACES": "off"}).traces == "off"


def test_a_missing_extra_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("gateway.settings.find_spec", find)
    with pytest.raises(SettingsError, match=r"^INBOX_TRACES needs packages .*: pip install 'inbox-gateway\[otel\]'$"):
        load_settings({"INBOX_TRACES": "on"})


HEADERS = """
from gateway.telemetry.spans import CURRENT, from_headers, start_spans
from opentelemetry.trace import get_current_span

start_spans("1", "worker")
parent = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
for state in ("x" * 60_000, "forged line", "a=1,a=2", ",".join(f"k{n}=1" for n in range(40))):
    context = get_current_span(from_headers({"traceparent": parent, "tracestate": state})).get_span_context()
    assert context.trace_id and not context.trace_state.get("x" * 60_000)
for wrong in ("", "x" * 60_000, "00-" + "0" * 32 + "-" + "b" * 16 + "-01", "ff" + parent[2:], parent + "-more"):
    assert not get_current_span(from_headers({"traceparent": wrong})).get_span_context().is_valid
"""


def test_no_client_writes_into_the_log_by_headers_of_traces() -> None:
    done = subprocess.run([sys.executable, "-c", HEADERS], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
