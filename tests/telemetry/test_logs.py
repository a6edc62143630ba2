"""The log: whoever writes a line neither waits nor fails, and what was lost is said."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.telemetry.log_writer import LogWriter
from gateway.telemetry.logs import Log, redacted_path, user_hash
from tests.servers import wait_for


class Pipe:
    """A pipe, and what was read from it."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self.text = b""

    def read_all(self) -> bytes:
        os.set_blocking(self.reading, False)
        try:
            while data := os.read(self.reading, 1 << 20):
                self.text += data
        except BlockingIOError:
            pass
        return self.text

    def close(self) -> None:
        for descriptor in (self.reading, self.writing):
            with contextlib.suppress(OSError):
                os.close(descriptor)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def writer_of(descriptor: int, most_bytes: int = 1_000_000) -> LogWriter:
    return LogWriter(descriptor, lambda count: b"%d dropped\n" % count, most_bytes)


def numbered(first: int, last: int) -> list[bytes]:
    return [b"%05d\n" % number for number in range(first, last)]


def test_lines_come_out_in_order(pipe: Pipe) -> None:
    writer = writer_of(pipe.writing)
    for line in numbered(0, 3000):
        writer.write(line)
    writer.close()
    assert pipe.read_all().splitlines(keepends=True) == numbered(0, 3000)


def test_a_reader_that_stalls_holds_nobody_up_and_what_was_dropped_is_counted_and_said_in_its_place(pipe: Pipe) -> None:
    writer, dropped = writer_of(pipe.writing, 400_000), []
    writer.on_dropped = lambda: dropped.append(1)
    started = time.monotonic()
    for line in numbered(0, 100_000):
        writer.write(line)
    writer.write(b"urgent\n", urgent=True)
    assert time.monotonic() - started < 5
    assert len(dropped) > 20_000
    wait_for(lambda: pipe.read_all().endswith(b"urgent\n"), "all that was kept")
    kept = 100_000 - len(dropped)
    assert pipe.text.splitlines(keepends=True) == [*numbered(0, kept), b"%d dropped\n" % len(dropped), b"urgent\n"]
    writer.write(b"later\n")
    writer.close()
    assert pipe.read_all().endswith(b"urgent\nlater\n")


def test_the_report_comes_without_another_line(pipe: Pipe) -> None:
    writer, dropped = writer_of(pipe.writing, 100_000), []
    writer.on_dropped = lambda: dropped.append(1)
    for line in numbered(0, 50_000):
        writer.write(line)
    wait_for(lambda: pipe.read_all().endswith(b"%d dropped\n" % len(dropped)), "the report")


def test_a_stalled_reader_does_not_keep_the_process_from_ending(pipe: Pipe) -> None:
    writer = writer_of(pipe.writing)
    for line in numbered(0, 50_000):
        writer.write(line)
    started = time.monotonic()
    writer.close(0.1)
    assert time.monotonic() - started < 5


def test_a_pipe_whose_reader_is_gone_raises_nothing(pipe: Pipe) -> None:
    os.close(pipe.reading)
    writer = writer_of(pipe.writing)
    writer.write(b"lost\n")
    started = time.monotonic()
    writer.close(60)
    assert time.monotonic() - started < 30


def test_a_closed_descriptor_raises_nothing(pipe: Pipe) -> None:
    pipe.close()
    writer = writer_of(pipe.writing)
    writer.write(b"lost\n")
    writer.close(60)


def test_a_descriptor_that_somebody_made_non_blocking_loses_nothing(pipe: Pipe) -> None:
    os.set_blocking(pipe.writing, False)
    writer = writer_of(pipe.writing)
    for line in numbered(0, 50_000):
        writer.write(line)
    wait_for(lambda: len(pipe.read_all()) == 300_000, "all lines")
    assert pipe.text.splitlines(keepends=True) == numbered(0, 50_000)


FULL = """
import os, resource, signal, sys, time
from gateway.telemetry.log_writer import LogWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
writer = LogWriter(file, lambda count: b"%d dropped\\n" % count)
for number in range(1000):
    writer.write(b"%05d\\n" % number)
print("written", flush=True)
sys.stdin.readline()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
deadline = time.monotonic() + 30
while writer._bytes and time.monotonic() < deadline:
    time.sleep(0.01)
"""


def test_lines_that_a_full_disk_refuses_are_kept_and_written_whole_once_there_is_room(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with subprocess.Popen(
        [sys.executable, "-c", FULL, str(log)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        wait_for(lambda: log.stat().st_size == 1000, "the disk to be full")
        process.communicate("go on\n", timeout=60)
    assert log.read_bytes().splitlines(keepends=True) == numbered(0, 1000)


def test_lines_of_several_threads_stay_whole(pipe: Pipe) -> None:
    writer = writer_of(pipe.writing)

    def write() -> None:
        for _ in range(200):
            writer.write(b"x" * 50 + b"\n")

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    assert pipe.read_all() == (b"x" * 50 + b"\n") * 800


# ---- lines

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


def test_a_traceback_is_one_field_and_a_long_one_keeps_its_end(written: Written) -> None:
    log, lines = written
    try:
        raise ValueError("x" * 100_000 + "the end")
    except ValueError:
        log.exception("failed")
    (line,) = lines()
    assert line["exception"].endswith("the end")
    assert len(line["exception"]) < 20_000


def test_what_is_no_json_is_logged_as_text(written: Written) -> None:
    log, lines = written
    log.info("odd", value={1, 2}, broken="\ud800", nested={"a": object})
    (line,) = lines()
    assert line["value"] == "{1, 2}"


def test_the_line_of_a_request_has_what_is_known(written: Written) -> None:
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
def test_a_path_that_no_route_serves_is_logged_without_what_may_be_private(path: str, logged: str) -> None:
    assert redacted_path(path, {"users", "read"}) == logged


# ---- what else a process says

SAYS = """
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


def test_whatever_a_process_says_is_a_line_and_what_ends_it_comes_out() -> None:
    done = subprocess.run([sys.executable, "-c", SAYS], capture_output=True, text=True, timeout=60, check=False)
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


def test_a_terminal_gets_lines_to_read_that_cannot_steer_it() -> None:
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
