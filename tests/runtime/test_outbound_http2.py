"""A request over HTTP/2 fails in a way that says whether the server may have processed it."""

import asyncio
import json
import random
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any

import jwt
import pytest

import gateway.runtime.outbound_http2 as http2_module
from gateway.channels.example_keys import EC_PRIVATE_KEY
from gateway.domain.outbound_errors import NoAnswerError, NotSentError
from gateway.runtime.outbound import OutboundResponse
from gateway.runtime.outbound_http2 import OutboundHttp2
from tests.stubs.apns import Answer, ApnsStub, Fault, device_token

DEVICE = device_token(1)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("apns")


@pytest.fixture
async def stub(files: Path) -> AsyncIterator[ApnsStub]:
    stub = await ApnsStub(files).start()
    yield stub
    await stub.close()


@pytest.fixture
async def http(stub: ApnsStub) -> AsyncIterator[OutboundHttp2]:
    http = OutboundHttp2(ca_file=stub.ca_file)
    yield http
    await http.close()


@cache
def provider_token() -> str:
    return jwt.encode({"iss": "TEAM567890", "iat": int(time.time())}, EC_PRIVATE_KEY, "ES256", {"kid": "KEY4567890"})


async def push(http: OutboundHttp2, stub: ApnsStub, device: str = DEVICE, **options: Any) -> OutboundResponse:
    return await http.request(
        "POST",
        f"{stub.url}/3/device/{device}",
        headers={
            "authorization": f"bearer {provider_token()}",
            "apns-topic": "com.example.app",
            "apns-push-type": "alert",
        },
        body=json.dumps({"aps": {"alert": "Hello"}}).encode(),
        **options,
    )


async def test_requests_share_a_connection_and_their_answers_are_told_apart(
    http: OutboundHttp2, stub: ApnsStub
) -> None:
    stub.answers[device_token(3)] = Answer(410, "Unregistered", 1_700_000_000_000)
    found = await asyncio.gather(*(push(http, stub, device_token(number)) for number in range(20)))
    assert [each.status for each in found] == [410 if number == 3 else 200 for number in range(20)]
    assert json.loads(found[3].body) == {"reason": "Unregistered", "timestamp": 1_700_000_000_000}
    assert "apns-id" in found[0].headers
    assert stub.connections == 1


async def test_each_pool_has_connections_of_its_own(
    http: OutboundHttp2, stub: ApnsStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http2_module, "MAX_POOLS", 2)
    for pool in ("a", "b", "a", "b"):
        await push(http, stub, pool=pool)
    assert stub.connections == 2
    await push(http, stub, pool="c")  # closes the connections of the first
    await push(http, stub, pool="b")
    assert stub.connections == 3
    await push(http, stub, pool="a")
    assert stub.connections == 4


@pytest.mark.parametrize("earlier", [0, 1])
@pytest.mark.parametrize("fault", [Fault.GOAWAY_BEFORE, Fault.GOAWAY_NOTHING, Fault.REFUSED_STREAM])
async def test_a_request_that_was_not_processed_is_sent_again(
    http: OutboundHttp2, stub: ApnsStub, fault: Fault, earlier: int
) -> None:
    for _ in range(earlier):
        await push(http, stub)
    stub.faults.append(fault)
    assert (await push(http, stub)).status == 200
    assert len(stub.pushes) == earlier + 1


async def test_a_request_that_is_never_processed_was_not_sent(http: OutboundHttp2, stub: ApnsStub) -> None:
    stub.faults.extend([Fault.REFUSED_STREAM] * 3)
    with pytest.raises(NotSentError):
        await push(http, stub)
    assert stub.pushes == []
    assert (await push(http, stub)).status == 200


@pytest.mark.parametrize("fault", [Fault.GOAWAY_THEN_NOTHING, Fault.RESET, Fault.CUT, Fault.CUT_IN_ANSWER, Fault.HANG])
async def test_a_request_that_may_have_been_processed_has_no_answer(
    http: OutboundHttp2, stub: ApnsStub, fault: Fault
) -> None:
    await push(http, stub)
    stub.faults.append(fault)
    with pytest.raises(NoAnswerError):
        await push(http, stub, seconds=0.5)
    assert (await push(http, stub)).status == 200
    assert len(stub.pushes) == 3


