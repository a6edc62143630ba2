"""The log of a gateway: every line is JSON without private data. Requests succeed even if it cannot be written."""

import contextlib
import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.live.clients import TRANSPORTS, open_inbox
from tests.servers import ADMIN, Gateway, user_headers, wait_for

MANY = 500
"""The number of requests whose log lines fill a pipe of 64 KB and the other buffers of the kernel."""

SETTINGS = {"INBOX_WORKERS": "1", "INBOX_DRAIN_SECONDS": "0"}


class Reader:
    """The reading end of a pipe that a gateway logs to."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self.received = b""

    def start(self) -> None:
        """Start reading."""
        threading.Thread(target=self._read, daemon=True).start()

    def lines(self) -> list[dict[str, Any]]:
        """Return the complete lines so far."""
        return [json.loads(line) for line in self.received.split(b"\n")[:-1]]

    def has(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of an event."""
        return [line for line in self.lines() if line["event"] == event]

    def _read(self) -> None:
        while data := os.read(self.reading, 1 << 16):
            self.received += data


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    for descriptor in (reader.reading, reader.writing):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def assert_served(gateway: Gateway, user: str) -> None:
    """Check that requests succeed, including those that are logged."""
    body = {"notification": {"title": "Hello", "recipients": [{"external_id": user}]}}
    with httpx.Client(base_url=gateway.url, timeout=20) as http:
        for _ in range(MANY):
            assert http.get("/notifications", headers=user_headers(user)).status_code == 200
        assert http.post("/notifications", headers=ADMIN, json=body).status_code == 201
        assert http.get("/readyz").status_code == 200


def await_another(gateway: Gateway, name: str, before: list[int]) -> None:
    """Wait for a new child process."""
    wait_for(lambda: set(gateway.children(name)) - set(before), f"another {name}", 30)


async def assert_all_served(gateway: Gateway, user: str) -> None:
    """Check requests and live connections, before and after the end of a worker."""
    for _ in range(2):
        assert_served(gateway, user)
        for transport in TRANSPORTS:
            async with open_inbox(transport, gateway, user):
                pass
        (worker,) = gateway.children("worker")
        os.kill(worker, signal.SIGKILL)
        await_another(gateway, "worker", [worker])
        wait_for(gateway.ready, "the gateway to be ready", 60)


async def run_with(gateway: Gateway, user: str) -> None:
    try:
        gateway.start()
        await assert_all_served(gateway, user)
    finally:
        if gateway.process is not None:
            assert gateway.stop() == 0


