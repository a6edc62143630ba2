"""A program with the unmodified PyPI package requests-sse. It prints each event as a line of JSON, until it stops."""

import datetime
import json
import os
import time
from typing import Any

from requests_sse import EventSource, InvalidStatusCodeError, ReadyState


def report(**observed: Any) -> None:
    """Print an observation."""
    print(json.dumps({**observed, "at": time.monotonic() * 1000}), flush=True)  # noqa: T201


def report_loss() -> None:
    """Print that the connection ended, and whether it will be opened again."""
    report(name="lost", closed=source.ready_state == ReadyState.CLOSED)


source: EventSource = EventSource(
    os.environ["ADDRESS"],
    reconnection_time=datetime.timedelta(seconds=float(os.environ["RECONNECTION_SECONDS"])),
    on_open=lambda: report(name="open"),
    on_error=report_loss,
)
try:
    with source:
        for event in source:
            report(name=event.type, id=event.last_event_id, data=event.data)
except InvalidStatusCodeError as refused:
    if refused.status_code != 204:
        raise
