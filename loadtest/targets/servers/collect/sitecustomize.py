"""Loaded by measured Python servers only, by PYTHONPATH. At SIGUSR2 it collects garbage and writes counts into a file.

The counts are of objects and tasks. At SIGUSR1 it writes them without a collection.
"""

import asyncio
import gc
import json
import os
import signal
from types import FrameType


def _report(number: int, frame: FrameType | None) -> None:
    if number == signal.SIGUSR2:
        gc.collect()
    objects = gc.get_objects()
    found = {"objects": len(objects), "tasks": sum(isinstance(item, asyncio.Task) for item in objects)}
    path = os.path.join(os.environ["LOADTEST_COLLECTS"], str(os.getpid()))
    with open(path + ".new", "w") as file:
        json.dump(found, file)
    os.replace(path + ".new", path)


if "LOADTEST_COLLECTS" in os.environ:
    signal.signal(signal.SIGUSR1, _report)
    signal.signal(signal.SIGUSR2, _report)
