"""SIGTERM and SIGHUP under load: clients of other workers are not affected, and no work in progress is lost."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.end_to_end.test_faults import (
    Writer,
    assert_exact,
    client_of,
    reached_midway,
    short_directory,
    until_processed,
)
from tests.live.clients import TRANSPORTS, ResumingInbox, raw_socket, receive_until, resuming
from tests.servers import ADMIN, running_gateway, user_headers, wait_for


@pytest.fixture
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return short_directory(tmp_path_factory)


async def test_a_rolling_restart_replaces_every_worker_and_no_request_fails(data_dir: Path, user: str) -> None:
    with running_gateway(data_dir, INBOX_WORKERS="2") as gateway:
        before = set(gateway.children("worker"))
        inboxes = [ResumingInbox(transport, gateway, user) for transport in TRANSPORTS * 3]
        async with client_of(gateway) as http, resuming(*inboxes):
            writers = [Writer(http, user) for _ in range(3)]
            assert gateway.process is not None
            gateway.process.send_signal(signal.SIGHUP)
            async with asyncio.timeout(60):
                while before & (now := set(gateway.children("worker"))) or len(now) != 2:
                    await asyncio.gather(*(writer.acknowledge(5) for writer in writers))
                    assert gateway.ready()
            for writer in writers:
                assert (writer.refused, writer.cut_off) == ([], 0)
                await assert_exact(http, user, writer, inboxes)
            for inbox in inboxes:
                assert {goodbye["code"] for goodbye in inbox.goodbyes} <= {4001}
        assert await asyncio.to_thread(gateway.stop) == 0


async def test_the_old_workers_stay_if_a_new_one_does_not_start(data_dir: Path, user: str) -> None:
    with running_gateway(data_dir) as gateway:
        before = gateway.children("worker")
        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGHUP)
        (new,) = await asyncio.to_thread(
            wait_for, lambda: set(gateway.children("worker")) - set(before), "another worker"
        )
        os.kill(new, signal.SIGKILL)
        await asyncio.to_thread(wait_for, lambda: "the old ones stay" in gateway.log, "the log line")
        assert gateway.children("worker") == before
        assert gateway.ready()


async def test_a_broadcast_is_completed_once_although_the_worker_that_runs_it_stops(data_dir: Path) -> None:
    users = 2_000
    body = {"import": {"users": [{"external_id": f"u{number}"} for number in range(users)]}}
    with running_gateway(data_dir, INBOX_WORKERS="2") as gateway:
        async with client_of(gateway) as http:
            accepted = (await http.post("/imports", headers=ADMIN, json=body)).json()["import"]
            await until_processed(http, f"/imports/{accepted['id']}")
            broadcast = {"broadcast": {"title": "Hello", "recipients": [{"matches": "*"}]}}
            sent = (await http.post("/broadcasts", headers=ADMIN, json=broadcast)).json()["broadcast"]
            await reached_midway(http, f"/broadcasts/{sent['id']}", 100)
            assert gateway.process is not None
            # Both workers stop, one after the other. One of them runs the broadcast.
            gateway.process.send_signal(signal.SIGHUP)
            before = set(gateway.children("worker"))
            await asyncio.to_thread(
                wait_for, lambda: not before & set(gateway.children("worker")), "both to be replaced", 60
            )
            done = await until_processed(http, f"/broadcasts/{sent['id']}")
            assert done["broadcast"]["status"]["summary"] == {"total": users, "failures": 0}


async def test_a_request_whose_body_is_incomplete_when_the_gateway_stops_gets_its_response(
    data_dir: Path, user: str
) -> None:
    with running_gateway(data_dir) as gateway:
        async with raw_socket(gateway) as sock:
            loop = asyncio.get_running_loop()
            headers = "".join(f"{name}: {value}\r\n" for name, value in user_headers(user).items())
            head = f"POST /notifications/read HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: 2\r\n\r\n{{"
            await loop.sock_sendall(sock, head.encode())
            async with client_of(gateway) as http:
                # The head has been read when a later request has its response.
                assert (await http.get("/healthz")).status_code == 200
                stopped = asyncio.create_task(asyncio.to_thread(gateway.stop))
                response = await http.get("/readyz")
                while response.status_code != 503:
                    response = await http.get("/readyz")
                assert response.json()["reason"] == "draining"
                assert response.headers["connection"] == "close"
            await loop.sock_sendall(sock, b"}")
            assert (await receive_until(sock, b"\r\n\r\n")).startswith(b"HTTP/1.1 204")
            assert await stopped == 0
