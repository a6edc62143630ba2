"""Redis is unavailable for a while: killed, restarted or hung.

Measured is the time until every inbox has the next event. `/healthz` is requested all the time. A user without a
connection sends and reads, which must succeed or be refused with 503. When Redis is back, an event is sent to every
user as soon as it is accepted, while the gateway still reads the logs of its users. Connections stay open.
"""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Sequence

from loadtest.bench import Bench
from loadtest.crowd import Crowd, idle_for
from loadtest.healthz import Healthz
from loadtest.journal import EventJournal, Faults
from loadtest.meter import VERDICT_SECONDS, Meter, crowd_faults, no_garbage_collection, until
from loadtest.publisher import Pool
from loadtest.scenarios.connect import groups_of
from loadtest.targets.own_redis import GatewayOnRedis

OUTSIDER = "outsider"
OUTSIDER_PAUSE_SECONDS = 0.1
RETRY_SECONDS = 0.02
RECOVERED_SECONDS = 60.0

WRITTEN_SECONDS = 2.5
"""The time after which a Redis that syncs its append-only file every second has written everything."""

NOT_NOW = (409, 503)
"""Statuses after which a request is retried. 409 means that an earlier attempt may still be in progress."""


async def run(bench: Bench) -> None:
    """Measure the gateway. No peer has a store."""
    if bench.with_gateway:
        for transport in bench.transports:
            target = GatewayOnRedis(bench.cores, bench.workers, fsync="everysec")
            try:
                await target.start()
                await _measure(bench, target, transport)
            finally:
                await target.stop()


async def _measure(bench: Bench, target: GatewayOnRedis, transport: str) -> None:
    users = [f"user{number}" for number in range(bench.sizes.recovery.users)]
    crowd = Crowd()
    await crowd.add(target.make(transport), users, None)
    await idle_for(0.5)
    for how, seconds in bench.sizes.recovery.outages:
        await _outage(bench, target, transport, crowd, how, seconds)
    await crowd.close()


async def _outage(bench: Bench, target: GatewayOnRedis, transport: str, crowd: Crowd, how: str, seconds: float) -> None:
    users = [f"user{number}" for number in range(bench.sizes.recovery.users)]
    groups = groups_of(users)
    journals = [EventJournal() for _ in groups]
    for number, client in enumerate(crowd.clients):
        client.journal = journals[number // len(groups[0])]
        client.user = groups[number // len(groups[0])][0]  # the events of the group are recorded for its first user
        client.seen, client.out_of_order = [], 0
    await idle_for(WRITTEN_SECONDS)
    pool, health, outsider = target.pool(), Healthz(target), _Outsider(target)
    with no_garbage_collection(), health.watching():
        requesting = asyncio.create_task(outsider.run(), name="outsider")
        await _fail(target, how, seconds)
        meter, available_at = Meter(target), time.perf_counter()
        publishing = [
            asyncio.create_task(_publish(target, pool, group, journal, f"{how} {seconds} {number}"))
            for number, (group, journal) in enumerate(zip(groups, journals, strict=True))
        ]
        await until(lambda: sum(journal.received for journal in journals) >= len(users), RECOVERED_SECONDS)
        recovered = time.perf_counter() - available_at
        await asyncio.gather(*publishing)
        await meter.trailing()
        figures = meter.figures(len(users))
        requesting.cancel()
        await asyncio.gather(requesting, return_exceptions=True)
    await pool.close()
    await asyncio.sleep(VERDICT_SECONDS)
    faults = crowd_faults(crowd) + Faults(failed=outsider.failed + health.failed)
    for journal, group in zip(journals, groups, strict=True):
        members = [client for client in crowd.clients if client.user == group[0]]
        faults += journal.verify(members)
    bench.add(
        "recovery",
        target,
        transport,
        len(users),
        faults,
        how=how,
        away_seconds=seconds,
        recovered_seconds=recovered,
        accepted_seconds=max(journal.response_times()[0] for journal in journals if journal.response_times()),
        delivered=sum(journal.received for journal in journals),
        healthz_max_ms=health.slowest_ms,
        refused=outsider.refused,
        slowest_refusal_ms=1000 * outsider.slowest_refusal,
        **figures,
    )


async def _fail(target: GatewayOnRedis, how: str, seconds: float) -> None:
    """Make Redis unavailable for a time, and return when it replies again."""
    process = target.redis.process
    assert process is not None
    if how == "pause":
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        process.send_signal(signal.SIGCONT)
        return
    await asyncio.to_thread(target.redis.stop, signal.SIGKILL if how == "kill" else signal.SIGTERM)
    await asyncio.sleep(seconds)
    await target.start_redis()


async def _publish(target: GatewayOnRedis, pool: Pool, group: Sequence[str], journal: EventJournal, key: str) -> None:
    """Send an event to a group of users, repeatedly until it is accepted."""
    number = journal.open(group[0], time.perf_counter())
    request = target.request_many(group, number, idempotency_key=key)
    while (status := (await pool.request(request))[0]) in NOT_NOW:
        await asyncio.sleep(RETRY_SECONDS)
    journal.responded(number, time.perf_counter(), status == 201)


class _Outsider:
    """A user without a connection who sends and reads all the time. Each request must succeed or get a 503."""

    def __init__(self, target: GatewayOnRedis):
        self._pool = target.pool()
        self._requests = {
            201: target.request(OUTSIDER, 0),
            200: target.user_request("GET", OUTSIDER, "/notifications?per_page=1"),
        }
        self._responses: Counter[tuple[int, int]] = Counter()
        self.slowest_refusal = 0.0

    @property
    def refused(self) -> int:
        """The number of requests that were refused with 503."""
        return sum(count for (_, status), count in self._responses.items() if status == 503)

    @property
    def failed(self) -> int:
        """The number of requests with another response, or with none."""
        return sum(count for (good, status), count in self._responses.items() if status not in (good, 503))

    async def run(self) -> None:
        """Send requests until cancelled."""
        try:
            await asyncio.gather(*(self._send(good) for good in self._requests))
        finally:
            await self._pool.close()

    async def _send(self, good: int) -> None:
        while True:
            started = time.perf_counter()
            status, _ = await self._pool.request(self._requests[good])
            self._responses[good, status] += 1
            if status == 503:
                self.slowest_refusal = max(self.slowest_refusal, time.perf_counter() - started)
            await asyncio.sleep(OUTSIDER_PAUSE_SECONDS)
