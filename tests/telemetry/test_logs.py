"""The lines of the log."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.telemetry.logs import Log, redacted_path, user_hash
from tests.telemetry.pipes import Pipe

Written = tuple[Log, Callable[[], list[dict[str, Any]]]]


@pytest.fixture
def written(pipe: Pipe) -> Written:
    """A log, and what it wrote."""
    log = Log()
    log.configure("info", pipe.writing)

    def lines() -> list[dict[str, Any]]:
        assert log.writer is not None
        log.writer.close()
        return [json.loads(line) for line in pipe.read_all().splitlines()]

    return log, lines


def test_a_line_is_a_json_object_with_time_level_event_and_fields(written: Written) -> None:
    log, lines = written
    log.debug("too_fine")
    log.warning("pubsub_lost", problem='a "quoted"\nproblem', node=7, where=Path("/x"))
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "warning",
        "event": "pubsub_lost",
        "problem": 'a "quoted"\nproblem',
        "node": 7,
        "where": "/x",
        "pid": os.getpid(),
    }


def test_a_silenced_log_writes_nothing_until_the_block_ends(written: Written) -> None:
    log, lines = written
    with log.silenced():
        log.critical("within")
    log.info("after")
    assert [line["event"] for line in lines()] == ["after"]


def test_a_traceback_is_one_field_and_a_long_one_keeps_its_end(written: Written) -> None:
    log, lines = written
    try:
        raise ValueError("x" * 100_000 + "the end")
    except ValueError:
        log.exception("failed")
    (line,) = lines()
    assert line["exception"].endswith("the end")
    assert len(line["exception"]) < 20_000


def test_a_value_that_is_not_json_is_logged_as_text(written: Written) -> None:
    log, lines = written
    log.info("odd", value={1, 2}, broken="\ud800", nested={"a": object})
    (line,) = lines()
    assert line["value"] == "{1, 2}"


def test_the_line_of_a_request_has_the_fields_that_are_known(written: Written) -> None:
    log, lines = written
    log.request("GET", "/notifications", 200, 1.234)
    log.request("GET", "/realtime/sse", 200, 0, "r1", "p1", "u1", "c1", "10.0.0.7")
    first, second = lines()
    assert {name: first[name] for name in ("event", "method", "path", "status", "ms")} == {
        "event": "request",
        "method": "GET",
        "path": "/notifications",
        "status": 200,
        "ms": 1.23,
    }
    assert first.keys() == {"timestamp", "level", "event", "method", "path", "status", "ms", "pid"}
    assert (second["request_id"], second["project"], second["connection"], second["client"]) == (
        *("r1", "p1", "c1", "10.0.0.7"),
    )
    assert second["user"] == user_hash("p1", "u1") != "u1"


@pytest.mark.parametrize("text", ['"', "\\", "\n", "\x00\x1b[31m", "é\u2028", "\ud800"])
def test_the_line_of_a_request_is_json_whatever_the_client_sends(written: Written, text: str) -> None:
    log, lines = written
    log.request("GET", f"/{text}", 404, 0, text)
    (line,) = lines()
    assert (line["path"], line["request_id"]) == (f"/{text}", text)


def test_a_long_path_is_cut(written: Written) -> None:
    log, lines = written
    log.request("GET", "/" + "x" * 60_000, 404, 0)
    assert lines()[0]["path"] == "/" + "x" * 199 + "…"


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/notifications/read", "/notifications/read"),
        ("/users/email:ada@example.com", "/users/…"),
        ("/users/email%3Aada%40example.com/read", "/users/…/read"),
        ("/users/ada/x", "/users/…/…"),
        ("/favicon.ico", "/favicon.ico"),
        ("/", "/"),
        ("/push_subscriptions/" + "a1" * 40, "/push_subscriptions/…"),
        ("/a b/read/", "/…/read/"),
        ("*", "…"),
    ],
)
def test_a_path_that_matches_no_route_is_logged_without_parts_that_may_be_private(path: str, logged: str) -> None:
    assert redacted_path(path, {"users", "read"}) == logged


# ---- other output of a process

PROGRAM = """
import gc, logging, sys, threading, warnings
from gateway.telemetry.logs import configure_logging
configure_logging("info")
logging.getLogger("asyncio").error("it %s", "broke", exc_info=ValueError("why"))
logging.getLogger("library").info("too fine")
logging.getLogger("library").error("%d", "does not fit")
warnings.warn("mind that")
thread = threading.Thread(target=lambda: 1 / 0, name="side")
thread.start()
thread.join()

class Odd:
    def __del__(self):
        raise KeyError("in a finalizer")

Odd()
gc.collect()
raise RuntimeError("the end")
"""


def test_warnings_messages_of_libraries_and_uncaught_exceptions_are_lines_of_the_log() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == [
        *("library_message", "library_message", "library_message"),
        *("thread_crashed", "exception_ignored", "crashed"),
    ]
    assert (lines[0]["logger"], lines[0]["message"]) == ("asyncio", "it broke")
    assert lines[0]["exception"].endswith("ValueError: why")
    assert "mind that" in lines[2]["message"]
    assert lines[3]["exception"].endswith("ZeroDivisionError: division by zero")
    assert lines[5]["exception"].endswith("RuntimeError: the end")
    assert "Traceback" in lines[5]["exception"]


def test_a_terminal_gets_readable_lines_without_control_sequences_from_outside() -> None:
    leader, terminal = os.openpty()
    log = Log()
    log.configure("info", terminal)
    log.request("GET", "/\x1b[2J\x9bx", 404, 1.5)
    log.warning("pubsub_lost", problem="the connection was lost")
    assert log.writer is not None
    log.writer.close()
    shown = os.read(leader, 10_000).decode()
    os.close(terminal)
    os.close(leader)
    assert "pubsub_lost  problem=the connection was lost" in shown
    assert "\x1b[2J" not in shown
    assert "\x9b" not in shown
    assert "status=404 ms=1.5" in shown
