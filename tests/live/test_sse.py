"""Server-sent events: real clients of a real gateway."""

import asyncio
import json
import re
import time
from pathlib import Path

import httpx
import pytest

from tests.live import limits
from tests.live.clients import (
    TRANSPORTS,
    Ended,
    assert_counts_are_true,
    at_offset,
    command,
    epoch,
    items,
    offset,
    offsets,
    open_inbox,
    open_sse,
    position,
    raw_socket,
    receive_until,
    request_sse,
    send,
    send_request,
    user_query,
    user_token,
)
from tests.servers import Gateway, running_gateway, user_headers

# ---- the protocol


async def test_the_head_keeps_caches_and_proxies_from_buffering_the_stream(gateway: Gateway, user: str) -> None:
    async with request_sse(gateway, user) as response:
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Accel-Buffering"] == "no"
        assert "Content-Length" not in response.headers


async def test_ready_comes_first_with_its_position_as_id(gateway: Gateway, http: httpx.AsyncClient, user: str) -> None:
    await send(http, user)
    async with open_sse(gateway, user) as stream:
        ready = await stream.next()
        record = stream.records[0]
        assert (record.event, record.id) == ("ready", ready["position"])
        assert ready["type"] == "ready"
        assert ready["position"] == await position(http, user)
        await assert_counts_are_true(http, user, ready)


EVENT = r"event: notifications/new\nid: [0-9a-z]+\.1\ndata: \{[^\n\r]*\}\n\n"


async def raw_response(gateway: Gateway, http: httpx.AsyncClient, user: str, version: str) -> tuple[str, str]:
    """Return the head of a stream, and its body up to the end of its first event."""
    async with raw_socket(gateway) as sock:
        await send_request(sock, "/realtime/sse", user_headers(user), version=version)
        received = await receive_until(sock, b"event: ready")
        await send(http, user, content="two\nlines\r\nand more: é\u2028")
        while not re.search(rb"notifications/new.*\n\n", received, re.DOTALL):
            received += await receive_until(sock, b"\n")
        head, _, body = received.decode().partition("\r\n\r\n")
        return head, body


