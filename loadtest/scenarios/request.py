"""REST requests over connections that stay open, compared with the bare path of `targets/servers/bare_path.py`.

The gateway has its default settings, including the access log. Only the rate limits of users are higher, so that no
request is refused. Each connection has its own user. The gateway and the bare path alternate on the same Redis. A ratio
is the median of the ratios of all rounds: to the CPU of the bare process, and to that of Redis for the bare call.
Except for the creation, both make the same calls, which cost Redis the same.
"""

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.domain.ids import ProjectId, UserId
from gateway.store import keys
from loadtest.bench import Bench
from loadtest.figures import median_or_none
from loadtest.journal import Faults
from loadtest.keep_alive import KeepAliveConnections
from loadtest.meter import Meter, no_garbage_collection
from loadtest.targets.bare_path import BarePathTarget
from loadtest.targets.base import REST
from loadtest.targets.gateway import GatewayTarget

PER_PAGE = 15
ITEMS = PER_PAGE + 5
"""The items of each user at the start: more than a page."""

LIMIT = 1_000_000_000
RATE = 300.0
"""Requests a second for cold processor caches: ten times fewer than the gateway can serve."""

WARM_UP_SHARE = 0.2

MONITOR_SECONDS = 10.0


@dataclass(frozen=True)
class _User:
    """A user and the ids of its items."""

    name: str
    key: str
    items: Sequence[str]


@dataclass
class _Kind:
    """A kind of request, and the figures of each round by target."""

    name: str
    requests: Callable[[GatewayTarget, _User], Iterator[bytes]]
    rate: float | None = None
    rounds: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def middle(self, target: str, figure: str) -> float | None:
        """Return the median of a figure over the rounds."""
        return median_or_none([figures[figure] for figures in self.rounds[target]])

    def ratio(self, figure: str) -> float | None:
        """Return the median of the ratios of the gateway to the bare path."""
        pairs = zip(self.rounds[GatewayTarget.name], self.rounds[BarePathTarget.name], strict=True)
        return median_or_none([ours[figure] / bare[figure] for ours, bare in pairs if bare[figure]])


def _creations(target: GatewayTarget, user: _User) -> Iterator[bytes]:
    return (target.request(user.name, number) for number in itertools.count())


def _changes(target: GatewayTarget, user: _User) -> Iterator[bytes]:
    """Mark one item after the other as read, and then as unread, so that each request changes something."""
    paths = [f"/notifications/{item}/{change}" for change in ("read", "unread") for item in user.items]
    return itertools.cycle([target.user_request("POST", user.name, path) for path in paths])


def _pages(target: GatewayTarget, user: _User) -> Iterator[bytes]:
    return itertools.repeat(target.user_request("GET", user.name, "/notifications"))


def _counts(target: GatewayTarget, user: _User) -> Iterator[bytes]:
    return itertools.repeat(target.user_request("GET", user.name, "/realtime/events"))


def _kinds() -> list[_Kind]:
    return [
        _Kind("create", _creations),
        _Kind("create_slowly", _creations, RATE),
        _Kind("mark", _changes),
        _Kind("list", _pages),
        _Kind("counts", _counts),
    ]


async def run(bench: Bench) -> None:
    """Measure each kind of request of the gateway and of the bare path."""
    if not bench.with_gateway:
        return
    limits = {"INBOX_RATE_LIMIT_READS": str(LIMIT), "INBOX_RATE_LIMIT_WRITES": str(LIMIT)}
    async with bench.own(INBOX_ACCESS_LOG="true", **limits) as gateway:
        names = [f"user{number}" for number in range(bench.sizes.request.connections)]
        users = await asyncio.gather(*(_new_user(gateway, name) for name in names))
        bare = BarePathTarget(gateway, {user.name: user.key for user in users}, LIMIT)
        try:
            await bare.start()
            with no_garbage_collection():
                for kind in _kinds():
                    await _measure(bench, kind, gateway, bare, users)
        finally:
            await bare.stop()


async def _new_user(gateway: GatewayTarget, name: str) -> _User:
    """Create a user with items."""
    pool = gateway.pool()
    for number in range(ITEMS):
        await pool.request(gateway.request(name, number))
    status, body = await pool.request(gateway.user_request("GET", name, f"/notifications?per_page={ITEMS}"))
    await pool.close()
    if status != 200:
        raise RuntimeError(f"the inbox of {name} could not be read: {status} {body!r}")
    items = json.loads(body)["notifications"]
    key = keys.user(ProjectId("1"), UserId(items[0]["recipient"]["id"]))
    return _User(name, key, [item["id"] for item in items])


async def _redis_commands(gateway: GatewayTarget, user: _User, request: bytes) -> dict[str, int]:
    """Return how many commands the function of a request runs in Redis, and their bytes as MONITOR shows them."""
    reader, writer = await asyncio.open_unix_connection(gateway.redis_socket)
    writer.write(b"MONITOR\r\n")
    await reader.readline()
    pool = gateway.pool()
    await pool.request(request)
    await pool.close()
    writer.write(b"ECHO the-end\r\n")
    found = {"redis_commands": 0, "redis_bytes": 0}
    is_ours = False
    while b"the-end" not in (line := await asyncio.wait_for(reader.readline(), MONITOR_SECONDS)):
        head, _, command = line.partition(b"] ")
        if b" lua" not in head:
            is_ours = command.startswith(b'"FCALL"') and user.key.encode() in command
        elif is_ours:
            found["redis_commands"] += 1
            found["redis_bytes"] += len(command)
    writer.close()
    return found


async def _measure(
    bench: Bench, kind: _Kind, gateway: GatewayTarget, bare: BarePathTarget, users: Sequence[_User]
) -> None:
    """Measure both alternately, and add a row for each."""
    sizes, faults = bench.sizes.request, Faults()
    requests = [kind.requests(gateway, user) for user in users]
    for number in range(sizes.rounds):
        for target in (gateway, bare) if number % 2 == 0 else (bare, gateway):
            async with KeepAliveConnections.opened(target.host, target.port, requests) as clients:
                await clients.back_to_back(WARM_UP_SHARE * sizes.seconds)
                meter = Meter(target)
                count = await (
                    clients.at_rate(kind.rate, sizes.seconds) if kind.rate else clients.back_to_back(sizes.seconds)
                )
                spent = meter.read()
            failed = sum(count for status, count in clients.statuses.items() if not 200 <= status < 300)
            faults += Faults(failed=failed)
            figures = {**spent.per(count), "per_second": count / spent.wall, "client_busy": spent.client_busy}
            kind.rounds.setdefault(target.name, []).append(figures)
    for target in (bare, gateway):
        shown = {name: kind.middle(target.name, name) for name in kind.rounds[target.name][0]}
        if target is gateway:
            shown |= await _redis_commands(gateway, users[0], next(requests[0]))
            shown |= {"ratio": kind.ratio("cpu_us_server"), "ratio_redis": kind.ratio("cpu_us_redis")}
        bench.add(
            "request", target, REST, len(users), faults if target is gateway else Faults(), kind=kind.name, **shown
        )
