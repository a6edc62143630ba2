"""The bare providers: each request gets its reply, whole, in part, late or never."""

import asyncio
import json
from collections.abc import Callable

import aiohttp
import pytest

from loadtest.providers import replies
from loadtest.providers.replies import KINDS, ProviderKind
from loadtest.providers.server import CUT, NOTHING, ProviderRequest, ProviderServer, Reply, half_of, response

PATHS = {
    "fcm": "/v1/projects/a/messages:send",
    "sendgrid": "/v3/mail/send",
    "twilio": "/2010-04-01/Accounts/a/Messages.json",
    "slack": "/services/a/b",
    "webhooks": "/hooks/a",
}


async def post(answer: Callable[[ProviderRequest], Reply], path: str = "/", seconds: float = 5) -> tuple[int, bytes]:
    """Send one request to a provider that answers so. Return the status and the body."""
    server = ProviderServer(answer)
    await server.start()
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(seconds)) as http,
            http.post(server.url + path, data=b'{"a":1}') as received,
        ):
            return received.status, await received.read()
    finally:
        await server.stop()


async def test_a_request_arrives_whole_and_gets_its_reply() -> None:
    arrived: list[ProviderRequest] = []

    def answer(request: ProviderRequest) -> Reply:
        arrived.append(request)
        return Reply(response(202, b"ok", X_Message_Id="m"), after=0.01)

    assert await post(answer, "/v3/mail/send") == (202, b"ok")
    (request,) = arrived
    assert (request.method, request.path, request.body) == ("POST", "/v3/mail/send", b'{"a":1}')
    assert request.headers["content-length"] == "7"


@pytest.mark.parametrize("reply", [CUT, half_of(response(200, b"a long body")), half_of(response(204))])
async def test_a_connection_that_ends_leaves_no_response(reply: Reply) -> None:
    with pytest.raises(aiohttp.ClientError):
        await post(lambda request: reply)
    assert not reply.is_complete


async def test_a_provider_that_hangs_does_not_reply() -> None:
    with pytest.raises(TimeoutError):
        await post(lambda request: NOTHING, seconds=0.2)


async def test_a_late_reply_is_not_written_to_a_connection_that_was_cut() -> None:
    written: list[bool] = []
    server = ProviderServer(lambda request: Reply(response(200), after=0.05, on_written=lambda: written.append(True)))
    await server.start()
    async with aiohttp.ClientSession() as http:
        sending = asyncio.ensure_future(http.post(server.url))
        while not server.connections:
            await asyncio.sleep(0.001)
        server.cut()
        with pytest.raises(aiohttp.ClientError):
            await sending
    await asyncio.sleep(0.1)
    await server.stop()
    assert written == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_a_provider_recognizes_its_requests_and_accepts_them(kind: ProviderKind) -> None:
    def answer(request: ProviderRequest) -> Reply:
        assert replies.kind_of(request) is kind
        return Reply(kind.accepted())

    status, _ = await post(answer, PATHS[kind.name])
    assert 200 <= status < 300


async def test_access_tokens_and_throttling_are_as_documented() -> None:
    status, body = await post(lambda request: Reply(replies.access_token("a")))
    assert (status, json.loads(body)["expires_in"]) == (200, 3600)
    status, _ = await post(lambda request: Reply(replies.throttled(7)))
    assert status == 429
    assert b"\r\nRetry-After: 7\r\n" in replies.throttled(7)