async def test_an_event_is_its_name_its_position_and_one_line_of_data_in_a_chunk_of_its_own(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    # Without chunks a client that reads in blocks, as Python's requests does, waits until a block is full.
    head, body = await raw_response(gateway, http, user, "1.1")
    assert "Transfer-Encoding: chunked" in head
    size, event = re.findall(rf"([0-9a-f]+)\r\n({EVENT})", body)[0]
    assert int(size, 16) == len(event.encode())


async def test_a_client_of_http_1_0_gets_no_chunks(gateway: Gateway, http: httpx.AsyncClient, user: str) -> None:
    head, body = await raw_response(gateway, http, user, "1.0")
    assert "Transfer-Encoding" not in head
    assert re.fullmatch(rf"id: \S+\nevent: ready\ndata: .*\n\n{EVENT}", body)


async def test_the_data_is_the_text_that_a_websocket_receives(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    async with open_inbox("sse", gateway, user) as stream, open_inbox("websocket", gateway, user) as websocket:
        new_id = await send(http, user, content='grüße \u2028 "\\ \n')
        await command(http, user, "POST", f"/notifications/{new_id}/archive", client_id='"tab')
        await command(http, user, "POST", "/notifications/read")
        await command(http, user, "DELETE", f"/notifications/{new_id}")
        await stream.events(4)
        await websocket.events(4)
        assert stream.texts[1:] == websocket.texts[1:]


LINE_ENDS = "\n \r \r\n \v \f \x1c \x1d \x1e \x85 \u2028 \u2029 \\\u2028"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_no_line_reader_splits_an_event(
    gateway: Gateway, http: httpx.AsyncClient, user: str, transport: str
) -> None:
    async with open_inbox(transport, gateway, user) as inbox:
        start = inbox.position
        await send(http, user, content=LINE_ENDS, custom_attributes={LINE_ENDS: LINE_ENDS})
        await inbox.event()
    async with open_inbox(transport, gateway, user, since=start) as again:
        await again.event()
    for text in (inbox.texts[-1], again.texts[-1]):
        assert text.splitlines() == [text]
        notification = json.loads(text)["data"]["notification"]
        assert notification["content"] == LINE_ENDS
        assert notification["custom_attributes"] == {LINE_ENDS: LINE_ENDS}


async def test_a_replacement_of_event_source_resumes_by_its_query(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    for _ in range(3):
        await send(http, user)
    last = await position(http, user)
    # event-source-polyfill sends the original address and adds the last position.
    query = {"since": at_offset(last, 0), "lastEventId": at_offset(last, 2)}
    async with open_inbox("sse", gateway, user, query=query) as stream:
        assert offsets([await stream.event()]) == [3]


async def test_every_event_has_its_name_and_its_position_as_id(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    async with open_sse(gateway, user) as stream:
        await stream.next()
        new_id = await send(http, user)
        await command(http, user, "POST", f"/notifications/{new_id}/read", client_id="tab-1")
        events = await stream.events(2)
        assert [(record.event, record.id) for record in stream.records[1:]] == [
            (event["name"], event["position"]) for event in events
        ]
        assert events[1]["data"]["client_id"] == "tab-1"
        assert [events[1]["data"]["notification"]] == await items(http, user)
        await assert_counts_are_true(http, user, events[1])


async def test_heartbeats_are_comments(strict_gateway: Gateway, user: str) -> None:
    async with raw_socket(strict_gateway) as sock:
        await send_request(sock, "/realtime/sse", user_headers(user))
        started = time.monotonic()
        assert await receive_until(sock, b": heartbeat\n")
        assert await receive_until(sock, b": heartbeat\n")
        assert time.monotonic() - started < 60 * limits.HEARTBEAT_SECONDS


async def test_a_client_does_not_parse_a_heartbeat_as_an_event(
    strict_gateway: Gateway, strict_http: httpx.AsyncClient, user: str
) -> None:
    async with open_inbox("sse", strict_gateway, user) as stream:
        await asyncio.sleep(3 * limits.HEARTBEAT_SECONDS)  # the test is that no event arrives meanwhile
        await send(strict_http, user)
        assert await stream.event()


async def test_bytes_after_the_request_are_ignored(gateway: Gateway, http: httpx.AsyncClient, user: str) -> None:
    async with raw_socket(gateway) as sock:
        await send_request(sock, "/realtime/sse", user_headers(user))
        await receive_until(sock, b"event: ready")
        await send_request(sock, "/notifications", user_headers(user))
        await send(http, user)
        received = await receive_until(sock, b"event: notifications/new")
        assert b"HTTP/1.1" not in received


async def test_a_second_request_in_one_packet_opens_no_second_stream(strict_gateway: Gateway, user: str) -> None:
    # With two streams on one socket, the first would leak when the socket closes, and its next heartbeat would fail.
    async with raw_socket(strict_gateway) as sock:
        await send_request(sock, "/realtime/sse", user_headers(user), times=2)
        assert (await receive_until(sock, b"event: ready")).count(b"HTTP/1.1") == 1
        assert b"HTTP/1.1" not in await receive_until(sock, b": heartbeat\n")


async def test_a_request_to_upgrade_gets_a_404(gateway: Gateway, user: str) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    async with raw_socket(gateway) as sock:
        await send_request(sock, "/realtime/sse", {**user_headers(user), **upgrade})
        assert (await receive_until(sock, b"\r\n\r\n")).startswith(b"HTTP/1.1 404")


# ---- credentials


async def test_credentials_are_read_from_the_query_as_event_source_sends_them(gateway: Gateway, user: str) -> None:
    async with open_sse(gateway, query=user_query(user)) as stream:
        assert (await stream.next())["type"] == "ready"


async def test_a_token_in_the_query_is_accepted_and_never_logged(gateway: Gateway, user: str) -> None:
    token = user_token(user)
    async with open_sse(gateway, query={"token": token}) as stream:
        assert (await stream.next())["type"] == "ready"
    assert token not in gateway.log


async def test_a_bearer_token_is_accepted(gateway: Gateway, user: str) -> None:
    async with open_sse(gateway, headers={"Authorization": f"Bearer {user_token(user)}"}) as stream:
        assert (await stream.next())["type"] == "ready"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"user_hmac": "d3Jvbmc="}, "user_hmac_is_incorrect"),
        ({"user_hmac": ""}, "neither_user_hmac_nor_api_secret_provided"),
        ({"api_key": "no-such-key"}, "incorrect_api_key"),
        ({"api_key": ""}, "api_key_not_provided"),
        ({"api_key": "", "user_external_id": "", "user_hmac": ""}, "api_key_not_provided"),
        ({"user_external_id": ""}, "user_email_not_provided"),
        ({"token": "nonsense"}, "token_is_incorrect"),
    ],
    ids=["wrong-hmac", "no-hmac", "wrong-key", "no-key", "nothing", "no-user", "wrong-token"],
)
async def test_wrong_credentials_get_a_401(gateway: Gateway, user: str, change: dict[str, str], code: str) -> None:
    query = {name: value for name, value in {**user_query(user), **change}.items() if value}
    async with request_sse(gateway, query=query) as response:
        assert response.status_code == 401
        assert response.headers["Content-Type"] == "application/json"
        assert [error["code"] for error in json.loads(await response.aread())["errors"]] == [code]


