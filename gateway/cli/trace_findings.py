"""What `doctor` finds about traces: whether their collector can be reached."""

import socket
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from gateway.domain.finding import Finding, warning
from gateway.settings import Settings

CONNECT_SECONDS = 3.0

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
DEFAULT_ENDPOINT = "http://localhost:4318"
"""What the exporter uses if neither variable is set (OTLP exporter specification)."""


def examine_traces(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Connect to the collector if INBOX_TRACES is on. Without its packages, the settings are refused before."""
    if settings.traces != "on":
        return
    name = next((each for each in ENDPOINTS if environment.get(each)), ENDPOINTS[1])
    try:
        url = urlsplit(environment.get(name) or DEFAULT_ENDPOINT)
        host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except ValueError:
        yield warning("traces", f"{name} is not an address", f"set it to an address such as {DEFAULT_ENDPOINT}")
    except OSError as fault:
        # The address may have a password, so only its host and port are shown.
        text = f"no collector responds at {host}:{port}, so spans are dropped: {fault.strerror or fault}"
        yield warning("traces", text, f"start the collector, or set {name} to its address")
    else:
        yield Finding("traces", f"a collector responds at {host}:{port}")
