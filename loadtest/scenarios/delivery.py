"""Deliveries by one worker to providers that answer at once, in this process: their rate and their cost.

The gateway has no delivery worker of its own. Notifications are sent first, and a worker is started afterwards, so that
it always has work. It is measured from the first delivery to the last, with the Redis of the gateway. Gateway, worker
and providers are on the cores of servers and clients; Redis is on another core than the worker.

- `drain`: the CPU and the rate of deliveries, for a provider over HTTP/1.1.
- `fairness`: how long deliveries of a small project wait behind many of a large one.
- `hang`: the memory of a worker while the provider never replies.
- `live`: live events at a constant rate, without and with a worker that is busy all the time.
- `queue`: the bytes of a waiting delivery, and what a claim costs behind few and behind many of them.
"""

import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import redis

from gateway.channels import apns, fcm
from gateway.settings import Settings
from gateway.store.lanes import LaneStore
from gateway.store.library import LIBRARY
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from loadtest import machine
from loadtest.bench import Bench
from loadtest.crowd import Crowd
from loadtest.delivering import HELD, MAIL, PUSH, CountingProviders, Delivering
from loadtest.figures import median_or_none
from loadtest.jobs import import_users
from loadtest.journal import EventJournal, Faults, percentiles
from loadtest.machine import SERVER
from loadtest.meter import DELIVERY_SECONDS, Meter, no_garbage_collection, until, verdict
from loadtest.project_data import ProjectWriter
from loadtest.publisher import Publisher, at_constant_rate
from loadtest.servers.projects import create_project
from loadtest.targets.gateway import MOST_RECIPIENTS
from loadtest.targets.own_redis import GatewayOnRedis
from tests.stubs.apns import ApnsStub

DRAIN_SECONDS = 120.0
START_SECONDS = 30.0
SAMPLE_SECONDS = 0.1
RECORDS_SECONDS = 0.3
"""How long the worker is measured after the last delivery: the records of the last ones are part of the cost."""

CLAIMS, CLAIMED = 20, 5
"""How many claims are compared, and the users of each."""

LEASE_MS = 60_000


async def run(bench: Bench) -> None:
    """Measure the gateway. No peer delivers to providers."""
    if not bench.with_gateway:
        return
    providers = CountingProviders()
    cores = bench.cores.redis_apart()
    settings = {"INBOX_DELIVERY_WORKERS": "0", "INBOX_OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8"}
    gateway = GatewayOnRedis(cores, bench.workers, replicas=0, fsync="everysec", **settings)
    with tempfile.TemporaryDirectory(prefix="loadtest-apns-") as directory:
        stub = await ApnsStub(Path(directory)).start()
        await providers.server.start()
        try:
            await gateway.start()
            users = [f"user-{number}" for number in range(bench.sizes.delivery.users)]
            delivering = Delivering(bench, gateway, providers, gateway.pool(), users, stub)
            await delivering.configure()
            for measure in (_prepare, _drain, _fairness, _live, _queue, _hang):  # the last one opens the breaker
                await measure(delivering)
            await delivering.pool.close()
        finally:
            await gateway.stop()
            await providers.server.stop()
            await stub.close()


async def _prepare(delivering: Delivering) -> None:
    """Create the users, each with an address, and register a device of some of them: of Android, or an iPhone."""
    users = [{"external_id": user, "email": f"{user}@example.com"} for user in delivering.users]
    delivering.faults += await import_users(delivering.gateway, delivering.pool, users)
    writer = ProjectWriter(delivering.gateway)
    following = "/v2/users?page%5Bsize%5D=100"
    for kind, owners in ((fcm.TOKEN, delivering.with_android), (apns.TOKEN, delivering.with_iphone)):
        ids: list[str] = []
        while len(ids) < delivering.bench.sizes.delivery.devices:
            _, body = await delivering.pool.request(delivering.gateway.backend_request("GET", following))
            page = json.loads(body)
            ids += [user["id"] for user in page["data"]]
            owners += [user["external_id"] for user in page["data"]]
            following = page["links"]["next"]
        await writer.register(kind, ids, 1)
    await writer.close()


