"""The limit of open files."""

import resource
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
soft, hard = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
from gateway.telemetry.logs import close_log, configure_logging
from gateway.server.file_limit import raise_file_limit
configure_logging("info")
raise_file_limit()
close_log()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def limits_after(soft: int, hard: int) -> tuple[str, str]:
    """Return the limits of a process that raised them, and its log."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(soft), str(hard)], capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.strip(), done.stderr


def test_the_soft_limit_is_raised_to_the_hard_one_and_a_low_one_is_logged() -> None:
    limits, log = limits_after(100, 200)
    assert limits == "200 200"
    assert '"few_open_files"' in log
    assert "raise the hard limit" in log


def test_a_limit_that_is_high_enough_is_not_logged() -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 20_000:
        pytest.skip("this machine does not allow as many")
    limits, log = limits_after(100, 20_000)
    assert limits == "20000 20000"
    assert log == ""
