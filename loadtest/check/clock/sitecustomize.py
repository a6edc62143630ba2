"""Loaded by a gateway whose wall clock a test sets: `time.time` is off by the number of seconds in a file."""

import os
import time
from pathlib import Path

_offset = Path(os.environ["CHECK_CLOCK"])
_true_time = time.time


def _time() -> float:
    try:
        return _true_time() + float(_offset.read_text() or 0)
    except FileNotFoundError:
        return _true_time()


time.time = _time
