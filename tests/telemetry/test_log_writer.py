"""The writer of log lines: it never blocks, never raises, and reports what it drops."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from gateway.telemetry.log_writer import LogWriter
from tests.servers import wait_for
from tests.telemetry.pipes import Pipe


def writer_of(descriptor: int, max_bytes: int = 1_000_000) -> LogWriter:
    return LogWriter(descriptor, lambda count: b"%d dropped\n" % count, max_bytes)


def numbered(first: int, last: int) -> list[bytes]:
    return [b"%05d\n" % number for number in range(first, last)]


def test_lines_are_written_in_order(pipe: Pipe) -> None:
    writer = writer_of(pipe.writing)
    for line in numbered(0, 3000):
        writer.write(line)
    writer.close()
    assert pipe.read_all().splitlines(keepends=True) == numbered(0, 3000)


def test_a_stalled_reader_blocks_no_writer_and_one_line_reports_the_dropped_ones(pipe: Pipe) -> None:
    writer, dropped = writer_of(pipe.writing, 400_000), []
    writer.on_dropped = lambda: dropped.append(1)
    started = time.monotonic()
    for line in numbered(0, 100_000):
        writer.write(line)
    writer.write(b"urgent\n", urgent=True)
    assert time.monotonic() - started < 30
    assert len(dropped) > 20_000
    wait_for(lambda: pipe.read_all().endswith(b"urgent\n"), "all that was kept")
    kept = 100_000 - len(dropped)
    assert pipe.text.splitlines(keepends=True) == [*numbered(0, kept), b"%d dropped\n" % len(dropped), b"urgent\n"]
    writer.write(b"later\n")
    writer.close()
    assert pipe.read_all().endswith(b"urgent\nlater\n")


def test_dropped_lines_are_reported_even_if_no_other_line_follows(pipe: Pipe) -> None:
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
    assert time.monotonic() - started < 30


def test_a_pipe_whose_reader_closed_it_raises_nothing(pipe: Pipe) -> None:
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


def test_no_line_is_lost_when_another_process_makes_the_descriptor_non_blocking(pipe: Pipe) -> None:
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


def test_lines_that_a_full_disk_rejects_are_kept_and_written_whole_once_there_is_room(tmp_path: Path) -> None:
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
