"""Composition of a process that delivers: it starts, stops, and stays small."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.deliverer_app import NICENESS, Deliverer
from gateway.settings import Settings
from tests.servers import RedisServer, free_port

SECRET_KEY = "a key that no other test uses, long enough"

HEAVY = ("starlette", "uvicorn", "aiohttp", "httpcore2", "liquid", "slack_sdk", "aiosmtplib")


def settings(url: str, data_dir: Path) -> Settings:
    return Settings(redis_url=url, data_dir=data_dir, secret_key=SECRET_KEY, drain_seconds=0.1)


def test_it_loads_no_library_that_only_some_deliveries_need() -> None:
    program = f"import sys, gateway.deliverer_app; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


async def test_it_reports_once_that_it_delivers_and_ends_with_a_signal(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    ready, write = os.pipe()
    os.set_blocking(ready, False)
    deliverer = Deliverer(settings(redis_server.url, tmp_path))
    serving = asyncio.create_task(deliverer.serve(write))
    async with asyncio.timeout(10):
        while not deliverer.is_ready:
            await asyncio.sleep(0.01)
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert {"deliveries", "subscriber", "parked-lanes", "store-watch", "formats"} <= names
        await until_readable(ready)
        os.kill(os.getpid(), signal.SIGTERM)
        await serving
    assert os.read(ready, 10) == b"1"
    os.close(ready)
    left = {task.get_name() for task in asyncio.all_tasks()} - {asyncio.current_task().get_name()}  # type: ignore[union-attr] # a test is a task
    assert not {name for name in left if not name.startswith("Task-")}


async def until_readable(descriptor: int) -> None:
    readable = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, readable.set)
    await readable.wait()
    asyncio.get_running_loop().remove_reader(descriptor)


async def test_it_starts_without_redis_and_is_ready_once_redis_is_there(tmp_path: Path) -> None:
    deliverer = Deliverer(settings(f"redis://127.0.0.1:{free_port()}", tmp_path))
    async with asyncio.timeout(20), deliverer.running():
        await asyncio.sleep(0)
        assert not deliverer.is_ready


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INBOX_")}
    return {**clean, "INBOX_DATA_DIR": str(data_dir), "INBOX_SECRET_KEY": SECRET_KEY, **more}


def deliver(*arguments: str, **settings: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "gateway", "deliver", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **settings)  # type: ignore[call-overload,no-any-return] # an environment


def test_on_another_machine_it_says_that_it_delivers_and_ends_with_0(redis_server: RedisServer, tmp_path: Path) -> None:
    process = deliver(env=environment(tmp_path, INBOX_REDIS_URL=redis_server.url, INBOX_DRAIN_SECONDS="60"))
    assert process.stderr is not None
    try:
        lines = [process.stderr.readline()]
        while "delivery_ready" not in lines[-1]:
            assert lines[-1], lines
            lines.append(process.stderr.readline())
        niceness = os.getpriority(os.PRIO_PROCESS, process.pid)
        assert niceness == min(os.getpriority(os.PRIO_PROCESS, 0) + NICENESS, 19)
        process.terminate()
        assert process.wait(30) == 0  # it has no connections to drain
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.stderr.close()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({}, "set INBOX_REDIS_URL"),
        ({"INBOX_REDIS_URL": "redis://127.0.0.1:1", "INBOX_PROVIDER_URLS": "xpo=http://127.0.0.1:9"}, "names 'xpo'"),
        ({"INBOX_PROVIDER_URLS": "expo"}, "must have entries such as expo=http://127.0.0.1:9001"),
    ],
)
def test_it_refuses_settings_with_which_it_cannot_deliver(more: dict[str, str], message: str, tmp_path: Path) -> None:
    process = deliver(env=environment(tmp_path, **more))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert message in errors
    assert "Traceback" not in errors
