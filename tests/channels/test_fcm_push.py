"""Pushes reach FCM with an access token of the project's service account."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.channels.fcm import INTEGRATION
from gateway.channels.fcm_push import PROVIDER, check, deliver
from gateway.channels.message import Message
from gateway.channels.outcome import Dead, Delivered, Misconfigured, Outcome, Refused, Retry, Throttled
from gateway.domain.outbound import PUBLIC_ONLY
from gateway.domain.outbound_errors import NoAnswerError, NotSentError
from gateway.runtime.outbound import OutboundHttp
from tests.channels.push_links import PushLinks, push_to
from tests.stubs.fcm import UNREGISTERED, FcmStub, error
from tests.stubs.http_stub import Reply

CONFIG: dict[str, Any] = {**INTEGRATION.example}
PUBLIC_KEY = load_pem_private_key(CONFIG["private_key"].encode(), None).public_key()
TOKEN = "t" * 80


@pytest.fixture
async def stub() -> AsyncIterator[FcmStub]:
    async with FcmStub(PUBLIC_KEY, client_email=CONFIG["client_email"]) as stub:
        yield stub


@pytest.fixture
async def links(stub: FcmStub) -> AsyncIterator[PushLinks]:
    links = PushLinks(stub.url)
    yield links
    await links.close()


def push(token: str = TOKEN, **changes: Any) -> Message:
    return push_to(PROVIDER, {"device_token": token}, **changes)


async def test_a_push_is_delivered_and_valid_by_the_official_schema(stub: FcmStub, links: PushLinks) -> None:
    (found,) = await PROVIDER.deliver(
        [push(action_url="https://example.com", topic="t", category="c", custom_attributes={"a": [1]})], links
    )
    assert isinstance(found, Delivered)
    assert found.provider_id.startswith("projects/example/messages/")
    assert stub.messages[0]["token"] == TOKEN


async def test_the_schema_of_the_stub_refuses_what_fcm_refuses(stub: FcmStub, links: PushLinks) -> None:
    wrong: list[Any] = [{"notificaton": {}}, {"android": {"ttl": 7}}, {"data": {"from": "x"}}]
    for extra in wrong:
        assert await deliver(push(extra=extra), links) == Refused("INVALID_ARGUMENT")
    assert stub.messages == []


async def test_all_messages_share_one_access_token_until_it_is_old(stub: FcmStub, links: PushLinks) -> None:
    await asyncio.gather(*(deliver(push(f"{TOKEN}{number}"), links) for number in range(5)))
    links.clock = 3300
    await deliver(push(), links)
    assert stub.token_requests == 1
    links.clock = 3600
    await deliver(push(), links)
    assert stub.token_requests == 2


async def test_a_refused_access_token_is_renewed_once_for_all_messages(stub: FcmStub, links: PushLinks) -> None:
    await deliver(push(), links)
    stub.access_tokens.clear()
    found = await asyncio.gather(*(deliver(push(), links) for _ in range(5)))
    assert all(isinstance(each, Delivered) for each in found)
    assert stub.token_requests == 2
    stub.faults.extend([error(401, "UNAUTHENTICATED"), *[Reply(200, {"access_token": "x"})], error(403, "DENIED")])
    assert await deliver(push(), links) == Misconfigured("DENIED")


async def test_a_refusal_that_another_access_token_does_not_change_is_final(stub: FcmStub, links: PushLinks) -> None:
    stub.answers[TOKEN] = error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH")
    assert await deliver(push(), links) == Dead("SENDER_ID_MISMATCH")
    stub.answers[TOKEN] = error(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR")
    assert await deliver(push(), links) == Misconfigured("THIRD_PARTY_AUTH_ERROR", is_doubted=True)
    stub.answers[TOKEN] = UNREGISTERED
    assert await deliver(push(), links) == Dead("UNREGISTERED")
    assert stub.token_requests == 1


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (
            Reply(400, {"error": "invalid_grant", "error_description": "secret"}),
            Misconfigured("token_uri: invalid_grant"),
        ),
        (Reply(401, {"error": "a long text with spaces"}), Misconfigured("token_uri: HTTP 401")),
        (Reply(200, {"access_token": "line\nbreak"}), Misconfigured("token_uri: HTTP 200")),
        (Reply(200, "nonsense"), Misconfigured("token_uri: HTTP 200")),
        (Reply(503, "", {"retry-after": "9"}), Retry("token_uri: HTTP 503", 9)),
        (Reply(429, {"error": "rate_limit"}), Retry("token_uri: rate_limit")),
        (None, Retry("token_uri: no answer")),
    ],
)
async def test_a_token_endpoint_that_fails_leaves_the_message_unsent(
    stub: FcmStub, links: PushLinks, fault: Reply | None, outcome: Outcome
) -> None:
    stub.faults.append(fault)
    assert await deliver(push(), links) == outcome
    assert stub.messages == []
    assert isinstance(await deliver(push(), links), Delivered)


async def test_an_access_token_of_unknown_life_is_used_for_an_hour(stub: FcmStub, links: PushLinks) -> None:
    stub.faults.append(Reply(200, {"access_token": "ya29.x", "expires_in": "long"}))
    stub.access_tokens.add("ya29.x")
    assert isinstance(await deliver(push(), links), Delivered)


async def test_a_key_that_is_none_is_a_wrong_configuration(links: PushLinks) -> None:
    found = await deliver(push(config={**CONFIG, "private_key": "no key"}), links)
    assert found == Misconfigured("private_key is not an RSA private key")


@pytest.mark.parametrize(
    "uri", ["https://169.254.169.254/token", "http://127.0.0.1:1/token", "https://localhost/token"]
)
async def test_a_token_uri_of_an_internal_network_is_refused(uri: str) -> None:
    """The address is the tenant's, and goes through the guard."""
    links = PushLinks("https://fcm.googleapis.com", OutboundHttp(PUBLIC_ONLY))
    found = await deliver(push(config={**CONFIG, "token_uri": uri}), links)
    assert isinstance(found, Misconfigured)
    assert found.reason.startswith("token_uri: The address must")
    await links.close()


