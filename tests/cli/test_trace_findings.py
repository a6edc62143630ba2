"""What `doctor` finds about traces."""

import socket

from gateway.cli.trace_findings import DEFAULT_ENDPOINT, examine_traces
from gateway.domain.finding import Severity
from gateway.settings import Settings
from tests.servers import free_port

ON = Settings(traces="on")


def test_a_collector_that_does_not_respond_is_found_if_traces_are_on() -> None:
    name = "OTEL_EXPORTER_OTLP_ENDPOINT"
    nobody = {name: f"http://user:secret@127.0.0.1:{free_port()}"}
    assert not list(examine_traces(Settings(), nobody))
    (found,) = examine_traces(ON, nobody)
    assert (found.severity, name in found.advice) == (Severity.WARNING, True)
    assert "secret" not in found.text
    with socket.create_server(("127.0.0.1", 0)) as collector:
        own = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://127.0.0.1:{collector.getsockname()[1]}/v1/traces"}
        (found,) = examine_traces(ON, nobody | own)
        assert found.severity is Severity.FINE
    (found,) = examine_traces(ON, {name: "http://collector:port"})
    assert (found.severity, DEFAULT_ENDPOINT in found.advice) == (Severity.WARNING, True)
