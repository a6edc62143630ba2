"""The output of the bundled Valkey."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gateway.server.valkey.output import ValkeyOutput
from gateway.telemetry.log_writer import LogWriter
from gateway.telemetry.logs import log
from tests.logs import captured_log

INFO = "12:M 01 Jan 2026 10:00:00.000 * Ready to accept connections"
WARNING = "12:M 01 Jan 2026 10:00:00.000 # Bad file format reading the append only file"
USUAL = "12:M 01 Jan 2026 10:00:00.000 # User requested shutdown..."
PLAIN = "*** FATAL CONFIG FILE ERROR ***"


@pytest.fixture(autouse=True)
def process_with_a_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Make this a process that has a log, and not on a terminal."""
    with (tmp_path / "log").open("wb") as file:
        monkeypatch.setattr(log, "writer", LogWriter(file.fileno(), lambda count: b""))
        monkeypatch.setattr(log, "_pretty", False)
        yield


def print_lines(output: ValkeyOutput, lines: Sequence[str]) -> None:
    """Print lines as a server that then ends."""
    descriptor = output.open()
    os.write(descriptor, "".join(f"{line}\n" for line in lines).encode())
    os.close(descriptor)
    output.finish()


def test_lines_are_logged_by_their_level() -> None:
    with captured_log() as logged:
        print_lines(ValkeyOutput(), [INFO, "", WARNING, PLAIN])
    assert [(line["level"], line["message"]) for line in logged] == [
        ("info", "Ready to accept connections"),
        ("warning", "Bad file format reading the append only file"),
        ("warning", PLAIN),
    ]


def test_the_last_warnings_are_kept_without_the_usual_ones() -> None:
    output = ValkeyOutput()
    print_lines(output, [INFO, WARNING, USUAL, PLAIN])
    assert output.last_warnings == f"Bad file format reading the append only file {PLAIN}"
    print_lines(output, [INFO])
    assert output.last_warnings == ""


def test_each_warning_is_logged_once_while_a_server_is_started_again_and_again() -> None:
    output = ValkeyOutput()
    with captured_log() as logged:
        output.log_once(True)
        for _ in range(3):
            print_lines(output, [INFO, WARNING])
        assert [line["level"] for line in logged] == ["warning"]
        output.log_once(False)
        print_lines(output, [INFO, WARNING])
        assert [line["level"] for line in logged] == ["warning", "info", "warning"]


def test_a_server_is_not_blocked_by_a_full_pipe() -> None:
    output = ValkeyOutput()
    descriptor = output.open()
    assert not os.get_blocking(descriptor)
    os.close(descriptor)
    output.finish()
