"""Counts that are added to the metrics later."""

import asyncio
import contextlib

from prometheus_client import CollectorRegistry, Counter

from gateway.telemetry import tallies
from gateway.telemetry.metrics import REFUSED, metrics_text
from gateway.telemetry.tallies import Tally


def test_several_tallies_of_a_counter_are_added_once() -> None:
    counter = Counter("things", "Things.", registry=CollectorRegistry())
    first, second = Tally(counter), Tally(counter)
    first.value, second.value = 2, 3
    tallies.collect()
    tallies.collect()
    assert counter._value.get() == 5


def test_the_text_of_the_metrics_has_what_was_counted_until_now() -> None:
    tally = Tally(REFUSED.labels("418"))
    tally.value += 1
    assert b'inbox_http_refused_total{status="418"} 1.0' in metrics_text()


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