async def _drain(delivering: Delivering) -> None:
    """Measure deliveries that all wait when the worker starts, of each provider."""
    providers, pushes = delivering.providers, delivering.apns.pushes
    await _drain_one(delivering, "sendgrid", MAIL, delivering.users, lambda: len(providers.arrived))
    await _drain_one(delivering, "fcm", PUSH, delivering.with_android, lambda: len(providers.arrived))
    await _drain_one(delivering, "apns", PUSH, delivering.with_iphone, lambda: len(pushes))
    doubled = len(pushes) - len({push.headers["apns-id"] for push in pushes})
    delivering.faults += Faults(doubled=doubled)


async def _drain_one(
    delivering: Delivering, provider: str, category: str, users: Sequence[str], arrived: Callable[[], int]
) -> None:
    count = await delivering.send(users, category)
    async with delivering.worker() as worker:
        await _begun(arrived)
        with no_garbage_collection():
            first, meter, started = arrived(), Meter(worker), time.perf_counter()
            await until(lambda: arrived() >= count, DRAIN_SECONDS)
            seconds = time.perf_counter() - started
            await asyncio.sleep(RECORDS_SECONDS)
            done = arrived() - first
            figures = meter.figures(done)
        kb = (await worker.memory())[SERVER]
    delivering.faults += Faults(lost=count - arrived()) if provider == "apns" else delivering.providers.faults(count)
    rate = {"per_second": done / seconds, "per_core_second": 1e6 / max(1.0, figures["cpu_us_server"])}
    delivering.add("drain", worker, provider=provider, deliveries=count, **rate, kb=kb, **figures)


async def _begun(arrived: Callable[[], int]) -> None:
    """Wait until something has arrived. Raise TimeoutError."""
    if not await until(lambda: arrived() > 0, START_SECONDS):
        raise TimeoutError(f"nothing was delivered within {START_SECONDS:.0f} s")


