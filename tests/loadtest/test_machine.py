"""The processes of a server, and their CPU."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loadtest import machine
from loadtest.cores import Cores
from loadtest.machine import REDIS, SERVER
from loadtest.origin import OtherPrograms

BURNED_SECONDS = 0.3
BURN = f"import time\nwhile time.process_time() < {BURNED_SECONDS}: pass"
RUN_A_CHILD = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BURN!r}])\nprint(flush=True)\ninput()"


@contextmanager
def started(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command for a block, which begins when the command has printed a line."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


@pytest.mark.parametrize(("name", "role", "children"), [("redis-like", REDIS, 0), ("other", SERVER, 1)])
def test_the_forks_of_a_redis_do_not_belong_to_the_server(tmp_path: Path, name: str, role: str, children: int) -> None:
    shell = shutil.copy("/bin/sh", tmp_path / name)
    with started(str(shell), "-c", "exec 3<&0; cat <&3 & echo; wait") as process:
        assert machine.role(process.pid) == role
        assert len(machine.tree(process.pid)) == 1 + children


def test_the_cpu_of_children_that_ended_is_shown_separately() -> None:
    before = machine.usage({})
    with started(sys.executable, "-c", RUN_A_CHILD) as process:
        figures = (machine.usage({process.pid: SERVER}) - before).per(1)
    assert figures["cpu_us_forks"] >= 0.9 * BURNED_SECONDS * 1e6  # which is counted in clock ticks
    assert figures["cpu_us"] == pytest.approx(figures["cpu_us_server"] + figures["cpu_us_forks"])


def test_the_cpu_of_a_process_that_has_not_ended_counts_as_that_of_other_programs() -> None:
    others = OtherPrograms()
    with started(sys.executable, "-c", f"{BURN}\nprint(flush=True)\ninput()"):
        assert others.share() > 0


def test_redis_gets_a_core_apart_from_the_server() -> None:
    first, second, third = (frozenset({number}) for number in range(3))
    assert Cores(first, first, second).redis_apart() == Cores(first, second, second)
    assert Cores(first, second, third).redis_apart() == Cores(first, second, third)
