"""WebSockets: real clients of a real gateway."""

import asyncio
import json
import re
import time
from typing import Any

import httpx
import pytest
import redis
from websockets.exceptions import InvalidStatus
from websockets.frames import Opcode

from gateway.store import keys
from tests.live import limits
from tests.live.clients import (
    LiveClient,
    Message,
    WebSocketClient,
    assert_counts_are_true,
    at_offset,
    auth_message,
    command,
    epoch,
    items,
    offset,
    offsets,
    open_inbox,
    open_raw_websocket,
    open_websocket,
    position,
    send,
    user_query,
    user_token,
)
from tests.servers import Gateway, user_headers


async def assert_refused(client: WebSocketClient, close_code: int, reason: str, error_code: str | None = None) -> None:
    """Check that the connection was accepted, received an error if one is given, and was then closed."""
    *errors, goodbye = await client.read_to_end()
    assert [error["code"] for error in errors] == ([error_code] if error_code else [])
    assert goodbye == {"type": "goodbye", "code": close_code, "reason": reason, "retry_after_ms": None}
    assert client.close_code == close_code


# ---- opening


async def test_ready_has_the_start_of_the_stream_and_the_counts_of_the_inbox(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    await send(http, user)
    async with open_inbox("websocket", gateway, user) as inbox:
        assert inbox.ready.keys() == {
            "type",
            "position",
            "connection_id",
            "unread_count",
            "unseen_count",
            "unarchived",
            "heartbeat_seconds",
        }
        assert inbox.position == await position(http, user)
        assert inbox.ready["heartbeat_seconds"] == 25
        await assert_counts_are_true(http, user, inbox.ready)


async def test_the_stream_of_a_new_user_starts_at_offset_0(gateway: Gateway, user: str) -> None:
    async with open_inbox("websocket", gateway, user) as inbox:
        assert re.fullmatch(r"[0-9a-z]+\.0", inbox.position)


async def test_every_connection_has_an_id_of_its_own(gateway: Gateway, user: str) -> None:
    async with open_inbox("websocket", gateway, user) as one, open_inbox("websocket", gateway, user) as other:
        assert one.ready["connection_id"] != other.ready["connection_id"]


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["inbox.v1"], "inbox.v1"), (["other", "inbox.v1"], "inbox.v1"), (["inbox.v2"], None), (None, None)],
)
async def test_the_subprotocol_is_chosen_only_when_it_is_offered(
    gateway: Gateway, user: str, offered: list[str] | None, chosen: str | None
) -> None:
    async with open_websocket(gateway, user, subprotocols=offered) as client:
        assert client.connection.subprotocol == chosen
        assert (await client.next())["type"] == "ready"


async def test_no_compression_is_negotiated(gateway: Gateway, user: str) -> None:
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate"}
    async with open_websocket(gateway, user, headers=offer) as client:
        assert client.connection.response is not None
        assert "Sec-WebSocket-Extensions" not in client.connection.response.headers


@pytest.mark.parametrize("path", ["/realtime/other", "/realtime/sse", "/notifications"])
async def test_another_path_gets_a_404(gateway: Gateway, user: str, path: str) -> None:
    elsewhere = Gateway(gateway.data_dir, port=gateway.port)
    with pytest.raises(InvalidStatus) as refused:
        async with open_websocket(_at_path(elsewhere, path), user):
            pass
    assert refused.value.response.status_code == 404


def _at_path(gateway: Gateway, path: str) -> Any:
    class Elsewhere(Gateway):
        websocket_url = f"ws://127.0.0.1:{gateway.port}{path}"

    return Elsewhere(gateway.data_dir, port=gateway.port)


# ---- credentials


async def test_credentials_in_headers_are_accepted(gateway: Gateway, user: str) -> None:
    async with open_websocket(gateway, headers=user_headers(user)) as client:
        assert (await client.next())["type"] == "ready"


async def test_a_bearer_token_is_accepted(gateway: Gateway, user: str) -> None:
    async with open_websocket(gateway, headers={"Authorization": f"Bearer {user_token(user)}"}) as client:
        assert (await client.next())["type"] == "ready"


