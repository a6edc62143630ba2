"""Counts that are added to the metrics later."""

import asyncio
import contextlib
from bisect import bisect_left

from prometheus_client import CollectorRegistry, Counter, Histogram

from gateway.telemetry import tallies
from gateway.telemetry.tallies import REQUEST_BOUNDS, RequestTally, Tally


def test_several_tallies_of_a_counter_are_added_once() -> None:
    counter = Counter("things", "Things.", registry=CollectorRegistry())
    first, second = Tally(counter), Tally(counter)
    first.value, second.value = 2, 3
    tallies.collect()
    tallies.collect()
    assert counter._value.get() == 5


def test_requests_are_added_to_the_counter_and_the_histogram() -> None:
    """This uses parts of the library's histogram that are not documented."""
    registry = CollectorRegistry()
    counter = Counter("requests", "Requests.", registry=registry)
    histogram = Histogram("seconds", "Seconds.", registry=registry, buckets=REQUEST_BOUNDS)
    tally = RequestTally(counter, histogram)
    for _ in range(2):  # what was added once is not added again
        tally.collect()
    for seconds in (0.001, 0.0015, 99.0):
        tally.buckets[bisect_left(REQUEST_BOUNDS, seconds)] += 1
        tally.seconds += seconds
    for _ in range(2):
        tally.collect()
    expected = Histogram("expected", "Seconds.", registry=registry, buckets=REQUEST_BOUNDS)
    for seconds in (0.001, 0.0015, 99.0):
        expected.observe(seconds)
    samples, wanted = (
        [(each.labels, each.value) for each in metric.samples if not each.name.endswith("_created")]
        for one in (histogram, expected)
        for metric in one.collect()
    )
    assert samples == wanted
    assert counter._value.get() == 3


async def test_counters_are_brought_up_to_date_at_the_end() -> None:
    counter = Counter("things", "Things.", registry=CollectorRegistry())
    tally = Tally(counter)
    running = asyncio.create_task(tallies.run())
    await asyncio.sleep(0)
    tally.value = 1
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert counter._value.get() == 1
