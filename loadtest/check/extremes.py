"""The parts of the faults of unusual users: many followers of one user, and a way to fill an inbox."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

from gateway.domain.principal import User
from gateway.settings import Settings
from gateway.store.contents import Content, ContentStore, NotificationFields
from gateway.store.deliveries import Delivery
from gateway.store.event_log import LogRetention, Moment
from gateway.store.inbox import InboxStore
from gateway.store.library import LIBRARY
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from loadtest.check.devices import DeviceClient, SseDevice, WebSocketDevice
from loadtest.check.observer import History, Observer
from loadtest.check.replica import Message
from loadtest.check.rest import Rest
from loadtest.check.violations import ViolationKind
from loadtest.servers.gateway import ADMIN, user_headers

CONNECTIONS = 1000
ITEMS = 100_000
CATEGORIES = ("a", "b", "c")
FILLING = 500
"""Items that are stored concurrently while an inbox is filled."""

FILL_TIMEOUT_SECONDS = 30.0
READY_SECONDS = 60.0
SEND_PAUSE_SECONDS = 0.3


class _Following(DeviceClient):
    """A device that checks the order of events and has no list. `Followers` checks the counts of its last event."""

    last: Message | None = None

    async def _process(self, message: Message) -> None:
        if message["type"] == "event":
            self.last = message
        await super()._process(message)

    async def _fetch(self) -> None:
        """Do nothing, because this device has no list."""


class _FollowingWebSocket(_Following, WebSocketDevice):
    pass


class _FollowingSse(_Following, SseDevice):
    pass


class Followers:
    """Many open inboxes of one user, half of them over each transport."""

    def __init__(self, user: str, port: int, rest: Rest, number: int):
        self._rest = rest
        self._user = user
        self._found: list[str] = []
        history = History()
        self._devices: Sequence[_Following] = [
            kind(user, port, rest, Observer(f"{user}/{index}", history, self._report))
            for index, kind in zip(range(number), (_FollowingWebSocket, _FollowingSse) * number, strict=False)
        ]

    async def until_up_to_date(self, seconds: float, **counts: int) -> None:
        """Wait until all devices have reached the position of the store. The last event must have these `counts`.

        Raise AssertionError for a device that is late, or that observed a violation.
        """
        position = await self._rest.position(self._user)
        deadline = time.monotonic() + seconds
        while behind := [device for device in self._devices if device.observer.position != position]:
            assert time.monotonic() < deadline, (
                f"{len(behind)} of {len(self._devices)} are behind {position} after {seconds:.0f} s, one of them at "
                f"{behind[0].observer.position}; its last connection ended: {behind[0].last_end}"
            )
            await asyncio.sleep(0.05)
        assert not self._found, f"{len(self._found)} violations: {self._found[:3]}"
        for device in self._devices if counts else ():
            last_counts = {name: device.last[name] for name in counts} if device.last else {}
            assert last_counts == counts, f"{device.transport} has the counts {last_counts}, not {counts}"

    async def run(self) -> None:
        """Stay connected until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for number, device in enumerate(self._devices):
                tasks.create_task(device.run(), name=f"follower{number}")

    def _report(self, kind: ViolationKind, who: str, detail: str) -> None:
        self._found.append(f"{kind.value}: {who}: {detail}")


@asynccontextmanager
async def following(rest: Rest, port: int, user: str, number: int) -> AsyncIterator[Followers]:
    """Keep a number of connections of a user open for a block, which begins when all are ready."""
    followers = Followers(user, port, rest, number)
    running = asyncio.create_task(followers.run(), name="followers")
    try:
        await followers.until_up_to_date(READY_SECONDS)
        yield followers
    finally:
        running.cancel()
        await asyncio.wait([running])


async def send_for(rest: Rest, user: str, seconds: float) -> int:
    """Send notifications to a user for a time, and return their number."""
    end, sent = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        await rest.send([user], f"{user}.{uuid4()}", None, None)
        sent += 1
        await asyncio.sleep(SEND_PAUSE_SECONDS)
    return sent


async def fill(redis_url: str, user: User) -> None:
    """Store ITEMS items in a user's inbox without the API. Each has its own topic, and the CATEGORIES alternate."""
    settings = Settings(redis_url=redis_url, redis_timeout_seconds=FILL_TIMEOUT_SECONDS)
    client = FunctionClient(Topology(settings), LIBRARY)
    inboxes = InboxStore(client, LogRetention(events=1000, seconds=3600), ContentStore(client))

    async def put(number: int) -> None:
        category = CATEGORIES[number % len(CATEGORIES)]
        fields = NotificationFields(title=f"item {number}", category=category, topic=f"order {number}")
        content = Content.encode(str(uuid4()), fields)
        moment = Moment(int(time.time() * 1000), str(uuid4()))
        await inboxes.create(content, [Delivery(user)], moment, remember=False)

    try:
        for first in range(0, ITEMS, FILLING):
            await asyncio.gather(*(put(number) for number in range(first, first + FILLING)))
    finally:
        client.close()


async def mark_all(rest: Rest, user: str, what: str, **query: str) -> None:
    """Mark a user's inbox as `read` or `seen`. Repeat that when the gateway gives up waiting for the store."""
    await rest.until_response("POST", f"/notifications/{what}", (204,), headers=user_headers(user), params=query)


async def delete_user(rest: Rest, user: str) -> None:
    """Delete a user. A retry may find that the user is already deleted."""
    await rest.until_response("DELETE", f"/users/external_id:{user}", (204, 404), headers=ADMIN)