async def test_credentials_in_the_first_message_are_accepted(gateway: Gateway, user: str) -> None:
    async with open_websocket(gateway) as client:
        assert (await client.request(auth_message(user)))["type"] == "ready"


async def test_a_token_in_the_first_message_is_accepted(gateway: Gateway, user: str) -> None:
    async with open_websocket(gateway) as client:
        assert (await client.request({"type": "auth", "token": user_token(user)}))["type"] == "ready"


async def test_credentials_in_the_query_are_accepted(gateway: Gateway, user: str) -> None:
    async with open_websocket(gateway, query=user_query(user)) as client:
        assert (await client.next())["type"] == "ready"


async def test_a_token_in_the_query_is_accepted_and_never_logged(gateway: Gateway, user: str) -> None:
    token = user_token(user)
    async with open_websocket(gateway, query={"token": token}) as client:
        assert (await client.next())["type"] == "ready"
    assert token not in gateway.log


async def test_all_kinds_of_credentials_open_the_same_inbox(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    async with (
        open_websocket(gateway, user) as by_header,
        open_websocket(gateway, query=user_query(user)) as by_query,
        open_websocket(gateway, query={"token": user_token(user)}) as by_token,
    ):
        clients = (by_header, by_query, by_token)
        for client in clients:
            await client.next()
        await send(http, user)
        positions = {(await client.event())["position"] for client in clients}
        assert len(positions) == 1


REFUSED = [
    ({"X-MAGICBELL-USER-HMAC": "d3Jvbmc="}, "user_hmac_is_incorrect"),
    ({"X-MAGICBELL-API-KEY": "no-such-key"}, "incorrect_api_key"),
]


@pytest.mark.parametrize(("headers", "error_code"), REFUSED, ids=[code for _, code in REFUSED])
async def test_wrong_headers_are_reported_after_the_handshake(
    gateway: Gateway, user: str, headers: dict[str, str], error_code: str
) -> None:
    async with open_websocket(gateway, headers={**user_headers(user), **headers}) as client:
        await assert_refused(client, 4501, "unauthorized", error_code)


async def test_a_missing_hmac_is_reported_after_the_handshake(gateway: Gateway, user: str) -> None:
    headers = {name: value for name, value in user_headers(user).items() if "HMAC" not in name}
    async with open_websocket(gateway, headers=headers) as client:
        await assert_refused(client, 4501, "unauthorized", "neither_user_hmac_nor_api_secret_provided")


async def test_a_missing_key_is_reported_after_the_handshake(gateway: Gateway, user: str) -> None:
    headers = {name: value for name, value in user_headers(user).items() if "API-KEY" not in name}
    async with open_websocket(gateway, headers=headers) as client:
        await assert_refused(client, 4501, "unauthorized", "api_key_not_provided")


async def test_a_wrong_first_message_is_reported(gateway: Gateway, user: str) -> None:
    async with open_websocket(gateway) as client:
        await client.send(auth_message(user, user_hmac="d3Jvbmc="))
        await assert_refused(client, 4501, "unauthorized", "user_hmac_is_incorrect")


async def test_a_token_of_another_secret_is_reported(gateway: Gateway, user: str) -> None:
    forged = user_token(user, secret="another-secret-of-a-decent-length")
    async with open_websocket(gateway, query={"token": forged}) as client:
        await assert_refused(client, 4501, "unauthorized", "token_is_incorrect")


async def test_an_expired_token_is_reported(gateway: Gateway, user: str) -> None:
    async with open_websocket(gateway, query={"token": user_token(user, -1)}) as client:
        await assert_refused(client, 4504, "token_expired", "token_expired")


async def test_a_client_that_sends_no_credentials_is_closed_in_time(strict_gateway: Gateway) -> None:
    started = time.monotonic()
    async with open_websocket(strict_gateway) as client:
        await assert_refused(client, 4502, "authentication_timeout")
    assert limits.AUTHENTICATION_SECONDS <= time.monotonic() - started < limits.AUTHENTICATION_SECONDS + 30


async def test_an_origin_that_is_not_allowed_is_reported(strict_gateway: Gateway, user: str) -> None:
    async with open_websocket(strict_gateway, user, headers={"Origin": "https://evil.example"}) as client:
        await assert_refused(client, 4503, "forbidden", "origin_not_allowed")


async def test_an_origin_that_is_allowed_is_served(strict_gateway: Gateway, user: str) -> None:
    async with open_websocket(strict_gateway, user, headers={"Origin": limits.ALLOWED_ORIGIN}) as client:
        assert (await client.next())["type"] == "ready"


async def test_one_connection_too_many_is_refused_and_the_others_stay(
    strict_gateway: Gateway, strict_http: httpx.AsyncClient, user: str
) -> None:
    async with (
        open_inbox("websocket", strict_gateway, user) as one,
        open_inbox("websocket", strict_gateway, user) as two,
    ):
        async with open_websocket(strict_gateway, user) as third:
            await assert_refused(third, 4506, "too_many_connections")
        await send(strict_http, user)
        assert (await one.event()) == (await two.event())


async def test_a_closed_connection_no_longer_counts_towards_the_limit(strict_gateway: Gateway, user: str) -> None:
    for _ in range(2 * limits.CONNECTIONS_PER_USER):
        async with open_inbox("websocket", strict_gateway, user):
            pass


# ---- expiry and renewal of tokens


async def test_the_connection_ends_when_its_token_expires(gateway: Gateway, user: str) -> None:
    token = user_token(user, 2)
    expires_at = int(time.time()) + 2
    async with open_websocket(gateway, query={"token": token}) as client:
        assert (await client.next())["type"] == "ready"
        await assert_refused(client, 4504, "token_expired")
    assert expires_at - 1 <= time.time() <= expires_at + 1.5


async def test_a_renewed_token_keeps_the_connection_open(gateway: Gateway, user: str) -> None:
    first_ends_at = int(time.time()) + 2
    async with open_websocket(gateway, query={"token": user_token(user, exp=first_ends_at)}) as client:
        await client.next()
        new_end = first_ends_at + 60
        renewed = await client.request({"type": "auth", "token": user_token(user, exp=new_end)})
        assert renewed == {"type": "renewed", "expires_at": new_end}
        while time.time() < first_ends_at + 1:
            await asyncio.sleep(0.1)
        assert await client.request({"type": "ping"}) == {"type": "pong"}


async def test_after_a_wrong_renewal_the_old_token_stays_valid(gateway: Gateway, user: str) -> None:
    async with open_websocket(gateway, query={"token": user_token(user)}) as client:
        await client.next()
        error = await client.request({"type": "auth", "token": user_token(user, -1)})
        assert (error["type"], error["code"]) == ("error", "token_expired")
        assert await client.request({"type": "ping"}) == {"type": "pong"}


async def test_another_users_token_ends_the_connection(gateway: Gateway, user: str) -> None:
    async with open_websocket(gateway, user) as client:
        await client.next()
        await client.send({"type": "auth", "token": user_token(f"{user}-other")})
        await assert_refused(client, 4501, "unauthorized")


async def test_a_renewal_that_fails_after_the_connection_is_closed_has_no_effect(gateway: Gateway, user: str) -> None:
    log_before = gateway.log
    for number in range(20):
        async with open_raw_websocket(gateway, user) as peer:
            await peer.message()
            # The API key is not in the cache, so it is read. The connection is closed meanwhile.
            token = user_token(user, api_key=f"unknown-{number}")
            await peer.send(Opcode.TEXT, json.dumps({"type": "auth", "token": token}).encode())
            peer.reset()
    async with open_inbox("websocket", gateway, user) as inbox:
        assert inbox.ready
    assert "live_task_failed" not in gateway.log[len(log_before) :]


# ---- events

FIRST, SECOND = "{first}", "{second}"

CHANGES: list[tuple[str, list[tuple[str, str]], tuple[str, str]]] = [
    ("notifications/read", [], ("POST", f"/notifications/{FIRST}/read")),
    ("notifications/unread", [("POST", f"/notifications/{FIRST}/read")], ("POST", f"/notifications/{FIRST}/unread")),
    ("notifications/seen", [], ("POST", f"/notifications/{FIRST}/seen")),
    ("notifications/archive", [], ("POST", f"/notifications/{FIRST}/archive")),
    (
        "notifications/unarchive",
        [("POST", f"/notifications/{FIRST}/archive")],
        ("DELETE", f"/notifications/{FIRST}/archive"),
    ),
]
"""The events of one notification: the name, the commands before it, and the command that causes it."""


async def two_notifications(http: httpx.AsyncClient, user: str) -> dict[str, str]:
    """Send two notifications. Return their ids by the names in paths."""
    fields: Message = {"category": "billing", "topic": "invoice-7", "custom_attributes": {"amount": 7}}
    return {"first": await send(http, user, **fields), "second": await send(http, user)}


async def assert_next_event(
    inbox: LiveClient, http: httpx.AsyncClient, user: str, previous: str, name: str, client_id: str | None
) -> Message:
    """Check that the next event follows the previous position, has this name, and that its counts are true."""
    event = await inbox.event()
    assert event["name"] == name
    assert event["position"] == at_offset(previous, offset(previous) + 1)
    assert event["data"].get("client_id") == client_id
    await assert_counts_are_true(http, user, event)
    return event


async def test_a_new_notification_arrives_with_all_fields(gateway: Gateway, http: httpx.AsyncClient, user: str) -> None:
    async with open_inbox("websocket", gateway, user) as inbox:
        new_id = await send(
            http,
            user,
            title="Invoice",
            content="Seven",
            category="billing",
            topic="invoice-7",
            action_url="https://app.example/7",
            custom_attributes={"amount": 7},
        )
        event = await assert_next_event(inbox, http, user, inbox.position, "notifications/new", None)
        assert event["data"]["id"] == new_id
        assert [event["data"]["notification"]] == await items(http, user)


@pytest.mark.parametrize(("name", "before", "change"), CHANGES, ids=[name for name, _, _ in CHANGES])
async def test_a_change_arrives_with_the_whole_item(
    gateway: Gateway,
    http: httpx.AsyncClient,
    user: str,
    name: str,
    before: list[tuple[str, str]],
    change: tuple[str, str],
) -> None:
    ids = await two_notifications(http, user)
    for method, path in before:
        await command(http, user, method, path.format(**ids))
    async with open_inbox("websocket", gateway, user) as inbox:
        method, path = change
        await command(http, user, method, path.format(**ids), client_id="tab-1")
        event = await assert_next_event(inbox, http, user, inbox.position, name, "tab-1")
        assert event["data"]["id"] == ids["first"]
        assert event["data"]["notification"] == (await items(http, user))[1]


async def test_a_deletion_arrives_with_the_item_as_it_was(gateway: Gateway, http: httpx.AsyncClient, user: str) -> None:
    ids = await two_notifications(http, user)
    before = await items(http, user)
    async with open_inbox("websocket", gateway, user) as inbox:
        await command(http, user, "DELETE", f"/notifications/{ids['first']}", client_id="tab-1")
        event = await assert_next_event(inbox, http, user, inbox.position, "notifications/delete", "tab-1")
        assert event["data"]["notification"] == before[1]


@pytest.mark.parametrize("verb", ["read", "seen"])
async def test_marking_all_items_is_one_event(gateway: Gateway, http: httpx.AsyncClient, user: str, verb: str) -> None:
    await two_notifications(http, user)
    async with open_inbox("websocket", gateway, user) as inbox:
        await command(http, user, "POST", f"/notifications/{verb}", client_id="tab-1")
        event = await assert_next_event(inbox, http, user, inbox.position, f"notifications/{verb}/all", "tab-1")
        assert event["data"]["filters"] == {}
        assert {item[f"{verb}_at"] for item in await items(http, user)} == {event["data"]["at"]}


async def test_the_event_of_marking_some_items_as_read_contains_the_filter(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    await two_notifications(http, user)
    async with open_inbox("websocket", gateway, user) as inbox:
        query = "archived=false&seen=false&categories=billing&categories=uncategorized&topics=invoice-7"
        await command(http, user, "POST", f"/notifications/read?{query}")
        event = await assert_next_event(inbox, http, user, inbox.position, "notifications/read/all", None)
        assert event["data"]["filters"] == {
            "archived": False,
            "seen": False,
            "categories": ["billing", "uncategorized"],
            "topics": ["invoice-7"],
        }


async def test_offsets_increase_by_one(gateway: Gateway, http: httpx.AsyncClient, user: str) -> None:
    async with open_inbox("websocket", gateway, user) as inbox:
        for _ in range(5):
            await send(http, user)
        await command(http, user, "POST", "/notifications/read")
        events = await inbox.events(6)
        assert offsets(events) == [1, 2, 3, 4, 5, 6]
        assert {epoch(event["position"]) for event in events} == {epoch(inbox.position)}


@pytest.mark.parametrize(
    "path", [f"/notifications/{FIRST}/read", "/notifications/read", f"/notifications/{FIRST}/unread"]
)
async def test_a_command_that_changes_nothing_publishes_no_event(
    gateway: Gateway, http: httpx.AsyncClient, user: str, path: str
) -> None:
    first = await send(http, user)
    await command(http, user, "POST", path.format(first=first))
    async with open_inbox("websocket", gateway, user) as inbox:
        await command(http, user, "POST", path.format(first=first))
        await send(http, user)
        assert (await inbox.event())["name"] == "notifications/new"


async def test_no_user_receives_events_of_another_users_inbox(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    async with open_inbox("websocket", gateway, user) as inbox:
        await send(http, f"{user}-other")
        await send(http, user, title="Mine")
        assert (await inbox.event())["data"]["notification"]["title"] == "Mine"


async def test_large_content_arrives_complete(gateway: Gateway, http: httpx.AsyncClient, user: str) -> None:
    content = "ä" * 1_000_000
    async with open_inbox("websocket", gateway, user) as inbox:
        await send(http, user, content=content)
        assert (await inbox.event())["data"]["notification"]["content"] == content


# ---- resuming


async def test_a_position_resumes_with_exactly_the_missed_events_then_live_ones(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    async with open_inbox("websocket", gateway, user) as before:
        for _ in range(4):
            await send(http, user)
        seen = await before.events(4)
    async with open_inbox("websocket", gateway, user, since=seen[1]["position"]) as after:
        assert after.position == seen[1]["position"]
        assert await after.events(2) == seen[2:]
        await send(http, user)
        assert offset((await after.event())["position"]) == 5


async def test_a_position_in_the_first_message_is_resumed(gateway: Gateway, http: httpx.AsyncClient, user: str) -> None:
    await send(http, user)
    start = at_offset(await position(http, user), 0)
    async with open_websocket(gateway) as client:
        ready = await client.request(auth_message(user, since=start))
        assert ready["position"] == start
        assert offset((await client.event())["position"]) == 1


async def test_the_position_of_the_last_event_resumes_with_only_ready(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    await send(http, user)
    last = await position(http, user)
    async with open_inbox("websocket", gateway, user, since=last) as inbox:
        assert inbox.position == last
        await send(http, user)
        assert (await inbox.event())["position"] == at_offset(last, offset(last) + 1)


async def test_without_a_position_the_stream_starts_now(gateway: Gateway, http: httpx.AsyncClient, user: str) -> None:
    await send(http, user)
    async with open_inbox("websocket", gateway, user) as inbox:
        await send(http, user)
        assert offset((await inbox.event())["position"]) == 2


async def assert_reset(inbox: LiveClient, http: httpx.AsyncClient, user: str, reason: str) -> None:
    """Check that the client gets a reset to the position from which the stream then continues."""
    now = await position(http, user)
    assert inbox.position == now
    assert (await inbox.next()).items() >= {"type": "reset", "position": now, "reason": reason}.items()
    await send(http, user)
    assert (await inbox.event())["position"] == at_offset(now, offset(now) + 1)


@pytest.mark.parametrize(
    ("since", "reason"),
    [
        ("00000000.1", "epoch_changed"),
        ("{epoch}.999", "position_unknown"),
        ("{epoch}.9999999999999999", "position_unknown"),
        ("nonsense", "position_invalid"),
        ("{epoch}.-1", "position_invalid"),
        ("{epoch}.1 ", "position_invalid"),
        ("x" * 5000, "position_invalid"),
    ],
    ids=["foreign-epoch", "future", "far-future", "malformed", "negative", "trailing-space", "endless"],
)
async def test_a_position_that_is_not_known_is_reset(
    gateway: Gateway, http: httpx.AsyncClient, user: str, since: str, reason: str
) -> None:
    await send(http, user)
    since = since.format(epoch=epoch(await position(http, user)))
    async with open_inbox("websocket", gateway, user, since=since) as inbox:
        await assert_reset(inbox, http, user, reason)


async def test_a_position_that_was_trimmed_from_the_log_is_reset(
    strict_gateway: Gateway, strict_http: httpx.AsyncClient, user: str
) -> None:
    for _ in range(limits.RETAINED_EVENTS + 2):
        await send(strict_http, user)
    last = await position(strict_http, user)
    expired = at_offset(last, offset(last) - limits.RETAINED_EVENTS - 1)
    async with open_inbox("websocket", strict_gateway, user, since=expired) as inbox:
        await assert_reset(inbox, strict_http, user, "position_expired")


async def test_the_oldest_position_of_the_log_is_resumed(
    strict_gateway: Gateway, strict_http: httpx.AsyncClient, user: str
) -> None:
    for _ in range(limits.RETAINED_EVENTS + 2):
        await send(strict_http, user)
    last = await position(strict_http, user)
    oldest = at_offset(last, offset(last) - limits.RETAINED_EVENTS)
    async with open_inbox("websocket", strict_gateway, user, since=oldest) as inbox:
        events = await inbox.events(limits.RETAINED_EVENTS)
        assert offsets(events) == list(range(offset(oldest) + 1, offset(last) + 1))


async def test_many_missed_events_arrive_page_by_page_in_order(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    async with open_inbox("websocket", gateway, user) as inbox:
        start = inbox.position
    for _ in range(20):
        await asyncio.gather(*(send(http, user) for _ in range(15)))
    async with open_inbox("websocket", gateway, user, since=start) as inbox:
        await send(http, user)
        assert offsets(await inbox.events(301)) == list(range(1, 302))


# ---- messages of clients


async def test_a_ping_gets_a_pong(gateway: Gateway, user: str) -> None:
    async with open_websocket(gateway, user) as client:
        await client.next()
        assert await client.request({"type": "ping"}) == {"type": "pong"}


@pytest.mark.parametrize(
    "message",
    ["{", "", "null", "[]", '{"type":"dance"}', '{"no":"type"}', '{"type":"auth","token":7}', b"\x00\xff\xfe"],
    ids=["unfinished", "empty", "null", "array", "unknown-type", "no-type", "wrong-field", "binary"],
)
async def test_an_invalid_message_is_an_error_and_the_connection_stays_open(
    gateway: Gateway, user: str, message: str | bytes
) -> None:
    async with open_websocket(gateway, user) as client:
        await client.next()
        await client.connection.send(message)
        error = await client.next()
        assert (error["type"], error["code"]) == ("error", "invalid_message")
        assert await client.request({"type": "ping"}) == {"type": "pong"}


async def test_a_message_in_fragments_is_parsed(gateway: Gateway, user: str) -> None:
    async with open_websocket(gateway, user) as client:
        await client.next()
        await client.connection.send(['{"ty', 'pe":"', 'ping"}'])
        assert await client.next() == {"type": "pong"}


async def test_one_message_more_than_allowed_ends_the_connection(strict_gateway: Gateway, user: str) -> None:
    async with open_websocket(strict_gateway, user) as client:
        await client.next()
        for _ in range(limits.MESSAGES_PER_MINUTE):
            assert await client.request({"type": "ping"}) == {"type": "pong"}
        await client.send({"type": "ping"})
        await assert_refused(client, 4505, "too_many_messages")


async def test_fragments_count_as_messages(strict_gateway: Gateway, user: str) -> None:
    async with open_websocket(strict_gateway, user) as client:
        await client.next()
        await client.connection.send([" "] * (limits.MESSAGES_PER_MINUTE + 2))
        await assert_refused(client, 4505, "too_many_messages")


async def test_ping_frames_count_as_messages(strict_gateway: Gateway, user: str) -> None:
    async with open_raw_websocket(strict_gateway, user) as peer:
        await peer.message()
        for _ in range(limits.MESSAGES_PER_MINUTE + 1):
            await peer.send(Opcode.PING, b"")
        assert (await peer.message())["code"] == 4505


async def test_a_message_that_is_too_large_ends_the_connection(gateway: Gateway, user: str) -> None:
    async with open_websocket(gateway, user) as client:
        await client.next()
        await client.connection.send(" " * 9000)
        assert await client.read_to_end() == []
        assert client.close_code == 1009


async def test_fragments_that_are_too_large_together_end_the_connection(gateway: Gateway, user: str) -> None:
    async with open_websocket(gateway, user) as client:
        await client.next()
        await client.connection.send([" " * 3000] * 3)
        assert await client.read_to_end() == []
        assert client.close_code == 1009


async def test_a_close_frame_gets_the_same_in_response(gateway: Gateway, user: str) -> None:
    async with open_websocket(gateway, user) as client:
        await client.next()
        await client.connection.close(1000, "bye")
        assert client.close_code == 1000


# ---- heartbeats


async def test_the_server_pings_at_every_heartbeat_and_closes_a_peer_that_never_responds(
    strict_gateway: Gateway, user: str
) -> None:
    async with open_raw_websocket(strict_gateway, user) as peer:
        await peer.message()
        started = time.monotonic()
        pings = 0
        while (frame := await peer.frame()).opcode is Opcode.PING:
            pings += 1
        silent_seconds = time.monotonic() - started
        assert json.loads(bytes(frame.data)) == {
            "type": "goodbye",
            "code": 4002,
            "reason": "heartbeat_timeout",
            "retry_after_ms": 0,
        }
        assert pings
        assert 2.4 * limits.HEARTBEAT_SECONDS < silent_seconds < 60 * limits.HEARTBEAT_SECONDS
        assert await peer.close_code() == 4002


async def test_a_peer_that_responds_to_pings_stays_connected(
    strict_gateway: Gateway, strict_http: httpx.AsyncClient, user: str
) -> None:
    async with open_inbox("websocket", strict_gateway, user) as inbox:
        await asyncio.sleep(5 * limits.HEARTBEAT_SECONDS)  # the test is that nothing happens meanwhile
        await send(strict_http, user)
        assert await inbox.event()


# ---- faults of the gateway


async def test_an_invalid_reply_of_the_store_ends_the_connection_with_a_time_to_reconnect(
    gateway: Gateway, user: str
) -> None:
    store = redis.Redis(unix_socket_path=str(gateway.data_dir / "valkey" / "valkey.sock"))
    before = set(store.keys(f"{keys.PREFIX}*"))
    async with open_inbox("websocket", gateway, user):
        (key,) = set(store.keys(f"{keys.PREFIX}*")) - before
        store.set(key, "not a hash")
    async with open_websocket(gateway, user) as client:
        (goodbye,) = await client.read_to_end()
        assert client.close_code == goodbye["code"] == 4005
        assert goodbye["retry_after_ms"] > 0
    store.delete(key)
    store.close()
