"""A position belongs to one user's log. In any other log it resets, even if one request started both logs."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.servers import ADMIN, user_headers


async def to_many(http: httpx.AsyncClient, names: list[str]) -> None:
    """Send one notification to several users."""
    recipients = [{"external_id": name} for name in names]
    body = {"notification": {"title": "t", "recipients": recipients}}
    assert (await http.post("/notifications", headers=ADMIN, json=body)).status_code == 201


async def by_broadcast(http: httpx.AsyncClient, names: list[str]) -> None:
    """Send a broadcast to several users."""
    recipients = [{"external_id": name} for name in names]
    body = {"broadcast": {"title": "t", "recipients": recipients}}
    sent = await http.post("/broadcasts", headers=ADMIN, json=body)
    while '"processed"' not in (await http.get(f"/broadcasts/{sent.json()['broadcast']['id']}", headers=ADMIN)).text:
        await asyncio.sleep(0.02)


async def after_an_import(http: httpx.AsyncClient, names: list[str]) -> None:
    """Import several users, who then open their inboxes."""
    body = {"import": {"users": [{"external_id": name} for name in names]}}
    sent = await http.post("/imports", headers=ADMIN, json=body)
    while '"processed"' not in (await http.get(f"/imports/{sent.json()['import']['id']}", headers=ADMIN)).text:
        await asyncio.sleep(0.02)


async def events(http: httpx.AsyncClient, user: str, since: str | None = None) -> dict[str, Any]:
    """Pull a user's events."""
    params = {} if since is None else {"since": since}
    found: dict[str, Any] = (await http.get("/realtime/events", headers=user_headers(user), params=params)).json()
    return found


@pytest.mark.parametrize("begin", [to_many, by_broadcast, after_an_import])
async def test_users_of_one_request_do_not_share_an_epoch(http: httpx.AsyncClient, begin: Any) -> None:
    names = [f"{begin.__name__}-{uuid4()}" for _ in range(4)]
    await begin(http, names)
    positions = [(await events(http, name))["position"] for name in names]
    assert len({position.partition(".")[0] for position in positions}) == len(names)
    for mine, theirs in zip(names, [*positions[1:], positions[0]], strict=True):
        assert (await events(http, mine, theirs))["reset"] == "epoch_changed"