async def _fairness(delivering: Delivering) -> None:
    """Measure how long deliveries of a small project wait while those of a large one are made."""
    sizes, providers, gateway = delivering.bench.sizes.delivery, delivering.providers, delivering.gateway
    settings = {**gateway.settings, "INBOX_DATA_DIR": str(gateway.directory / "data")}
    small = await asyncio.to_thread(create_project, "small", (sys.executable, "-m", "gateway"), settings)
    credentials = (small.api_key, small.api_secret)
    await delivering.configure(credentials)
    users = [f"small-{number}" for number in range(sizes.small)]
    people = {"import": {"users": [{"external_id": user, "email": f"{user}@example.org"} for user in users]}}
    await delivering.call("POST", "/imports", people, credentials)
    count = await delivering.send(delivering.users, MAIL, sizes.behind)
    async with delivering.worker() as worker:
        await _begun(lambda: len(providers.arrived) - count // 20)
        accepted = time.monotonic()
        await delivering.send(users, MAIL, credentials=credentials)
        mine = delivering.numbers
        # To look at all that has arrived, every few milliseconds, would keep the providers from answering.
        expected = [(mine, f"{user}@example.org".encode()) for user in users]
        await until(lambda: all(key in providers.arrived for key in expected), DRAIN_SECONDS)
        left = count + len(users) - len(providers.arrived)
        waits = [at - accepted for (number, _), at in providers.arrived.items() if number == mine]
        await until(lambda: len(providers.arrived) >= count + len(users), DRAIN_SECONDS)
    delivering.faults += providers.faults(count + len(users))
    delivering.add("fairness", worker, small=len(users), large=count, left=left, wait_ms=percentiles(waits))


async def _live(delivering: Delivering) -> None:
    """Measure live events without and with a busy worker, alternately. The worker runs where the kernel puts it."""
    sizes, gateway = delivering.bench.sizes.delivery, delivering.gateway
    users = [f"live-{number}" for number in range(sizes.live_users)]
    crowd, journal = Crowd(), EventJournal()
    await crowd.add(gateway.make(delivering.bench.transports[0]), users, journal)
    publisher = Publisher(delivering.pool, gateway.request, journal)

    async def p99() -> float:
        first = len(journal.latencies)

        async def one(number: int, due: float) -> None:
            await publisher.publish(random.choice(users), due)

        with no_garbage_collection():
            await at_constant_rate(sizes.live_rate, int(sizes.live_rate * sizes.live_seconds), one)
            await journal.until(journal.next_number, DELIVERY_SECONDS)
        return percentiles(journal.latencies[first:])["p99"]

    quiet: list[float] = []
    busy: list[float] = []
    for _ in range(sizes.live_rounds):
        quiet.append(await p99())
        count = await delivering.send(delivering.users, MAIL, sizes.behind)
        async with delivering.worker() as worker:
            machine.pin_to_all(worker.process_pids())
            await _begun(lambda: len(delivering.providers.arrived))
            busy.append(await p99())
            left = count - len(delivering.providers.arrived)
            await until(lambda: len(delivering.providers.arrived) >= count, DRAIN_SECONDS)  # noqa: B023 - called at once
        delivering.faults += delivering.providers.faults(count)
    delivering.faults += await verdict(crowd, journal)
    await crowd.close()
    ratio = median_or_none([with_it / without for without, with_it in zip(quiet, busy, strict=True)])
    delivering.add(
        "live",
        worker,
        rate=sizes.live_rate,
        left=left,
        p99_ms=median_or_none(quiet),
        p99_busy_ms=median_or_none(busy),
        ratio=ratio,
    )


async def _hang(delivering: Delivering) -> None:
    """Measure how the memory of a worker grows while its provider never replies, and that all is delivered later."""
    sizes, providers = delivering.bench.sizes.delivery, delivering.providers
    async with delivering.worker() as worker:
        count = await delivering.send(delivering.users[:MOST_RECIPIENTS], MAIL)
        await until(lambda: len(providers.arrived) >= count, DRAIN_SECONDS)
        providers.faults(count)
        before = (await worker.memory())[SERVER]
        providers.hangs = True
        await delivering.send(delivering.users, MAIL)
        most = before
        end = time.monotonic() + sizes.hang_seconds
        while time.monotonic() < end:
            await asyncio.sleep(SAMPLE_SECONDS)
            most = max(most, *(machine.resident_kb(pid) for pid in worker.process_pids()))
        open_requests = len(providers.server.connections)
    providers.server.cut()
    providers.hangs = False
    providers.faults(0)
    delivering.add(
        "hang",
        worker,
        seconds=sizes.hang_seconds,
        open_requests=open_requests,
        kb=before,
        grown_mb=(most - before) / 1024,
    )


async def _queue(delivering: Delivering) -> None:
    """Measure the bytes of a waiting delivery, and claims with few and with many users waiting."""
    sizes, users = delivering.bench.sizes.delivery, delivering.users
    few = users[: min(1000, len(users) // 4)]
    await delivering.send(few, MAIL)
    behind_few = await _claims(delivering.gateway)
    queued = await delivering.send(users, HELD, sizes.queued // len(users))
    bytes_each = await asyncio.to_thread(_delivery_bytes, delivering.gateway) / queued
    await delivering.send(users, MAIL)
    behind_many = await _claims(delivering.gateway)
    delivering.add(
        "queue",
        delivering.gateway,
        queued=queued,
        users=len(users),
        bytes_each=bytes_each,
        claim_us=behind_many,
        claim_us_of_few=behind_few,
        ratio=behind_many / behind_few,
    )


def _delivery_bytes(gateway: GatewayOnRedis) -> int:
    """Return the bytes of all outboxes and lanes."""
    with redis.Redis(port=gateway.redis.port) as client:
        found = [key for pattern in ("*:outbox:*", "*{deliveries:*") for key in client.scan_iter(pattern, count=10_000)]
        return sum(int(client.memory_usage(key, samples=0) or 0) for key in found)


async def _claims(gateway: GatewayOnRedis) -> float:
    """Return the CPU of Redis for a claim, in microseconds."""
    client = FunctionClient(Topology(Settings(redis_url=gateway.redis_url, redis_timeout_seconds=30)), LIBRARY)
    lanes, servers = LaneStore(client), [pid for pid, role in gateway.pids().items() if role == machine.REDIS]
    await lanes.claim(1, LEASE_MS)  # connects
    before = sum(map(machine.cpu_seconds, servers))
    for _ in range(CLAIMS):
        claimed = await lanes.claim(CLAIMED, LEASE_MS)
        assert sum(len(claim.users) for claim in claimed) == CLAIMED, "there are enough users that are due"
    spent = sum(map(machine.cpu_seconds, servers)) - before
    client.close()
    await asyncio.sleep(0)
    return 1e6 * spent / CLAIMS
