"""The log: one JSON object a line on standard error; lines to read when that is a terminal.

Every process of the gateway writes here, in whatever way its libraries log. Nothing that logs waits or fails because of
the log: see `LogWriter`. It imports little, because the supervisor is to stay small.
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
from collections.abc import Collection
from contextlib import suppress
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from types import TracebackType
from typing import Any

from gateway.telemetry.log_writer import LogWriter

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_INFO = LEVELS["info"]
MAX_PATH_LENGTH = 200
MAX_TEXT_LENGTH = 16 * 1024
"""Of one value; the frames at the end of a traceback tell most, so that its beginning is cut."""

STANDARD_ERROR = 2


class Log:
    """Writes lines that have an event's name and fields. Until `configure`, straight to standard error."""

    def __init__(self) -> None:
        self.writer: LogWriter | None = None
        self._least = LEVELS["info"]
        self._pretty = True
        self._pid = 0
        self._second = ("", "")

    @property
    def is_terminal(self) -> bool:
        """Whether lines are written for a person to read."""
        return self._pretty

    def configure(self, level: str, descriptor: int = STANDARD_ERROR) -> None:
        """Write lines of this level or above through the buffer from now on."""
        self._least = LEVELS[level]
        self._pretty = os.isatty(descriptor)
        self._pid = os.getpid()
        self.writer = LogWriter(descriptor, self._report)

    def debug(self, event: str, **fields: Any) -> None:
        """Log what helps to find a fault."""
        self._log("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """Log what happens in good order."""
        self._log("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Log what heals by itself, or may become a fault."""
        self._log("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Log what failed."""
        self._log("error", event, fields)

    def critical(self, event: str, **fields: Any) -> None:
        """Log what ends this process."""
        self._log("critical", event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """Log what failed, with the traceback of the exception that is being handled."""
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
        """Log one request. `path` must hold nothing private (see `redacted_path`); of the user only a hash is logged.

        Built by hand, because every request pays for it: see `python -m loadtest.access_log`.
        """
        if self._least > _INFO:
            return
        if len(path) > MAX_PATH_LENGTH:
            path = path[:MAX_PATH_LENGTH] + "…"
        more = f', "request_id": {quoted(request_id)}' if request_id else ""
        if connection_id:
            more += f', "connection": {quoted(connection_id)}'
        more += _caller(project_id, user_id, client)
        line = (
            f'{{"timestamp": "{self._timestamp()}", "level": "info", "event": "request", "method": {quoted(method)}, '
            f'"path": {quoted(path)}, "status": {status}, "ms": {milliseconds:.2f}{more}, "pid": {self._pid}}}\n'
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
            self._write(level, event, fields)

    def _write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        line = self._encode(level, event, fields)
        if self.writer is not None:
            self.writer.write(line, urgent=LEVELS[level] >= LEVELS["warning"])
            return
        with suppress(OSError):
            os.write(STANDARD_ERROR, line)  # a command that is over in a moment

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


def configure_logging(level: str) -> None:
    """Send everything that this process says through the log: its own lines, those of libraries, and what ends it."""
    log.configure(level)
    atexit.register(close_log)
    logging.captureWarnings(capture=True)
    # Of libraries only what needs attention.
    logging.basicConfig(level=logging.WARNING, handlers=[_LibraryHandler()], force=True)
    sys.excepthook = _on_uncaught
    sys.unraisablehook = _on_unraisable
    threading.excepthook = _on_uncaught_in_thread


def close_log() -> None:
    """Wait a moment until everything is written; for the end of the process."""
    if log.writer is not None:
        log.writer.close()


@lru_cache(maxsize=4096)
def _caller(project_id: str, user_id: str, client: str) -> str:
    """Return the part of a line that says who asked, which is the same for all requests of a caller."""
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
    """Return what stands for a user in the log: the same for the same user, and nothing to find them by elsewhere."""
    return hashlib.blake2b(f"{project_id}:{user_id}".encode(), digest_size=6).hexdigest()


def redacted_path(path: str, words: Collection[str]) -> str:
    """Return a path that no route serves without the parts that could be somebody's name or secret.

    `words` are those of the routes. The first part is no name, unless it has a character that names have.
    """
    if not path.startswith("/"):
        return "…"
    first, *others = path[1:MAX_PATH_LENGTH].split("/")
    parts = (part if part in words or not part else "…" for part in others)
    return "/".join(["", first if _PLAIN_PART.fullmatch(first) else "…", *parts])


_PLAIN_PART = re.compile(r"[A-Za-z0-9._-]{0,32}")
"""Longer ones may be tokens; the others have a character that names and addresses have."""


class _LibraryHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Log a library's message as a line of ours."""
        try:
            level = record.levelname.lower()
            failure = record.exc_info[1] if record.exc_info else None
            log._log(
                level if level in LEVELS else "warning",
                "library_message",
                {"logger": record.name, "message": record.getMessage(), "exc_info": failure},
            )
        except Exception:  # a message that does not fit its arguments must not end who logs it
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
    # Whatever comes from outside must not steer the terminal.
    text = str(value)
    return text if text.isprintable() else quoted(text)