async def test_an_expired_token_gets_a_401(gateway: Gateway, user: str) -> None:
    async with request_sse(gateway, query={"token": user_token(user, -1)}) as response:
        assert response.status_code == 401
        assert json.loads(await response.aread())["errors"][0]["code"] == "token_expired"


async def test_an_origin_that_is_not_allowed_gets_a_403(strict_gateway: Gateway, user: str) -> None:
    async with request_sse(strict_gateway, user, headers={"Origin": "https://evil.example"}) as response:
        assert response.status_code == 403
        assert "Access-Control-Allow-Origin" not in response.headers
        assert response.headers["Vary"] == "Origin"
        assert json.loads(await response.aread())["errors"][0]["code"] == "origin_not_allowed"


async def test_an_origin_that_is_allowed_may_read_the_stream(strict_gateway: Gateway, user: str) -> None:
    async with request_sse(strict_gateway, user, headers={"Origin": limits.ALLOWED_ORIGIN}) as response:
        assert response.status_code == 200
        assert response.headers["Access-Control-Allow-Origin"] == limits.ALLOWED_ORIGIN


async def test_any_origin_may_read_the_stream_by_default(gateway: Gateway, user: str) -> None:
    async with request_sse(gateway, user, headers={"Origin": "https://anywhere.example"}) as response:
        assert response.headers["Access-Control-Allow-Origin"] == "*"


async def test_one_connection_too_many_gets_204(strict_gateway: Gateway, user: str) -> None:
    async with (
        open_inbox("sse", strict_gateway, user),
        open_inbox("websocket", strict_gateway, user),
        request_sse(strict_gateway, user) as third,
    ):
        assert third.status_code == 204
        assert await third.aread() == b""


async def test_the_stream_ends_when_its_token_expires(gateway: Gateway, user: str) -> None:
    expires_at = int(time.time()) + 2
    async with open_inbox("sse", gateway, query={"token": user_token(user, exp=expires_at)}) as stream:
        assert await stream.read_to_end() == [
            {"type": "goodbye", "code": 4504, "reason": "token_expired", "retry_after_ms": None}
        ]
    assert expires_at <= time.time() <= expires_at + 1.5


# ---- resuming


