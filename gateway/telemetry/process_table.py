"""The table of a gateway's processes: the supervisor writes it beside the metrics files, and workers read it.

A process reads the metrics of all others from files. Only the supervisor knows which processes run, and how often it
has started one again.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

FILE = "processes.json"


class ProcessTable(NamedTuple):
    """The processes by name, such as `gateway-1`, with their process ids.

    `configured` has how many processes of each kind there are to be, and `restarts` how often one of a kind was started
    again after it had died.
    """

    processes: Mapping[str, int]
    configured: Mapping[str, int] = {}
    restarts: Mapping[str, int] = {}


class ProcessTableFile:
    """The file of a table, in the directory of the metrics files. Only the supervisor writes it."""

    def __init__(self, directory: Path):
        self._path = directory / FILE
        self._written: ProcessTable | None = None

    def write(self, table: ProcessTable) -> None:
        """Write the table if it has changed. While the file system is full, the previous one remains."""
        if table == self._written:
            return
        new = self._path.with_suffix(".new")
        with suppress(OSError):
            new.write_text(json.dumps(table._asdict()))
            os.replace(new, self._path)
            self._written = table


def read_table(directory: Path) -> ProcessTable:
    """Return the table in a directory, an empty one before it was written."""
    try:
        return ProcessTable(**json.loads((directory / FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return ProcessTable({})
