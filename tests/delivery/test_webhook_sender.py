"""Sending messages of webhook endpoints: signatures, repetitions, pauses, and endpoints that are disabled."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.delivery import webhook_sender as module
from gateway.delivery.policy import PATIENT_SECONDS
from gateway.domain.outbound import PUBLIC_ONLY
from gateway.domain.project_event import ProjectEventType
from gateway.domain.webhook import DAY_MS, EXPIRY_MS, FAILING_MS, LONGEST_PAUSE_MS, OPENING_FAILURES, MessageState
from gateway.store.webhook_endpoints import Endpoint, SigningSecret, new_secret
from gateway.store.webhook_messages import WebhookMessage
from gateway.telemetry.metrics import DELIVERIES
from tests.delivery.webhooks import Clock, Webhooks
from tests.store.conftest import InspectedClient
from tests.stubs.webhook_receiver import WebhookReceiver, running_receiver


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    async with running_receiver() as receiver:
        yield receiver


@pytest.fixture
async def webhooks(client: InspectedClient) -> AsyncIterator[Webhooks]:
    webhooks = Webhooks(client, Clock(time.time()))
    yield webhooks
    await webhooks.http.close()


async def only_message(webhooks: Webhooks, endpoint: Endpoint) -> WebhookMessage:
    (found,) = await webhooks.messages.page(webhooks.project_id, endpoint.id, 9)
    return found


async def test_a_message_is_sent_signed_and_recorded(webhooks: Webhooks, receiver: WebhookReceiver) -> None:
    endpoint = await webhooks.endpoint(receiver)
    (sent,) = await webhooks.add(endpoint)
    counter = DELIVERIES.labels("webhook", "webhook", "delivered")
    before = counter._value.get()
    assert await webhooks.serve(endpoint) is None
    assert counter._value.get() == before + 1
    (received,) = receiver.received
    assert (received.id, received.signatures, receiver.refused) == (str(sent), 1, 0)
    found = await only_message(webhooks, endpoint)
    assert (found.state, found.due_ms) == (MessageState.DELIVERED, None)
    assert [(each.status, each.reason) for each in found.attempts] == [(200, "")]


async def test_a_message_keeps_its_id_through_the_whole_schedule_and_then_fails(
    webhooks: Webhooks, receiver: WebhookReceiver
) -> None:
    receiver.status = 500
    endpoint, began = await webhooks.endpoint(receiver), webhooks.clock.now
    (sent,) = await webhooks.add(endpoint)
    await webhooks.serve_until(endpoint, began + 7 * 24 * 3600)
    assert receiver.counts == {str(sent): 8}
    assert receiver.refused == 0
    at = [each.timestamp - int(began) for each in receiver.received]
    waits = [after - before for before, after in itertools.pairwise(at)]
    assert all(abs(wait - planned) <= 2 for wait, planned in zip(waits, PATIENT_SECONDS, strict=True)), waits
    found = await only_message(webhooks, endpoint)
    assert (found.state, len(found.attempts), found.due_ms) == (MessageState.FAILED, 8, None)
    assert {each.reason for each in found.attempts} == {"HTTP 500"}
    assert not (await webhooks.read(endpoint)).disabled


async def test_a_failed_message_that_is_retried_by_hand_is_sent_at_once(
    webhooks: Webhooks, receiver: WebhookReceiver
) -> None:
    receiver.statuses = [500] * 8
    endpoint = await webhooks.endpoint(receiver)
    (sent,) = await webhooks.add(endpoint)
    await webhooks.serve_until(endpoint, webhooks.clock.now + 7 * 24 * 3600)
    assert await webhooks.messages.retry(webhooks.project_id, endpoint.id, sent, webhooks.clock.ms)
    webhooks.clock.now += LONGEST_PAUSE_MS / 1000
    assert await webhooks.serve(endpoint) is None
    assert receiver.counts == {str(sent): 9}
    assert (await only_message(webhooks, endpoint)).state is MessageState.DELIVERED


async def test_both_secrets_sign_during_a_rotation_and_the_former_one_ends(
    webhooks: Webhooks, receiver: WebhookReceiver
) -> None:
    endpoint = await webhooks.endpoint(receiver)
    new, (former,) = new_secret(), endpoint.secrets
    until_ms = webhooks.clock.ms + DAY_MS
    await webhooks.change(endpoint, secrets=(SigningSecret(new), replace_end(former, until_ms)))
    await webhooks.add(endpoint, first=1)
    await webhooks.serve(endpoint)
    receiver.secrets = [new]
    await webhooks.add(endpoint, first=2)
    await webhooks.serve(endpoint)
    assert [each.signatures for each in receiver.received] == [2, 2]
    webhooks.clock.now += DAY_MS / 1000
    await webhooks.add(endpoint, first=3)
    await webhooks.serve(endpoint)
    assert receiver.received[-1].signatures == 1
    receiver.secrets = [former.secret]
    await webhooks.add(endpoint, first=4)
    await webhooks.serve(endpoint)
    assert receiver.refused == 1


def replace_end(secret: SigningSecret, until_ms: int) -> SigningSecret:
    return secret._replace(until_ms=until_ms)


async def test_a_410_disables_the_endpoint_and_nothing_more_is_sent(
    webhooks: Webhooks, receiver: WebhookReceiver
) -> None:
    receiver.status = 410
    endpoint = await webhooks.endpoint(receiver)
    await webhooks.add(endpoint)
    assert await webhooks.serve(endpoint) is None
    assert (await webhooks.read(endpoint)).disabled == "gone"
    assert (await only_message(webhooks, endpoint)).state is MessageState.FAILED
    await webhooks.add(endpoint, first=1)
    assert await webhooks.serve(endpoint) is None
    assert len(receiver.received) == 1
    page = await webhooks.log.read(webhooks.project_id, [ProjectEventType.ENDPOINT_DISABLED], 9)
    assert [each.context for each in page.events] == [b'{"endpoint_id":"%s","reason":"gone"}' % endpoint.id.encode()]


async def test_an_endpoint_that_only_failed_for_five_days_is_disabled(
    webhooks: Webhooks, receiver: WebhookReceiver
) -> None:
    receiver.status = 500
    endpoint, began = await webhooks.endpoint(receiver), webhooks.clock.now
    for day in range(8):
        await webhooks.add(endpoint, first=day)
        await webhooks.serve_until(endpoint, began + (day + 1) * DAY_MS / 1000)
        found, days = await webhooks.read(endpoint), (webhooks.clock.now - began) * 1000 / DAY_MS
        assert bool(found.disabled) == (days >= FAILING_MS / DAY_MS), days
        if found.disabled:
            break
        webhooks.clock.now = began + (day + 1) * DAY_MS / 1000
    assert (await webhooks.read(endpoint)).disabled == "failures"
    assert (webhooks.clock.now - began) * 1000 < FAILING_MS + DAY_MS
    page = await webhooks.log.read(webhooks.project_id, [ProjectEventType.ENDPOINT_DISABLED], 9)
    assert len(page.events) == 1


async def test_a_success_in_between_keeps_the_endpoint(webhooks: Webhooks, receiver: WebhookReceiver) -> None:
    receiver.status = 500
    endpoint, began = await webhooks.endpoint(receiver), webhooks.clock.now
    for day in range(8):
        if day == 4:
            receiver.statuses = [204]
        await webhooks.add(endpoint, first=day)
        await webhooks.serve_until(endpoint, began + (day + 1) * DAY_MS / 1000)
        webhooks.clock.now = began + (day + 1) * DAY_MS / 1000
    assert not (await webhooks.read(endpoint)).disabled


async def test_a_failing_endpoint_gets_one_message_at_a_time_after_a_pause(
    webhooks: Webhooks, receiver: WebhookReceiver
) -> None:
    receiver.status = 503
    endpoint = await webhooks.endpoint(receiver)
    await webhooks.add(endpoint, 30)
    wait = await webhooks.serve(endpoint)
    first = len(receiver.received)
    assert first == module.CONCURRENCY
    assert wait is not None
    assert wait > 0
    webhooks.clock.now += wait
    await webhooks.serve(endpoint)
    assert len(receiver.received) == first + 1
    receiver.status = 200
    await webhooks.serve_until(endpoint, webhooks.clock.now + 1000)
    states = {each.state for each in await webhooks.messages.page(webhooks.project_id, endpoint.id, 99)}
    assert states == {MessageState.DELIVERED}
    health, _ = await webhooks.messages.health(webhooks.project_id, endpoint.id)
    assert health.failures == 0
    assert first >= OPENING_FAILURES


async def test_a_retry_after_pauses_the_endpoint_and_spends_no_attempt(
    webhooks: Webhooks, receiver: WebhookReceiver
) -> None:
    receiver.statuses, receiver.headers = [429], {"retry-after": "40"}
    endpoint = await webhooks.endpoint(receiver)
    (first,) = await webhooks.add(endpoint)
    wait = await webhooks.serve(endpoint)
    assert wait == pytest.approx(40, abs=0.1)
    await webhooks.add(endpoint, first=1)
    assert await webhooks.serve(endpoint) == pytest.approx(40, abs=0.1)
    assert len(receiver.received) == 1
    webhooks.clock.now += 40
    taken = await webhooks.messages.take(webhooks.project_id, endpoint.id, webhooks.clock.ms, webhooks.clock.ms, 9)
    assert {each.id: each.attempts for each in taken}[first] == 1
    await webhooks.serve(endpoint)
    assert len(receiver.received) == 3
    assert (await webhooks.messages.health(webhooks.project_id, endpoint.id))[0].failures == 0


async def test_a_message_that_is_throttled_for_days_fails(webhooks: Webhooks, receiver: WebhookReceiver) -> None:
    receiver.status, receiver.headers = 503, {"retry-after": str(24 * 3600)}
    endpoint, began = await webhooks.endpoint(receiver), webhooks.clock.ms
    await webhooks.add(endpoint)
    await webhooks.serve_until(endpoint, webhooks.clock.now + 10 * DAY_MS / 1000)
    found = await only_message(webhooks, endpoint)
    assert found.state is MessageState.FAILED
    assert webhooks.clock.ms - began <= EXPIRY_MS


async def test_a_slow_endpoint_holds_up_no_other(webhooks: Webhooks, receiver: WebhookReceiver) -> None:
    async with running_receiver() as slow:
        slow.is_open.clear()
        stuck, quick = await webhooks.endpoint(slow), await webhooks.endpoint(receiver)
        await webhooks.add(stuck, 20)
        await webhooks.add(quick, 20)
        serving = asyncio.create_task(webhooks.serve(stuck))
        await slow.wait(module.CONCURRENCY)
        await webhooks.serve(quick)
        assert len(receiver.received) == 20
        assert slow.most_at_once == module.CONCURRENCY
        slow.is_open.set()
        await serving
        assert len(slow.received) == 20


async def test_the_requests_of_a_project_are_bounded_and_one_that_waits_too_long_is_left_for_later(
    webhooks: Webhooks, receiver: WebhookReceiver
) -> None:
    webhooks.requests = asyncio.Semaphore(1)
    endpoint = await webhooks.endpoint(receiver)
    receiver.is_open.clear()
    await webhooks.add(endpoint, 3)
    serving = asyncio.create_task(webhooks.serve(endpoint))
    await receiver.wait(1)
    webhooks.clock.now += module.WAIT_MS / 1000 + 1
    receiver.is_open.set()
    wait = await serving
    assert wait is not None
    assert wait == pytest.approx((module.LEASE_MS - module.WAIT_MS) / 1000 - 1)
    assert (len(receiver.received), receiver.most_at_once) == (1, 1)
    webhooks.clock.now += wait
    await webhooks.serve(endpoint)
    assert set(receiver.counts.values()) == {1}
    assert (len(receiver.received), receiver.most_at_once) == (3, 1)


async def test_what_a_dead_worker_had_taken_is_sent_again_with_the_same_id(
    webhooks: Webhooks, receiver: WebhookReceiver
) -> None:
    endpoint = await webhooks.endpoint(receiver)
    (sent,) = await webhooks.add(endpoint)
    receiver.is_open.clear()
    dying = asyncio.create_task(webhooks.serve(endpoint))
    await receiver.wait(1)
    dying.cancel()
    await asyncio.wait([dying])
    receiver.is_open.set()
    wait = await webhooks.serve(endpoint)
    assert wait == module.LEASE_MS / 1000
    webhooks.clock.now += wait
    await webhooks.serve(endpoint)
    assert receiver.counts == {str(sent): 2}
    assert (await only_message(webhooks, endpoint)).state is MessageState.DELIVERED


async def test_an_address_that_is_not_allowed_any_more_is_not_called(
    webhooks: Webhooks, receiver: WebhookReceiver
) -> None:
    endpoint = await webhooks.endpoint(receiver)
    webhooks.http.rules = PUBLIC_ONLY
    await webhooks.add(endpoint)
    assert await webhooks.serve(endpoint) == pytest.approx(PATIENT_SECONDS[0], abs=0.1)
    assert receiver.received == []
    found = await only_message(webhooks, endpoint)
    assert [(each.status, each.reason) for each in found.attempts] == [(0, "the address is not allowed")]


async def test_messages_of_a_deleted_endpoint_are_removed(webhooks: Webhooks, receiver: WebhookReceiver) -> None:
    endpoint = await webhooks.endpoint(receiver)
    await webhooks.add(endpoint)
    await webhooks.endpoints.delete(webhooks.project_id, endpoint.id)
    assert await webhooks.serve(endpoint) is None
    assert await webhooks.messages.page(webhooks.project_id, endpoint.id, 9) == []


async def test_an_endpoint_is_not_disabled_if_its_address_has_changed(
    webhooks: Webhooks, receiver: WebhookReceiver
) -> None:
    before = await webhooks.endpoint(receiver)
    after = await webhooks.change(before, url="https://example.com/other")
    assert (await webhooks.sender.disable(webhooks.project_id, before, "failures")).url == after.url
    assert not (await webhooks.read(before)).disabled
    await webhooks.change(after, url=before.url)
    assert (await webhooks.sender.disable(webhooks.project_id, before, "failures")).disabled
    await webhooks.endpoints.delete(webhooks.project_id, before.id)
    gone = replace(before, raw=b"?")
    assert (await webhooks.sender.disable(webhooks.project_id, gone, "gone")).disabled == "gone"