@pytest.fixture
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Yield a directory with a short name, because it contains a Unix socket."""
    return tmp_path_factory.mktemp("l") / "data"


async def test_a_full_disk_under_the_log_fails_no_request(data_dir: Path, user: str) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        await run_with(Gateway(data_dir, SETTINGS, log_descriptor=full), user)
    finally:
        os.close(full)


async def test_a_log_whose_reader_has_closed_it_fails_no_request(data_dir: Path, user: str, reader: Reader) -> None:
    os.close(reader.reading)
    await run_with(Gateway(data_dir, SETTINGS, log_descriptor=reader.writing), user)


async def test_a_log_whose_reader_stalls_delays_no_request_and_keeps_the_lines_that_fit(
    data_dir: Path, user: str, reader: Reader
) -> None:
    gateway = Gateway(data_dir, SETTINGS, log_descriptor=reader.writing)
    try:
        gateway.start()
        await assert_all_served(gateway, user)
        assert_served(gateway, user)
        reader.start()
        # Lines that the killed workers had not written are lost.
        wait_for(lambda: len(reader.has("request")) > MANY, "the lines of the running worker", 30)
        wait_for(lambda: len(reader.has("worker_recovered")) == 2, "the lines of the supervisor", 30)
    finally:
        if gateway.process is not None:
            assert gateway.stop() == 0


# ---- the content of the log


@pytest.fixture(scope="module")
def log_with_faults(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the complete log of a gateway that had several faults."""
    data_dir = tmp_path_factory.mktemp("l") / "data"
    gateway = Gateway(data_dir, {"INBOX_DRAIN_SECONDS": "0", "INBOX_WORKERS": "2"})
    try:
        gateway.start()
        device = "d" * 64
        with httpx.Client(base_url=gateway.url, timeout=20) as http:
            for method, path in (
                ("DELETE", "/users/email:ada@example.com"),
                ("DELETE", "/users/external_id:ada-lovelace"),
                ("DELETE", "/users/email%3Aada%40example.com"),
                ("DELETE", "/nowhere/email:ada@example.com"),
                ("PATCH", "/users/email:ada@example.com"),
                ("POST", "/users/email:ada@example.com/revoke_tokens"),
                ("GET", "/v2/jwt/user/email:ada@example.com"),
                ("DELETE", f"/push_subscriptions/{device}"),
                ("GET", "/subscriptions/ada@example.com"),
                ("GET", "/notifications/ada@example.com"),
                ("GET", "/notifications/" + "x" * 5000),
                ("GET", "/" + "y" * 5000),
            ):
                http.request(method, path, headers={**ADMIN, **user_headers("ada-lovelace")})
        # One worker responds before both are ready. Until then no worker counts as recovered.
        wait_for(lambda: '"ready"' in gateway.log, "all workers", 60)
        # A killed worker would lose its unwritten lines.
        wait_for(lambda: gateway.log.count('"path": "/notifications/{id}"') == 2, "the last line")
        for name, number in (("worker", signal.SIGKILL), ("valkey", signal.SIGKILL)):
            before = gateway.children(name)
            os.kill(before[0], number)
            await_another(gateway, name, before)
        wait_for(lambda: '"worker_recovered"' in gateway.log, "the log line", 60)
        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "reloaded" in gateway.log, "the reload", 60)
        httpx.get(f"{gateway.url}/realtime/events?since=x", headers=user_headers("ada-lovelace"))
        gateway.stop()
        log = gateway.log
    finally:
        if gateway.process is not None:
            gateway.stop(signal.SIGKILL)
    return log[log.index('{"timestamp"') :]


def lines_of(log: str) -> list[dict[str, Any]]:
    """Return the lines of standard error, without the banner on standard output."""
    return [json.loads(line) for line in log.splitlines() if line and not line.startswith("  ")]


def test_every_line_of_every_process_is_json_with_time_level_and_event(log_with_faults: str) -> None:
    lines = lines_of(log_with_faults)
    assert all(line.keys() >= {"timestamp", "level", "event", "pid"} for line in lines)
    assert len({line["pid"] for line in lines}) >= 2
    assert [line for line in lines if line["event"] == "valkey" and "Ready to accept" in line["message"]]


def test_start_ready_reload_stop_and_recoveries_are_in_the_log(log_with_faults: str) -> None:
    events = [line["event"] for line in lines_of(log_with_faults)]
    wanted = ["starting", "ready", "worker_ended", "worker_recovered", "reloading", "reloaded", "stopping", "stopped"]
    found = [event for event in events if event in wanted]
    assert [event for event in wanted if event in found] == wanted
    assert found[:2] == wanted[:2]
    assert found[-2:] == wanted[-2:]
    assert "valkey_ended" in events


def test_lines_that_were_logged_directly_before_the_end_are_written(log_with_faults: str) -> None:
    assert [line for line in lines_of(log_with_faults) if line.get("path") == "/realtime/events"]


def test_logged_paths_contain_no_user_name_and_no_device_token(log_with_faults: str) -> None:
    for private in ("ada", "example.com", "d" * 64):
        assert private not in log_with_faults.lower().replace("adapt", "")
    assert "/users/{user}" in log_with_faults
    assert "/push_subscriptions/{device_token}" in log_with_faults


def test_long_paths_are_truncated(log_with_faults: str) -> None:
    assert not re.search("x{300}|y{300}", log_with_faults)