async def test_a_position_resumes_with_exactly_the_missed_events_then_live_ones(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    async with open_inbox("sse", gateway, user) as before:
        for _ in range(4):
            await send(http, user)
        seen = await before.events(4)
    async with open_inbox("sse", gateway, user, since=seen[1]["position"]) as after:
        assert after.position == seen[1]["position"]
        assert await after.events(2) == seen[2:]
        await send(http, user)
        assert offset((await after.event())["position"]) == 5


async def test_last_event_id_resumes(gateway: Gateway, http: httpx.AsyncClient, user: str) -> None:
    await send(http, user)
    start = at_offset(await position(http, user), 0)
    async with open_inbox("sse", gateway, user, headers={"Last-Event-ID": start}) as stream:
        assert offsets([await stream.event()]) == [1]


async def test_last_event_id_takes_precedence_over_since(gateway: Gateway, http: httpx.AsyncClient, user: str) -> None:
    for _ in range(3):
        await send(http, user)
    last = await position(http, user)
    # EventSource repeats its URL with the original position, and adds the last one.
    headers = {"Last-Event-ID": at_offset(last, 2)}
    async with open_inbox("sse", gateway, user, since=at_offset(last, 0), headers=headers) as stream:
        assert offsets([await stream.event()]) == [3]


async def test_the_position_of_the_last_event_resumes_with_only_ready(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    await send(http, user)
    last = await position(http, user)
    async with open_inbox("sse", gateway, user, since=last) as stream:
        assert stream.position == last
        await send(http, user)
        assert offsets([await stream.event()]) == [offset(last) + 1]


@pytest.mark.parametrize(
    ("since", "reason"),
    [("00000000.1", "epoch_changed"), ("{epoch}.999", "position_unknown"), ("nonsense", "position_invalid")],
    ids=["foreign-epoch", "future", "malformed"],
)
async def test_a_position_that_is_not_known_is_reset(
    gateway: Gateway, http: httpx.AsyncClient, user: str, since: str, reason: str
) -> None:
    await send(http, user)
    now = await position(http, user)
    async with open_sse(gateway, user, since=since.format(epoch=epoch(now))) as stream:
        assert (await stream.next())["type"] == "ready"
        assert (await stream.next()).items() >= {"type": "reset", "position": now, "reason": reason}.items()
        assert (stream.records[1].event, stream.records[1].id) == ("reset", now)
        await send(http, user)
        assert (await stream.event())["position"] == at_offset(now, offset(now) + 1)


async def test_a_position_that_was_trimmed_from_the_log_is_reset(
    strict_gateway: Gateway, strict_http: httpx.AsyncClient, user: str
) -> None:
    for _ in range(limits.RETAINED_EVENTS + 2):
        await send(strict_http, user)
    now = await position(strict_http, user)
    async with open_inbox("sse", strict_gateway, user, since=at_offset(now, 1)) as stream:
        assert (await stream.next()).items() >= {"type": "reset", "position": now, "reason": "position_expired"}.items()


async def test_many_missed_events_arrive_page_by_page_in_order(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    async with open_inbox("sse", gateway, user) as stream:
        start = stream.position
    # Pages are also bounded in bytes, so this takes many of them.
    await asyncio.gather(*(send(http, user, content="x" * 50_000) for _ in range(40)))
    async with open_inbox("sse", gateway, user, since=start) as stream:
        assert offsets(await stream.events(40)) == list(range(1, 41))


# ---- shutdown


async def test_a_stream_of_a_draining_worker_ends_with_a_time_to_reconnect(tmp_path: Path, user: str) -> None:
    with running_gateway(tmp_path / "data") as gateway:
        async with open_sse(gateway, user) as stream:
            ready = await stream.next()
            stopped = asyncio.create_task(asyncio.to_thread(gateway.stop), name="stop")
            goodbye = await stream.next()
            record = stream.records[-1]
            assert (goodbye["code"], goodbye["reason"]) == (4001, "draining")
            assert record.event == "goodbye"
            assert record.retry == goodbye["retry_after_ms"] > 0
            assert record.id == ready["position"], "a goodbye does not change the client's last event id"
            with pytest.raises(Ended) as ended:
                await stream.next()
            assert isinstance(ended.value.__cause__, StopAsyncIteration), "the body is complete"
        assert await stopped == 0


async def test_all_three_transports_deliver_the_same_events(
    gateway: Gateway, http: httpx.AsyncClient, user: str
) -> None:
    async with open_inbox("sse", gateway, user) as stream, open_inbox("websocket", gateway, user) as websocket:
        start = stream.position
        for _ in range(3):
            await send(http, user)
        events = await stream.events(3)
        assert await websocket.events(3) == events
    pulled = await http.get("/realtime/events", params={"since": start}, headers=user_headers(user))
    assert pulled.json()["events"] == events
