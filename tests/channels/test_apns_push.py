"""Pushes reach APNs with one provider token a key, and survive what its servers do to connections (complaint 1)."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.channels.apns import INTEGRATION
from gateway.channels.apns_push import (
    DEVELOPMENT,
    PRODUCTION,
    PROVIDER,
    PROVIDER_TOKEN_SECONDS,
    ROUNDED_SECONDS,
    check,
    deliver,
)
from gateway.channels.message import Message
from gateway.channels.outcome import Dead, Delivered, Misconfigured, Refused, Throttled
from gateway.domain.outbound_errors import NoAnswerError, NotSentError
from gateway.runtime.outbound_http2 import OutboundHttp2
from tests.channels.push_links import ID, PushLinks, push_to
from tests.stubs.apns import Answer, ApnsStub, Fault, device_token

CONFIG: dict[str, Any] = {**INTEGRATION.example}
PUBLIC_KEY: Any = load_pem_private_key(CONFIG["certificate"].encode(), None).public_key()
DEVICE = device_token(1)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("apns")


@pytest.fixture
async def stub(files: Path) -> AsyncIterator[ApnsStub]:
    stub = await ApnsStub(files, public_key=PUBLIC_KEY, topics=("com.example.app", "com.example.other")).start()
    yield stub
    await stub.close()


@pytest.fixture
async def links(stub: ApnsStub) -> AsyncIterator[PushLinks]:
    links = PushLinks(stub.url, OutboundHttp2(ca_file=stub.ca_file))
    stub.now = links.now
    yield links
    await links.close()


def push(device: str = DEVICE, **changes: Any) -> Message:
    destination = {"device_token": device, **changes.pop("destination", {})}
    return push_to(PROVIDER, destination, **changes)


async def test_a_push_is_delivered_with_the_id_of_its_message(stub: ApnsStub, links: PushLinks) -> None:
    assert await PROVIDER.deliver([push()], links) == [Delivered(str(ID))]
    (sent,) = stub.pushes
    assert sent.device_token == DEVICE
    assert sent.headers["apns-topic"] == "com.example.app"
    assert sent.headers["apns-collapse-id"] == str(ID)
    token = jwt.decode(sent.headers["authorization"].split()[1], PUBLIC_KEY, ["ES256"])
    assert token == {
        "iss": CONFIG["team_id"],
        "iat": pytest.approx(links.now() - ROUNDED_SECONDS / 2, abs=ROUNDED_SECONDS),
    }


@pytest.mark.parametrize(
    ("destination", "address", "topic"),
    [
        ({}, PRODUCTION, "com.example.app"),
        ({"installation_id": "production"}, PRODUCTION, "com.example.app"),
        ({"installation_id": "development", "app_id": "com.example.other"}, DEVELOPMENT, "com.example.other"),
    ],
)
async def test_a_token_says_its_environment_and_its_app(
    stub: ApnsStub, links: PushLinks, destination: dict[str, str], address: str, topic: str
) -> None:
    await deliver(push(destination=destination), links)
    assert links.defaults == [address]
    assert stub.pushes[0].headers["apns-topic"] == topic


async def test_one_provider_token_serves_a_key_for_half_an_hour_or_more(stub: ApnsStub, links: PushLinks) -> None:
    links.clock = -(time.time() % ROUNDED_SECONDS)  # just after a full third of an hour
    begin = links.clock
    await asyncio.gather(*(deliver(push(device_token(number)), links) for number in range(5)))
    links.clock = begin + PROVIDER_TOKEN_SECONDS - 60
    await deliver(push(), links)
    assert len({each.headers["authorization"] for each in stub.pushes}) == 1
    links.clock = begin + PROVIDER_TOKEN_SECONDS + 60
    await deliver(push(), links)
    assert len({each.headers["authorization"] for each in stub.pushes}) == 2
    assert {each.answer.status for each in stub.pushes} == {200}


async def test_processes_that_start_at_about_the_same_time_have_the_same_provider_token(
    stub: ApnsStub, links: PushLinks
) -> None:
    links.clock = -(time.time() % ROUNDED_SECONDS)
    begin = links.clock
    for seconds in (0, 600, 1100):
        links.clock = begin + seconds
        links.memos.clear()  # as in another process
        assert await deliver(push(), links) == Delivered(str(ID))
    assert len({each.headers["authorization"] for each in stub.pushes}) == 1


async def test_another_key_has_another_token_and_other_connections(stub: ApnsStub, links: PushLinks) -> None:
    stub.public_key = None
    for key_id in ("ABC123DEFG", "ABC123DEFH"):
        await deliver(push(config={**CONFIG, "key_id": key_id}), links)
    assert len(set(links.pools)) == 2
    assert stub.connections == 2


async def test_an_expired_provider_token_is_renewed_once_for_all_requests(stub: ApnsStub, links: PushLinks) -> None:
    await deliver(push(), links)
    stub.now = lambda: links.now() + 3700  # its clock is ahead
    assert await deliver(push(), links) == Misconfigured("ExpiredProviderToken: is the clock of the gateway right?")
    links.clock, stub.now = 0.0, links.now
    stub.provider_tokens.clear()
    stub.pushes.clear()
    stub.refused_tokens = {links.memo(next(iter(links.memos)))["token"][0]}
    found = await asyncio.gather(*(deliver(push(device_token(number)), links) for number in range(5)))
    assert found == [Delivered(str(ID))] * 5
    accepted = {each.headers["authorization"] for each in stub.pushes if each.answer.status == 200}
    assert len(accepted) == 1


@pytest.mark.parametrize("certificate", ["", "no key", CONFIG["certificate"].replace("MIGH", "MIGX")])
async def test_a_certificate_that_is_no_key_is_a_wrong_configuration(links: PushLinks, certificate: str) -> None:
    found = await deliver(push(config={**CONFIG, "certificate": certificate}), links)
    assert isinstance(found, Misconfigured)


async def test_a_payload_that_is_too_large_is_not_sent(stub: ApnsStub, links: PushLinks) -> None:
    assert isinstance(await deliver(push(extra={"own": "x" * 5000}), links), Refused)
    assert stub.pushes == []


async def test_a_device_token_stays_in_its_place_of_the_path(stub: ApnsStub, links: PushLinks) -> None:
    assert await deliver(push("../../x?y#" + "z" * 60), links) == Refused(
        "BadDeviceToken: perhaps of the other environment"
    )
    assert stub.pushes[0].headers[":path"].startswith("/3/device/..%2F..%2Fx%3Fy%23")


async def test_a_bad_token_is_discarded_once_the_app_has_had_a_push_accepted(stub: ApnsStub, links: PushLinks) -> None:
    stub.answers[device_token(2)] = Answer(400, "BadDeviceToken")
    assert isinstance(await deliver(push(device_token(2)), links), Refused)
    await deliver(push(), links)
    assert await deliver(push(device_token(2)), links) == Dead("BadDeviceToken")
    stub.answers[device_token(3)] = Answer(429, "TooManyRequests")
    assert isinstance(await deliver(push(device_token(3)), links), Throttled)


@pytest.mark.parametrize("fault", [each for each in Fault if each not in (Fault.HANG, Fault.RESET)])
async def test_no_goaway_and_no_closed_connection_keeps_later_pushes_from_leaving(
    stub: ApnsStub, links: PushLinks, fault: Fault
) -> None:
    """A push whose answer was lost is unknown, and is repeated with the same id. All others are delivered."""
    stub.faults.append(fault)
    found = await asyncio.gather(*(deliver(push(), links) for _ in range(3)), return_exceptions=True)
    assert not any(isinstance(each, NotSentError) for each in found)
    again = [await deliver(push(), links) for each in found if isinstance(each, NoAnswerError)]
    assert all(isinstance(each, Delivered) for each in [*again, *found] if not isinstance(each, NoAnswerError))
    assert {each.headers["apns-id"] for each in stub.pushes} == {str(ID)}


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({}, ""),
        ({"app_id": "com.example.none"}, "TopicDisallowed"),
        ({"team_id": "short"}, "InvalidProviderToken"),
        ({"certificate": "no key"}, "InvalidProviderToken: the certificate is not a private key on P-256"),
    ],
)
async def test_a_check_says_what_is_wrong_and_pushes_to_nobody(
    stub: ApnsStub, links: PushLinks, config: dict[str, str], fault: str
) -> None:
    stub.answers["0" * 64] = Answer(400, "BadDeviceToken")
    assert await check({**CONFIG, **config}, links) == fault
