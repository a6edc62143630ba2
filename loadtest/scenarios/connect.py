"""Authenticated connects up to `ready`: by HMAC, by JWT, and with a replay. Peers have no credentials."""

import asyncio
import time
from collections.abc import Sequence

from loadtest.bench import Bench
from loadtest.clients import Make
from loadtest.crowd import Crowd, idle_for
from loadtest.journal import EventJournal, Faults
from loadtest.meter import VERDICT_SECONDS, Meter, crowd_faults, no_garbage_collection, until
from loadtest.publisher import Publisher
from loadtest.targets.base import Target
from loadtest.targets.gateway import MOST_RECIPIENTS, GatewayTarget

ROUNDS = 3
"""Rounds of each way to connect. A round takes less than a second, so other programs can easily disturb it."""


async def run(bench: Bench) -> None:
    """Measure the ways to connect to the gateway, then the only way of each peer."""
    if bench.with_gateway:
        for transport in bench.transports:
            async with bench.own() as target:
                await _ours(bench, target, transport)
    for entrant in bench.peers:
        async with bench.started(entrant) as peer:
            for transport in bench.measured_transports(peer) if peer is not None else ():
                assert peer is not None
                await _warm_up(bench, peer.make(transport))
                users = [f"user{number}" for number in range(bench.sizes.connect.connections)]
                await _several_times(bench, peer, transport, "no credentials", peer.make(transport), users, rounds=1)


async def _several_times(
    bench: Bench, target: Target, transport: str, how: str, make: Make, users: Sequence[str], rounds: int = ROUNDS
) -> dict[str, str]:
    """Connect and cut all users several times, and add a row with the median round. Return their last positions."""
    found: list[dict[str, float]] = []
    faults, positions = Faults(), dict[str, str]()
    for _ in range(rounds):
        crowd, figures = await _connect(target, make, users)
        found.append(figures)
        faults += crowd_faults(crowd)
        positions = {client.user: client.position for client in crowd.clients}
        await crowd.close()
        await idle_for(0.5)  # cleaning up after so many connections is not part of the next round
    middle = sorted(found, key=lambda figures: figures["per_second"])[len(found) // 2]
    bench.add("connect", target, transport, len(users), faults, how=how, rounds=rounds, **middle)
    return positions


async def _ours(bench: Bench, target: GatewayTarget, transport: str) -> None:
    users = [f"user{number}" for number in range(bench.sizes.connect.connections)]
    await _warm_up(bench, target.make(transport))
    fresh, token = target.make_with(transport), target.make_with(transport, token=True)
    await _several_times(bench, target, transport, "HMAC, new users", fresh, users, rounds=1)
    await _several_times(bench, target, transport, "HMAC", fresh, users)
    positions = await _several_times(bench, target, transport, "JWT", token, users)
    await _resume(bench, target, transport, positions)


async def _resume(bench: Bench, target: GatewayTarget, transport: str, positions: dict[str, str]) -> None:
    users = list(positions)
    journals = await publish_to_all(target, users, bench.sizes.connect.missed_events)
    missed = len(users) * bench.sizes.connect.missed_events
    make = target.make_with(transport, since=positions)
    crowd, figures = await _connect(target, make, users, journals, missed)
    await asyncio.sleep(VERDICT_SECONDS)
    faults = crowd_faults(crowd) + replay_faults(crowd, journals, users)
    bench.add(
        "connect",
        target,
        transport,
        len(users),
        faults,
        how=f"resuming with {bench.sizes.connect.missed_events} missed events",
        delivered=sum(journal.received for journal in journals),
        **figures,
    )
    await crowd.close()


def groups_of(users: Sequence[str]) -> list[Sequence[str]]:
    """Divide users into groups that fit into one request."""
    return [users[first : first + MOST_RECIPIENTS] for first in range(0, len(users), MOST_RECIPIENTS)]


async def publish_to_all(target: GatewayTarget, users: Sequence[str], events: int) -> list[EventJournal]:
    """Send events to all users, one request for each group. Return a journal for each group."""
    pool = target.pool()
    journals = []
    for group in groups_of(users):
        journal = EventJournal()
        publisher = Publisher(pool, lambda user, number, group=group: target.request_many(group, number), journal)  # type: ignore[misc] # bound now
        for _ in range(events):
            await publisher.publish(group[0])
        journals.append(journal)
    await pool.close()
    return journals


def replay_faults(crowd: Crowd, journals: Sequence[EventJournal], users: Sequence[str]) -> Faults:
    """Return the faults of the replays of a crowd. Each journal is that of one group of the users."""
    faults = Faults()
    for journal, group in zip(journals, groups_of(users), strict=True):
        names = set(group)
        members = [client for client in crowd.clients if client.user in names]
        for member in members:
            member.user = group[0]  # the events of the group are recorded for its first user
        faults += journal.verify(members, replaying=True)
    return faults


async def _warm_up(bench: Bench, make: Make) -> None:
    crowd = Crowd()
    await crowd.add(make, [f"warm{number}" for number in range(bench.sizes.warm_up)], None)
    await crowd.close()


async def _connect(
    target: Target, make: Make, users: Sequence[str], journals: Sequence[EventJournal] = (), missed: int = 0
) -> tuple[Crowd, dict[str, float]]:
    for user in users:
        make(user, None)  # computes signatures, which are not measured
    journal_of = {user: journals[index // MOST_RECIPIENTS] for index, user in enumerate(users)} if journals else {}
    crowd = Crowd()
    with no_garbage_collection():
        meter, started = Meter(target), time.perf_counter()
        await crowd.add(lambda user, _: make(user, journal_of.get(user)), users, None)
        await until(lambda: sum(journal.received for journal in journals) >= missed)
        seconds = time.perf_counter() - started
        await meter.trailing()
        figures = meter.figures(len(users))
    return crowd, {"per_second": len(users) / seconds, **figures}
