"""The log: one JSON object a line on standard error, or readable lines if that is a terminal.

All log lines of a process go through here, those of its libraries included. Logging never blocks and never raises: see
`LogWriter`. This module imports little, because the supervisor should stay small.
"""

import atexit
import hashlib
import json
import logging
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from types import TracebackType
from typing import Any

from gateway.telemetry.log_writer import LogWriter

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_INFO = LEVELS["info"]
MAX_PATH_LENGTH = 200
MAX_TEXT_LENGTH = 16 * 1024
"""The most characters of one value. A longer traceback loses its beginning, because its last frames matter most."""

STANDARD_ERROR = 2


class Log:
    """Writes lines, each with the name of an event and fields. Before `configure`, they are not buffered."""

    def __init__(self) -> None:
        self.writer: LogWriter | None = None
        self.trace_id: Callable[[], str] | None = None
        """Returns the id of the current trace, "" without one. None while there are no traces."""
        self._least = LEVELS["info"]
        self._pretty = True
        self._pid = 0
        self._second = ("", "")

    @property
    def is_terminal(self) -> bool:
        """Whether lines are formatted for a terminal."""
        return self._pretty

    def configure(self, level: str, descriptor: int = STANDARD_ERROR) -> LogWriter:
        """Write lines of this level or above through a `LogWriter` from now on, and return it."""
        self._least = LEVELS[level]
        self._pretty = os.isatty(descriptor)
        self._pid = os.getpid()
        self.writer = LogWriter(descriptor, self._report)
        return self.writer

    @contextmanager
    def silenced(self) -> Iterator[None]:
        """Write no lines until the block ends."""
        least, self._least = self._least, LEVELS["critical"] + 1
        try:
            yield
        finally:
            self._least = least

    def debug(self, event: str, **fields: Any) -> None:
        """Log a detail that helps to find a fault."""
        self._log("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """Log an event of normal operation."""
        self._log("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Log a fault that needs no action, because it recovers by itself, or a condition that may become a fault."""
        self._log("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Log a failure."""
        self._log("error", event, fields)

    def critical(self, event: str, **fields: Any) -> None:
        """Log a failure that ends this process."""
        self._log("critical", event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """Log a failure with the traceback of the exception that is being handled."""
        self._log("error", event, {"exc_info": True, **fields})

    def request(
        self,
        method: str,
        path: str,
        status: int,
        milliseconds: float,
        request_id: str = "",
        project_id: str = "",
        user_id: str = "",
        connection_id: str = "",
        client: str = "",
    ) -> None:
        """Log a request. `path` must contain nothing private (see `redacted_path`); the user is logged as a hash."""
        if self._least > _INFO:
            return
        more = f', "request_id": {quoted(request_id)}' if request_id else ""
        if connection_id:
            more += f', "connection": {quoted(connection_id)}'
        self.request_line(requested(method, path), status, milliseconds, more + caller(project_id, user_id, client))

    def request_line(self, what: str, status: int, milliseconds: float, more: str) -> None:
        """Log a request as `request` does. `what` is the text of `requested`; `more` are fields as JSON, after a comma.

        The line is formatted by hand because every request bears the cost. `python -m loadtest.access_log` measures it.
        """
        if self._least > _INFO:
            return
        line = (
            f'{{"timestamp": "{self._timestamp()}", "level": "info", "event": "request", {what}, "status": {status}, '
            f'"ms": {milliseconds:.2f}{more}, "pid": {self._pid}}}\n'
        )
        if self._pretty or self.writer is None:
            fields = json.loads(line)
            self._write("info", "request", {name: fields[name] for name in list(fields)[3:-1]})
        else:
            self.writer.write(line.encode())

    # -- inside

    def _log(self, level: str, event: str, fields: dict[str, Any]) -> None:
        if LEVELS[level] >= self._least:
            failure = fields.pop("exc_info", None)
            if failure:
                fields["exception"] = _traceback_of(failure)
            if self.trace_id is not None and (trace_id := self.trace_id()):
                fields["trace_id"] = trace_id
            self._write(level, event, fields)

    def _write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        line = self._encode(level, event, fields)
        if self.writer is not None:
            self.writer.write(line, urgent=LEVELS[level] >= LEVELS["warning"])
            return
        with suppress(OSError):
            os.write(STANDARD_ERROR, line)  # without a writer this is a short-lived command

    def _encode(self, level: str, event: str, fields: dict[str, Any]) -> bytes:
        if self._pretty:
            return _pretty_line(self._timestamp(), level, event, fields)
        line = {"timestamp": self._timestamp(), "level": level, "event": event}
        line |= {name: _shortened(name, value) for name, value in fields.items()}
        return (json.dumps(line | {"pid": self._pid}, default=str) + "\n").encode()

    def _report(self, count: int) -> bytes:
        return self._encode("error", "log_lines_dropped", {"count": count})

    def _timestamp(self) -> str:
        nanoseconds = str(time.time_ns())
        second = nanoseconds[:-9]
        known, text = self._second
        if second != known:
            text = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(int(second)))
            self._second = (second, text)
        return f"{text}{nanoseconds[-9:-3]}Z"


log = Log()


def configure_logging(level: str) -> LogWriter:
    """Log through a `LogWriter` from now on, and return it.

    The messages of libraries from WARNING on, Python's warnings and uncaught exceptions are logged too.
    """
    writer = log.configure(level)
    atexit.register(close_log)
    logging.captureWarnings(capture=True)
    logging.basicConfig(level=logging.WARNING, handlers=[_LibraryHandler()], force=True)
    sys.excepthook = _on_uncaught
    sys.unraisablehook = _on_unraisable
    threading.excepthook = _on_uncaught_in_thread
    return writer


def close_log() -> None:
    """Wait until everything is written, for `CLOSE_SECONDS` at most. Call this at the end of the process."""
    if log.writer is not None:
        log.writer.close()


def requested(method: str, path: str) -> str:
    """Return the fields of a line that say what was requested."""
    if len(path) > MAX_PATH_LENGTH:
        path = path[:MAX_PATH_LENGTH] + "…"
    return f'"method": {quoted(method)}, "path": {quoted(path)}'


@lru_cache(maxsize=4096)
def caller(project_id: str, user_id: str, client: str) -> str:
    """Return the fields of a line that name the caller. They are the same for all requests of a caller, so cached."""
    text = ""
    if project_id:
        text += f', "project": {quoted(project_id)}'
        if user_id:
            text += f', "user": "{user_hash(project_id, user_id)}"'
    if client:
        text += f', "client": {quoted(client)}'
    return text


@lru_cache(maxsize=4096)
def user_hash(project_id: str, user_id: str) -> str:
    """Return a hash that represents a user in the log. It is always the same, and does not reveal the user's id."""
    return hashlib.blake2b(f"{project_id}:{user_id}".encode(), digest_size=6).hexdigest()


def redacted_path(path: str, words: Collection[str]) -> str:
    """Return a path that matches no route, without the parts that could be a name or a secret.

    `words` are the words in the paths of the routes; other parts are replaced by "…". The first part is kept if it is a
    plain word.
    """
    if not path.startswith("/"):
        return "…"
    first, *others = path[1:MAX_PATH_LENGTH].split("/")
    parts = (part if part in words or not part else "…" for part in others)
    return "/".join(["", first if _PLAIN_PART.fullmatch(first) else "…", *parts])


_PLAIN_PART = re.compile(r"[A-Za-z0-9._-]{0,32}")
"""Longer parts may be tokens. Parts with other characters may be names or addresses."""


class _LibraryHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Log a library's message as a line of the gateway's log."""
        try:
            level = record.levelname.lower()
            failure = record.exc_info[1] if record.exc_info else None
            log._log(
                level if level in LEVELS else "warning",
                "library_message",
                {"logger": record.name, "message": record.getMessage(), "exc_info": failure},
            )
        except Exception:  # a message that does not match its arguments must not raise in the code that logs it
            log.warning("library_message", logger=record.name, message=str(record.msg))


def _on_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        log.critical("crashed", exc_info=error)


def _on_uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    log.error("thread_crashed", thread=arguments.thread.name if arguments.thread else "", exc_info=arguments.exc_value)


def _on_unraisable(unraisable: Any) -> None:
    log.error("exception_ignored", where=str(unraisable.object), exc_info=unraisable.exc_value)


def _traceback_of(failure: Any) -> str:
    error = failure if isinstance(failure, BaseException) else sys.exc_info()[1]
    return "".join(traceback.format_exception(error)).rstrip() if error is not None else ""


def _shortened(name: str, value: Any) -> Any:
    if isinstance(value, str) and len(value) > MAX_TEXT_LENGTH:
        return "…" + value[-MAX_TEXT_LENGTH:] if name == "exception" else value[:MAX_TEXT_LENGTH] + "…"
    return value


_COLOURS = {"debug": 2, "info": 32, "warning": 33, "error": 31, "critical": 31}


def _pretty_line(timestamp: str, level: str, event: str, fields: dict[str, Any]) -> bytes:
    exception = fields.pop("exception", "")
    shown = " ".join(f"{name}={_shown(value)}" for name, value in fields.items())
    line = f"{timestamp[11:23]} \x1b[{_COLOURS[level]}m{level:8}\x1b[0m {event}  {shown}".rstrip() + "\n"
    return (line + (f"{exception}\n" if exception else "")).encode(errors="backslashreplace")


def _shown(value: Any) -> str:
    # Control sequences in values from clients must not reach the terminal.
    text = str(value)
    return text if text.isprintable() else quoted(text)
