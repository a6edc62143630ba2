"""What the code under test logs."""

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from gateway.telemetry.logs import log


@contextlib.contextmanager
def captured_log() -> Iterator[list[dict[str, Any]]]:
    """Collect the lines of a block, each as its fields with `level` and `event`, instead of writing them."""
    lines: list[dict[str, Any]] = []

    def collect(level: str, event: str, fields: dict[str, Any]) -> None:
        lines.append({"level": level, "event": event, **fields})

    with patch.object(log, "_log", collect):
        yield lines