async def test_the_request_after_a_connection_was_shut_down_takes_another(http: OutboundHttp2, stub: ApnsStub) -> None:
    stub.faults.append(Fault.GOAWAY_AFTER_ANSWER)
    for _ in range(2):
        assert (await push(http, stub)).status == 200
    assert (stub.connections, len(stub.pushes)) == (2, 2)


@pytest.mark.parametrize("fault", [Fault.GOAWAY_THEN_ANSWER, Fault.GOAWAY_GRACEFUL, Fault.GOAWAY_BEFORE])
async def test_a_goaway_among_many_requests_loses_no_answer_and_repeats_none(
    http: OutboundHttp2, stub: ApnsStub, fault: Fault
) -> None:
    await push(http, stub)
    stub.faults.extend([Fault.LATE] * 5 + [fault])
    found = await asyncio.gather(*(push(http, stub, device_token(number)) for number in range(20)))
    assert [each.status for each in found] == [200] * 20
    assert len(stub.pushes) == 21
    assert len({each.device_token for each in stub.pushes}) == 20


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.CUT])
async def test_connections_that_fail_again_and_again_leave_room_for_others(
    http: OutboundHttp2, stub: ApnsStub, fault: Fault
) -> None:
    for _ in range(6):
        stub.faults.append(fault)
        with pytest.raises(NoAnswerError):
            await push(http, stub, seconds=0.2)
    assert (await push(http, stub)).status == 200
    async with asyncio.timeout(5):
        while len(stub.open) > 1:
            await asyncio.sleep(0)


@pytest.mark.parametrize("and_close", [True, False])
async def test_a_connection_that_was_shut_down_while_idle_loses_no_request(
    http: OutboundHttp2, stub: ApnsStub, and_close: bool
) -> None:
    await push(http, stub)
    stub.say_goaway(and_close=and_close)
    assert (await push(http, stub)).status == 200
    assert len(stub.pushes) == 2


async def test_more_requests_than_the_server_allows_at_once_wait(http: OutboundHttp2, stub: ApnsStub) -> None:
    stub.max_streams = 2
    found = await asyncio.gather(*(push(http, stub, device_token(number)) for number in range(12)))
    assert [each.status for each in found] == [200] * 12


async def test_a_request_without_a_connection_was_not_sent(http: OutboundHttp2, stub: ApnsStub, files: Path) -> None:
    strict = OutboundHttp2()
    with pytest.raises(NotSentError):
        await push(strict, stub)
    await strict.close()
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(NotSentError) as failure:
        await http.request("POST", f"https://127.0.0.1:{silent.getsockname()[1]}/secret", seconds=0.1)
    assert "secret" not in str(failure.value)
    await stub.close()
    with pytest.raises(NotSentError):
        await push(http, stub)
    assert stub.pushes == []


async def test_a_response_that_is_too_large_is_not_read(http: OutboundHttp2, stub: ApnsStub) -> None:
    stub.answers[DEVICE] = Answer(400, "x" * 1000)
    with pytest.raises(NoAnswerError, match="more than 999 bytes"):
        await push(http, stub, max_bytes=999)
    assert (await push(http, stub, max_bytes=2000)).status == 400


@pytest.mark.parametrize("seed", [1])
async def test_whatever_happens_to_connections_an_outcome_says_what_the_server_did(
    http: OutboundHttp2, stub: ApnsStub, seed: int
) -> None:
    """An answer: processed once. Not sent: not processed. No answer: processed once at most."""
    chance = random.Random(seed)
    faults = [each for each in Fault if each is not Fault.HANG]
    numbers = iter(range(120))
    outcomes: dict[str, str] = {}

    async def send() -> None:
        for number in numbers:
            device = device_token(number)
            if chance.random() < 0.2:
                stub.faults.append(chance.choice(faults))
            try:
                outcomes[device] = str((await push(http, stub, device, seconds=3)).status)
            except (NotSentError, NoAnswerError) as failure:
                outcomes[device] = type(failure).__name__

    await asyncio.gather(*(send() for _ in range(8)))
    processed = Counter(each.device_token for each in stub.pushes)
    allowed = {"200": (1,), "NotSentError": (0,), "NoAnswerError": (0, 1)}
    assert len(outcomes) == 120
    assert [each for each, outcome in outcomes.items() if processed[each] not in allowed[outcome]] == []
    assert Counter(outcomes.values())["200"] > 30
