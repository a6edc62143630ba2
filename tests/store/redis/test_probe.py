"""The probe of a pub/sub connection: messages keep the connection healthy, and silence ends it."""

import asyncio
import time

import pytest

from gateway.runtime.tasks import Outage
from gateway.store.redis import probe
from gateway.store.redis.probe import Probe
from gateway.store.redis.problems import StoreRefusedError, StoreUnavailableError
from gateway.telemetry.metrics import PROBE_SECONDS
from tests.store.conftest import InspectedClient


@pytest.fixture
def started(client: InspectedClient) -> Probe:
    """A probe whose connection has just been opened."""
    (node,) = client.topology.nodes
    started = Probe(client, node, "worker", Outage("failed", "recovered"))
    started.restart()
    return started


def test_a_probe_is_recent_only_after_a_message_has_arrived(started: Probe) -> None:
    assert not started.is_recent()
    started.on_message(str(time.monotonic() - 0.25).encode())
    assert started.is_recent()
    assert 0.2 < PROBE_SECONDS._value.get() < 2
    started.restart()
    assert not started.is_recent(), "of the connection before"


def test_a_message_of_another_publisher_proves_nothing(started: Probe) -> None:
    started.on_message(b"no time")
    assert not started.is_recent()


def test_a_probe_has_a_channel_of_its_worker(started: Probe) -> None:
    assert b"{probe:worker-0}" in started.choose_channel()


async def test_silence_ends_the_connection(started: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PROBE_INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(probe, "PROBE_TIMEOUT_SECONDS", 0.05)
    started.choose_channel()
    async with asyncio.timeout(5):
        with pytest.raises(StoreUnavailableError) as caught:
            await started.run()
    assert caught.value.detail == "the probe received no message in time"


async def test_a_refusal_to_publish_ends_it_only_if_it_lasts(
    started: Probe, client: InspectedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "PROBE_INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(probe, "PROBE_TIMEOUT_SECONDS", 0.05)
    started.choose_channel()
    await client.redis.execute_command("ACL", "SETUSER", "default", "-spublish")
    try:
        async with asyncio.timeout(5):
            with pytest.raises(StoreRefusedError):
                await started.run()
    finally:
        await client.redis.execute_command("ACL", "SETUSER", "default", "+spublish")
    assert time.monotonic() - started.last_activity_at > 0.05
