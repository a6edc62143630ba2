"""Child processes end with their parent and ignore the signals that a terminal sends to its whole process group."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import wait_for

PARENT = """
import subprocess, sys, time
from gateway.server.child_process import begin_child
child = subprocess.Popen([sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"],
    stdout=subprocess.PIPE, preexec_fn=begin_child)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


def ends(pid: int) -> bool:
    """Return whether a process is dead or a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals children when their parent dies")
def test_a_child_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        for number in (signal.SIGHUP, signal.SIGINT):
            os.kill(child, number)
        assert not ends(child)
        parent.kill()
    wait_for(lambda: ends(child), "the child to end")
