"""Capturing the log of the code under test."""

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from gateway.telemetry.logs import log


@contextlib.contextmanager
def captured_log() -> Iterator[list[dict[str, Any]]]:
    """Yield a list that receives the log lines of a block, with `level` and `event`; nothing is written."""
    lines: list[dict[str, Any]] = []

    def collect(level: str, event: str, fields: dict[str, Any]) -> None:
        lines.append({"level": level, "event": event, **fields})

    with patch.object(log, "_log", collect):
        yield lines