async def test_a_token_uri_of_the_project_is_used_as_it_is(stub: FcmStub, links: PushLinks) -> None:
    assert isinstance(await deliver(push(config={**CONFIG, "token_uri": f"{stub.url}/token"}), links), Delivered)


async def test_a_push_without_an_answer_may_have_been_delivered(stub: FcmStub, links: PushLinks) -> None:
    await deliver(push(), links)
    stub.faults.append(None)
    with pytest.raises(NoAnswerError):
        await deliver(push(), links)
    links.base = "http://127.0.0.1:1"
    with pytest.raises(NotSentError):
        await deliver(push(), links)


async def test_a_quota_pauses_the_lane_and_a_message_that_is_too_large_is_not_sent(
    stub: FcmStub, links: PushLinks
) -> None:
    stub.answers[TOKEN] = error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", headers={"Retry-After": "41"})
    found = await deliver(push(), links)
    assert isinstance(found, Throttled)
    assert found.after == 41
    assert isinstance(await deliver(push(extra={"data": {"own": "x" * 5000}}), links), Refused)


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({}, ""),
        ({"project_id": "another"}, "HTTP 404"),
        ({"client_email": "other@example.com"}, "token_uri: unauthorized_client"),
        ({"private_key": "no key"}, "private_key is not an RSA private key"),
    ],
)
async def test_a_check_says_what_is_wrong_and_sends_nothing(
    stub: FcmStub, links: PushLinks, config: dict[str, str], fault: str
) -> None:
    assert await check({**CONFIG, **config}, links) == fault
    assert (stub.messages, stub.validated) == ([], 0 if config else 1)
