"""Slack: messages to the stub, and what Slack's responses mean."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.channels.outcome import (
    Dead,
    Delivered,
    Misconfigured,
    Outcome,
    Refused,
    Retry,
    Scope,
    Throttled,
    Unknown,
)
from gateway.channels.provider import Answer
from gateway.channels.slack import INTEGRATION
from gateway.channels.slack_sending import PROVIDER, api_outcome, check, deliver, destination_key, webhook_outcome
from tests.channels.messages import StubLinks, message_to
from tests.stubs.http_stub import Reply
from tests.stubs.slack import SlackStub

PLACE = "slack T1-A1"
OAUTH = {"oauth": {"channel_id": "C1", "installation_id": "T1-A1"}}


@pytest.fixture
async def stub() -> AsyncIterator[SlackStub]:
    async with SlackStub() as started:
        yield started


@pytest.fixture
async def links(stub: SlackStub) -> AsyncIterator[StubLinks]:
    made = StubLinks(stub.url)
    made.installations[PLACE] = {"access_token": "xoxb-1", "refresh_token": "xoxe-1", "expires_in": 43200}
    yield made
    await made.close()


def webhook(stub: SlackStub) -> dict[str, Any]:
    return {"webhook": {"url": f"{stub.url}/services/T0/B0/x"}}


async def test_an_incoming_webhook_gets_the_blocks_and_what_the_sender_merges(
    stub: SlackStub, links: StubLinks
) -> None:
    message = message_to(PROVIDER, webhook(stub), extra={"unfurl_links": False})
    assert await deliver(message, links) == Delivered()
    ((path, shown),) = stub.messages
    assert path == "/services/T0/B0/x"
    assert shown["blocks"][0]["text"]["text"] == "Your order has shipped"
    assert shown["unfurl_links"] is False


async def test_a_channel_gets_the_message_by_the_token_of_the_installation(stub: SlackStub, links: StubLinks) -> None:
    message = message_to(PROVIDER, OAUTH, extra={"channel": "C9"})
    assert await deliver(message, links) == Delivered("1503435956.000001")
    assert stub.messages[0][0] == "C1"


async def test_the_channel_that_the_user_chose_while_installing_needs_no_invitation(
    stub: SlackStub, links: StubLinks
) -> None:
    links.installations[PLACE]["incoming_webhook"] = {"channel_id": "C1", "url": f"{stub.url}/services/T0/B0/y"}
    assert await deliver(message_to(PROVIDER, OAUTH), links) == Delivered()
    other = {"oauth": {**OAUTH["oauth"], "channel_id": "C2"}}
    assert isinstance(await deliver(message_to(PROVIDER, other), links), Delivered)
    assert [channel for channel, _ in stub.messages] == ["/services/T0/B0/y", "C2"]


async def test_a_message_that_slack_would_refuse_for_its_image_goes_without_it(
    stub: SlackStub, links: StubLinks
) -> None:
    stub.images = False
    for destination in (webhook(stub), OAUTH):
        message = message_to(PROVIDER, destination, image_url="https://example.com/gone.png")
        assert isinstance(await deliver(message, links), Delivered)
    assert len(stub.messages) == 2


async def test_a_user_without_the_installation_gets_nothing_and_stops_nobody(links: StubLinks) -> None:
    links.installations.clear()
    assert await deliver(message_to(PROVIDER, OAUTH), links) == Refused("The user has no such installation")
    links.installations[PLACE] = {"app_id": "A1"}  # encrypted with another key
    assert await deliver(message_to(PROVIDER, OAUTH), links) == Refused("The user has no such installation")


async def test_an_expired_token_is_renewed_once_and_saved(stub: SlackStub, links: StubLinks) -> None:
    stub.token = "xoxb-0"
    assert isinstance(await deliver(message_to(PROVIDER, OAUTH), links), Delivered)
    assert links.installations[PLACE] == {"access_token": "xoxb-2", "refresh_token": "xoxe-2", "expires_in": 43200}
    assert isinstance(await deliver(message_to(PROVIDER, OAUTH), links), Delivered)
    assert [request.path for request in stub.requests].count("/api/oauth.v2.access") == 1


async def test_messages_at_once_renew_a_token_once(stub: SlackStub, links: StubLinks) -> None:
    """A refresh token is valid once. The messages that wait for the new token use it."""
    stub.token = "xoxb-0"
    outcomes = await asyncio.gather(*(deliver(message_to(PROVIDER, OAUTH), links) for _ in range(5)))
    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    assert [request.path for request in stub.requests].count("/api/oauth.v2.access") == 1


async def test_a_token_that_another_process_renews_meanwhile_is_used(stub: SlackStub, links: StubLinks) -> None:
    """The slower process gets `invalid_refresh_token`. It tries again, and by then the new token is saved."""
    stub.token, stub.refresh_token = "xoxb-9", "xoxe-9"
    assert await deliver(message_to(PROVIDER, OAUTH), links) == Retry("token_expired")
    links.installations[PLACE] = {"access_token": "xoxb-9", "refresh_token": "xoxe-9"}
    assert isinstance(await deliver(message_to(PROVIDER, OAUTH, attempt=2), links), Delivered)


async def test_a_token_that_was_renewed_between_two_reads_is_used(stub: SlackStub, links: StubLinks) -> None:
    class Slower(StubLinks):
        async def replace_installation(self, *arguments: Any) -> bool:
            links.installations[PLACE] = {"access_token": stub.token, "refresh_token": "x"}
            return False

    slower = Slower(stub.url)
    slower.installations = links.installations
    stub.token = "xoxb-0"
    assert isinstance(await deliver(message_to(PROVIDER, OAUTH), slower), Delivered)
    await slower.close()


@pytest.mark.parametrize(
    ("change", "attempt", "outcome"),
    [
        ({"refresh_token": None}, 1, Dead("token_expired")),
        ({"refresh_token": "xoxe-0"}, 2, Retry("token_expired")),
        ({"refresh_token": "xoxe-0"}, 3, Dead("token_expired")),
    ],
)
async def test_a_token_that_cannot_be_renewed_is_dead(
    stub: SlackStub, links: StubLinks, change: dict[str, Any], attempt: int, outcome: Outcome
) -> None:
    stub.token = "xoxb-0"
    links.installations[PLACE] |= change
    assert await deliver(message_to(PROVIDER, OAUTH, attempt=attempt), links) == outcome


async def test_renewing_needs_the_integration_of_the_project(stub: SlackStub, links: StubLinks) -> None:
    stub.token = "xoxb-0"
    without = await deliver(message_to(PROVIDER, OAUTH, config={}), links)
    assert isinstance(without, Refused)
    assert "integration" in without.reason
    wrong = {**INTEGRATION.example, "client_secret": "f" * 32}
    assert await deliver(message_to(PROVIDER, OAUTH, config=wrong), links) == Misconfigured("bad_client_secret")


async def test_a_slack_that_fails_while_a_token_is_renewed_is_asked_again_later(
    stub: SlackStub, links: StubLinks
) -> None:
    stub.faults += [Reply(200, {"ok": False, "error": "token_expired"}), Reply(503)]
    assert await deliver(message_to(PROVIDER, OAUTH), links) == Retry("503")
    stub.faults += [Reply(200, {"ok": False, "error": "token_expired"}), None]
    outcome = await deliver(message_to(PROVIDER, OAUTH), links)
    assert isinstance(outcome, Retry), "not unknown: the message was not sent"


DESTINATION = Scope.DESTINATION


@pytest.mark.parametrize(
    ("status", "headers", "body", "outcome"),
    [
        (200, {}, "ok", Delivered()),
        (204, {}, "", Delivered()),
        (404, {}, "no_service", Dead("no_service")),
        (404, {}, "no_team", Dead("no_team")),
        (404, {}, "channel_not_found", Dead("channel_not_found")),
        (410, {}, "channel_is_archived", Dead("channel_is_archived")),
        (403, {}, "invalid_token", Dead("invalid_token")),
        (404, {}, "<h1>Not found</h1>", Dead("404")),
        (403, {}, "action_prohibited", Refused("action_prohibited")),
        (403, {}, "The secret is s3cr3t", Refused("403")),
        (400, {}, "invalid_payload", Refused("invalid_payload")),
        (400, {}, "no_text", Refused("no_text")),
        (400, {}, "too_many_attachments", Refused("too_many_attachments")),
        (429, {"retry-after": "30"}, "rate_limited", Throttled(30.0, DESTINATION, "rate_limited")),
        (429, {}, "", Throttled(30.0, DESTINATION, "429")),
        (500, {}, "rollup_error", Retry("rollup_error")),
        (503, {"retry-after": "5"}, "", Retry("503", 5.0)),
        (302, {}, "", Refused("302")),
        (400, {}, "bad_client_secret", Refused("bad_client_secret")),  # any host may respond that
    ],
)
def test_each_response_of_a_webhook_has_an_outcome(
    status: int, headers: dict[str, str], body: str, outcome: Outcome
) -> None:
    assert webhook_outcome(Answer(status, headers, body.encode()), 0) == outcome


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        *((code, Dead(code)) for code in ("channel_not_found", "is_archived", "not_in_channel")),
        # The installation is that of one user, so it stops nobody else.
        *((code, Dead(code)) for code in ("not_authed", "invalid_auth", "account_inactive", "token_revoked")),
        *((code, Retry(code)) for code in ("internal_error", "fatal_error", "service_unavailable")),
        *((code, Refused(code)) for code in ("msg_too_long", "no_text", "missing_scope", "restricted_action")),
        ("ratelimited", Throttled(30.0, DESTINATION, "ratelimited")),
        ("Not a code: s3cr3t", Refused("200")),
    ],
)
def test_an_error_of_the_api_has_status_200(error: str, outcome: Outcome) -> None:
    body = json.dumps({"ok": False, "error": error}).encode()
    assert api_outcome(Answer(200, {}, body), 0) == outcome


@pytest.mark.parametrize(
    ("status", "headers", "body", "outcome"),
    [
        (429, {"retry-after": "12"}, b"", Throttled(12.0, DESTINATION, "429")),
        (500, {}, b"", Retry("500")),
        (200, {}, b"<html>", Unknown("The response is not JSON")),
        (200, {}, b"[]", Unknown("The response is not JSON")),
    ],
)
def test_other_responses_of_the_api_have_an_outcome_too(
    status: int, headers: dict[str, str], body: bytes, outcome: Outcome
) -> None:
    assert api_outcome(Answer(status, headers, body), 0) == outcome


def test_a_chat_has_one_message_a_second_and_none_twice() -> None:
    assert PROVIDER.destination_rate is not None
    assert PROVIDER.destination_rate.per_second == 1
    assert not PROVIDER.repeats_unknown
    first, second = (
        destination_key(message_to(PROVIDER, {"webhook": {"url": f"https://hooks.slack.com/{path}"}})) for path in "ab"
    )
    assert first != second != destination_key(message_to(PROVIDER, OAUTH))
    assert "slack" not in first


async def test_the_client_secret_is_checked_without_a_message(stub: SlackStub, links: StubLinks) -> None:
    assert await check(INTEGRATION.example, links) == ""
    assert await check({**INTEGRATION.example, "client_secret": "f" * 32}, links) == "bad_client_secret"
    assert stub.messages == []
