"""Whether this process traces. Nothing of OpenTelemetry is imported if it does not."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.telemetry.spans import Spans


def spans_if(traces: str, process_id: str, role: str) -> "Spans | None":
    """Start to trace if `traces` is `on`, the value of INBOX_TRACES. Return None if it is not."""
    if traces != "on":
        return None
    from gateway.telemetry.spans import start_spans

    return start_spans(process_id, role)
