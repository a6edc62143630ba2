"""A backup under load, and its restoration: every user is exact, and no client continues from a lost position."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.test_faults import Writer, client_of, short_directory
from tests.live.clients import Message, Replica, at_offset, items, open_inbox, position, send
from tests.servers import Gateway, user_headers

SECONDS = 100
USERS = [f"user-{number}" for number in range(3)]


@pytest.fixture
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return short_directory(tmp_path_factory)


async def run(data_dir: Path, *arguments: str) -> str:
    """Run a command that must succeed. Return what it printed on standard error."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INBOX_")}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "gateway", *arguments],
        env={**clean, "INBOX_DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


async def replayed(http: httpx.AsyncClient, user: str, end: str) -> list[Message]:
    """Return the items that the whole event log of a user describes."""
    replica, since = Replica(), at_offset(end, 0)
    while since != end:
        page = (await http.get("/realtime/events", params={"since": since}, headers=user_headers(user))).json()
        for event in page["events"]:
            replica.apply(event)
        since = page["events"][-1]["position"]
    return replica.items


async def assert_reset(gateway: Gateway, user: str, since: str) -> None:
    """Check that a client with this position is told to fetch its inbox."""
    async with open_inbox("websocket", gateway, user, since=since) as client:
        assert (await client.next())["type"] == "reset"


async def test_a_restored_store_is_exact_and_resets_clients_of_the_time_after(data_dir: Path, tmp_path: Path) -> None:
    gateway, file = Gateway(data_dir), tmp_path / "backup"
    gateway.start()
    try:
        async with client_of(gateway) as http:
            writers = [Writer(http, user) for user in USERS]
            await asyncio.gather(*(writer.acknowledge(10) for writer in writers))
            early = {user: await position(http, user) for user in USERS}
            copying = asyncio.create_task(run(data_dir, "backup", str(file)))
            while not copying.done():
                await asyncio.gather(*(writer.acknowledge(2) for writer in writers))
            assert "backed up" in await copying
            await asyncio.gather(*(writer.acknowledge(2) for writer in writers))
            late = {user: await position(http, user) for user in USERS}
        assert await asyncio.to_thread(gateway.stop) == 0
        assert "start the gateway" in await run(data_dir, "restore", str(file), "--replace")
        await asyncio.to_thread(gateway.start)
        async with client_of(gateway) as http:
            for user, writer in zip(USERS, writers, strict=True):
                end, listed = await position(http, user), await items(http, user)
                assert len(listed) >= 10
                assert {item["id"] for item in listed} <= set(writer.acknowledged)
                assert await replayed(http, user, end) == listed
                await assert_reset(gateway, user, late[user])
                async with open_inbox("sse", gateway, user, since=end) as client:
                    await send(http, user)
                    assert (await client.next())["type"] == "reset"
                    await send(http, user)
                    event = await client.next()
                    assert event["name"] == "notifications/new"
                    assert event["unread_count"] == len(listed) + 2
                for gone in (early[user], late[user], end):
                    await assert_reset(gateway, user, gone)
    finally:
        gateway.end()
