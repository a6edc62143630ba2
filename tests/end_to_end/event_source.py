"""The PyPI package requests-sse, unmodified. Prints what it notices, a line of JSON each, until it stops for good."""

import datetime
import json
import os
import time
from typing import Any

from requests_sse import EventSource, InvalidStatusCodeError, ReadyState


def say(**noticed: Any) -> None:
    """Print a line."""
    print(json.dumps({**noticed, "at": time.monotonic() * 1000}), flush=True)  # noqa: T201


def lost() -> None:
    """Say that the connection is gone, and whether it comes back."""
    say(name="lost", closed=source.ready_state == ReadyState.CLOSED)


source: EventSource = EventSource(
    os.environ["ADDRESS"],
    reconnection_time=datetime.timedelta(seconds=float(os.environ["RECONNECTION_SECONDS"])),
    on_open=lambda: say(name="open"),
    on_error=lost,
)
try:
    with source:
        for event in source:
            say(name=event.type, id=event.last_event_id, data=event.data)
except InvalidStatusCodeError as refused:
    if refused.status_code != 204:
        raise
