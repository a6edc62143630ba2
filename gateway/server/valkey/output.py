"""Reads the output of the bundled Valkey: lines for the gateway's log, and last warnings, which show why it ended."""

import os
import re
import threading
from collections import deque

from gateway.telemetry.logs import log

# `pid:role day month year time level text`
_LOG_LINE = re.compile(r"\d+:[A-Z] \d\d \w{3} \d{4} [\d:.]+ ([.*#-]) (.*)")

_USUAL_AT_THE_END = re.compile("shutdown|ready to exit|removing the unix socket")
"""The warnings of a server that ends cleanly."""

_MAX_REMEMBERED = 100
"""The most distinct warnings that are logged while each is logged once."""


class ValkeyOutput:
    """Reads the output of each server that is started. Its lines are logged only in a process that has a log."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._recent: deque[str] = deque(maxlen=5)
        self._logged: set[str] | None = None

    @property
    def last_warnings(self) -> str:
        """The last warnings of the current server, "" if it printed none."""
        return " ".join(self._recent)

    def log_once(self, on: bool) -> None:
        """Set whether only warnings are logged, each of them once. This is for a server that ends again and again."""
        if not on:
            self._logged = None
        elif self._logged is None:
            self._logged = set()

    def open(self) -> int:
        """Return the descriptor that a new server prints to. The caller closes it.

        A thread reads from the other end until the server ends.
        """
        reading, writing = os.pipe()
        # A full pipe must not block the server. Output that does not fit is lost.
        os.set_blocking(writing, False)
        self._recent.clear()
        self._thread = threading.Thread(target=self._read, args=(reading,), name="valkey_output", daemon=True)
        self._thread.start()
        return writing

    def finish(self) -> None:
        """Wait until everything that an ended server printed is read."""
        if self._thread is not None:
            self._thread.join(2)

    def _read(self, reading: int) -> None:
        with open(reading, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if text := line.strip():
                    self._process(text)

    def _process(self, text: str) -> None:
        found = _LOG_LINE.fullmatch(text)
        kind, message = (found[1], found[2]) if found else ("#", text)
        is_warning = kind == "#" and not _USUAL_AT_THE_END.search(message)
        if is_warning and not message.startswith("WARNING"):
            self._recent.append(message)
        if log.writer is None:
            return
        if self._logged is not None:
            if not is_warning or message in self._logged or len(self._logged) >= _MAX_REMEMBERED:
                return
            self._logged.add(message)
        if is_warning:
            log.warning("valkey", message=message)
        elif not log.is_terminal:
            log.info("valkey", message=message)
