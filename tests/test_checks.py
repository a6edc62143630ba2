"""The runner of `make test`: it never waits for ever for a check, and loses no output of a check."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.checks import Check, run_checks
from tests.servers import wait_for

HANGS = "import threading; print('about to hang', flush=True); threading.Event().wait()"


def python(name: str, code: str, limit_seconds: float = 30.0) -> Check:
    return Check(name, ("python", "-c", code), limit_seconds)


def test_the_first_exit_code_that_is_not_a_success_is_returned(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_checks([python("good", "pass"), python("bad", "raise SystemExit(3)")]) == 3
    printed = capfd.readouterr().out
    assert "--- good: done after" in printed
    assert "--- bad: FAILED with exit code 3" in printed


def test_an_exit_code_in_succeeds_with_is_a_success() -> None:
    assert run_checks([Check("none", ("python", "-c", "raise SystemExit(5)"), 30, frozenset({0, 5}))]) == 0


def test_the_lines_of_checks_that_run_together_begin_with_the_checks_name(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_checks([python("one", "print('a')"), python("two", "print('b', end='')")]) == 0
    printed = capfd.readouterr().out.splitlines()
    assert "one: a" in printed
    assert "two: b" in printed


def test_the_last_lines_say_which_checks_and_tests_failed(capfd: pytest.CaptureFixture[str]) -> None:
    listed = "; ".join(f"print('FAILED tests/test_x.py::test_{number} - ' + 'x' * 1000)" for number in range(17))
    code = f"print('before'); {listed}; print('ERROR tests/test_y.py'); print('17 failed'); raise SystemExit(1)"
    lines = "; ".join(f"print('line', {number})" for number in range(20))
    good, tests = python("good", "print('FAILED and repeated')"), python("tests", code)
    assert run_checks([good, tests, python("style", f"{lines}; raise SystemExit(2)")]) == 1
    printed = capfd.readouterr().out.splitlines()
    assert printed[-1] == "--- FAILED: tests, style"
    summary = printed[printed.index("--- tests: FAILED with exit code 1:") + 1 : -1]
    assert [line[:30] for line in summary[:2]] == ["FAILED tests/test_x.py::test_0", "FAILED tests/test_x.py::test_1"]
    assert max(len(line) for line in summary) == 240
    assert summary[15:17] == ["and 3 more", "--- style: FAILED with exit code 2:"]
    assert summary[17:] == [f"line {number}" for number in range(5, 20)]


def test_a_success_has_no_summary(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_checks([python("good", "print('FAILED at first')")]) == 0
    assert capfd.readouterr().out.splitlines()[-1].startswith("--- good: done after")


def test_no_more_checks_run_at_once_than_allowed(tmp_path: Path) -> None:
    running = tmp_path / "running"
    code = f"import pathlib, time; path = pathlib.Path({str(running)!r}); path.mkdir(); time.sleep(0.2); path.rmdir()"
    assert run_checks([python(str(number), code) for number in range(3)], at_once=1) == 0


def test_a_check_that_hangs_ends_at_its_limit_with_its_stacks(capfd: pytest.CaptureFixture[str]) -> None:
    started = time.monotonic()
    assert run_checks([python("stuck", HANGS, 2.0), python("good", "print('fine')")]) == -signal.SIGABRT
    assert time.monotonic() - started < 20
    printed = capfd.readouterr().out
    assert "stuck: about to hang" in printed
    assert "its time limit" in printed
    assert 'stuck:   File "<string>", line 1 in <module>' in printed
    assert "good: fine" in printed


def test_a_check_that_ignores_every_signal_is_killed(capfd: pytest.CaptureFixture[str]) -> None:
    code = "import faulthandler, signal; faulthandler.disable(); signal.signal(signal.SIGABRT, signal.SIG_IGN); "
    assert run_checks([python("ignoring", code + HANGS, 2.0)]) == -signal.SIGKILL
    assert "ignoring: FAILED" in capfd.readouterr().out


def test_a_process_that_outlives_its_check_and_keeps_its_output_open_is_not_waited_for() -> None:
    code = "import subprocess; subprocess.Popen(['sleep', '60'], start_new_session=True); print('done')"
    started = time.monotonic()
    assert run_checks([python("parent", code)]) == 0
    assert time.monotonic() - started < 20


def test_sigterm_stops_running_checks_and_loses_no_output(tmp_path: Path) -> None:
    pids = tmp_path / "pid"
    check = f"import os; print(os.getpid(), file=open({str(pids)!r}, 'w'), flush=True); {HANGS}"
    code = (
        "from tests.checks import Check, exit_on_sigterm, run_checks; exit_on_sigterm(); "
        f"run_checks([Check('stuck', ('python', '-c', {check!r}), 60)])"
    )
    output = tmp_path / "output"
    with output.open("wb") as file:
        runner = subprocess.Popen([sys.executable, "-c", code], stdout=file, stderr=file)
    try:
        wait_for(lambda: b"\nabout to hang" in output.read_bytes(), "the output", 30)
        runner.send_signal(signal.SIGTERM)
        assert runner.wait(30) == 128 + signal.SIGTERM
    finally:
        runner.kill()
        runner.wait(10)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pids.read_text()), 0)


STUCK_TESTS = """
import threading
import pytest

def test_that_fails():
    assert 1 == 2

@pytest.fixture
def stuck():
    yield
    threading.Event().wait()

def test_with_a_fixture_that_never_ends(stuck):
    pass
"""


def test_a_test_run_that_is_stuck_in_a_teardown_ends_with_its_stacks_and_earlier_failures(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "import tests.watchdog\n"
        "tests.watchdog.GRACE_SECONDS = 1\n"
        "def pytest_configure(config):\n"
        "    config.pluginmanager.register(tests.watchdog.Watchdog(1))\n"
    )
    (tmp_path / "test_stuck.py").write_text(STUCK_TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "test_that_fails failed in call:" in done.stderr
    assert "in stuck" in done.stderr
