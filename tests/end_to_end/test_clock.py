"""A gateway whose wall clock jumps: order and positions do not depend on it, and access ends by the new time."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from loadtest.check.topologies import set_clock, with_clock
from tests.live.clients import TRANSPORTS, Ended, items, offsets, open_inbox, position, send, user_token
from tests.servers import Gateway, running_gateway

HOUR_SECONDS = 3600
LIMIT_SECONDS = 20.0
"""A second on a machine without other work."""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """Yield a gateway whose clock can be set."""
    directory = tmp_path / "data"
    with running_gateway(directory, **with_clock(directory, {})) as gateway:
        yield gateway


@pytest.fixture
async def http(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway.url, timeout=10) as http:
        yield http


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_events_stay_in_order_when_the_clock_jumps_forward_or_back(
    transport: str, gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    async with open_inbox(transport, gateway, user) as inbox:
        sent = []
        for seconds in (0, 2 * HOUR_SECONDS, -2 * HOUR_SECONDS, 0):
            set_clock(gateway, seconds)
            sent.append(await send(http, user))
        events = await inbox.events(4)
        assert [event["data"]["id"] for event in events] == sent
        assert offsets(events) == [1, 2, 3, 4]
    assert [item["id"] for item in await items(http, user)] == sent[::-1]
    times = [event["data"]["notification"]["sent_at"] for event in events]
    assert times == sorted(times), "the newest item is also the latest sent"
    async with open_inbox(transport, gateway, user, since=events[0]["position"]) as inbox:
        assert (await inbox.events(3))[-1]["position"] == await position(http, user)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_connection_ends_at_once_if_its_token_expires_because_the_clock_jumps(
    transport: str, gateway: Gateway, user: str
) -> None:
    token = {"Authorization": f"Bearer {user_token(user, seconds=HOUR_SECONDS)}"}
    async with open_inbox(transport, gateway, headers=token) as inbox:
        set_clock(gateway, 2 * HOUR_SECONDS)
        jumped = time.monotonic()
        goodbye = await inbox.next()
        assert (goodbye["code"], goodbye["reason"]) == (4504, "token_expired")
        assert time.monotonic() - jumped < LIMIT_SECONDS
        with pytest.raises(Ended):
            await inbox.next()
