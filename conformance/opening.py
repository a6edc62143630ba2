"""Checks of sections 1 to 3: transports, credentials, and how a connection opens or is refused."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from conformance.checks import Skipped, expect
from conformance.peers import OPENERS, SUBPROTOCOL, WebSocketPeer, poll, request, stream, websocket
from conformance.suites import SERVER
from conformance.target import Message, Target, User, counts_in, moved, offset

FOREIGN_ORIGIN = "https://conformance.invalid"

MOST_CONNECTIONS = 200
"""After so many open connections of a user, a server is taken to have no limit."""


async def refusal(peer: WebSocketPeer) -> Message:
    """Return the goodbye of a WebSocket that is refused, whose close frame must have the same code."""
    before, goodbye = await peer.until_goodbye()
    expect(all(message["type"] == "error" for message in before), "only `error` before the goodbye", before)
    code = await peer.end()
    expect(code == goodbye.get("code"), f"a close frame with code {goodbye.get('code')}", f"code {code}")
    return goodbye


async def status_of(target: Target, path: str, user: User | None = None, **options: Any) -> int:
    """Return the status of a refused request, whose body must have `errors` if it has one."""
    async with request(target, path, user, **options) as response:
        if response.status in (401, 403, 422):
            body = await response.json()
            expect(bool(body.get("errors")), "a body with `errors`", body)
        return response.status


@SERVER.check("1.1a", "A WebSocket opens at /realtime/ws, and each message is a text with one JSON object.")
async def _(target: Target) -> None:
    user = await target.new_user()
    async with websocket(target, user) as peer:
        await peer.next("ready")
        await target.send(user)
        await peer.next("event")


@SERVER.check("1.1b", f"The subprotocol `{SUBPROTOCOL}` is selected if it is offered, and no other one.")
async def _(target: Target) -> None:
    user = await target.new_user()
    offers = {("other.v9", SUBPROTOCOL): SUBPROTOCOL, ("other.v9",): None, (): None}
    for offered, selected in offers.items():
        async with websocket(target, user, protocols=offered) as peer:
            chosen = peer.connection.protocol
            expect(chosen == selected, f"{selected} of {list(offered)}", chosen)


@SERVER.check("1.2a", "An event stream is text/event-stream, neither cached nor buffered by proxies.")
async def _(target: Target) -> None:
    async with request(target, "/realtime/sse", await target.new_user()) as response:
        expect(response.status == 200, "status 200", response.status)
        expected = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        for name, value in expected.items():
            found = response.headers.get(name, "")
            expect(found.partition(";")[0].strip() == value, f"{name}: {value}", f"{name}: {found}")


@SERVER.check("1.2b", "Each record names its message or event, has the position as its id, and the JSON as its data.")
async def _(target: Target) -> None:
    user = await target.new_user()
    async with stream(target, user) as peer:
        ready = await peer.next("ready")
        expected = {"event": "ready", "id": ready.get("position")}
        expect(peer.record == expected, str(expected), peer.record)
        await target.send(user)
        event = await peer.next("event")
        expected = {"event": "notifications/new", "id": event.get("position")}
        expect(peer.record == expected, str(expected), peer.record)


@SERVER.check("1.3a", "A poll without a position is answered at once, with the current position and counts.")
async def _(target: Target) -> None:
    user = await target.new_user()
    page = await poll(target, user, wait=30)
    _, position = await target.listing(user)
    expect(page.get("position") == position, f"position {position}", page.get("position"))
    expect(page.get("events") == [] and page.get("reset") is None, "no events and no reset", page)
    expect(counts_in(page) == await target.counts(user), "the counts of the lists", counts_in(page))


@SERVER.check("1.3b", "A poll that waits is answered as soon as there is an event, with a position to continue from.")
async def _(target: Target) -> None:
    user = await target.new_user()
    position = (await poll(target, user))["position"]
    waiting = asyncio.create_task(poll(target, user, position, wait=50))
    await asyncio.sleep(0.2)
    sent = await target.send(user)
    async with asyncio.timeout(target.patience_seconds):
        page = await waiting
    ids = [event["data"].get("id") for event in page["events"]]
    expect(ids == [sent], f"the event of {sent}", page)
    expect(page["position"] == moved(position, 1), moved(position, 1), page["position"])


@SERVER.check("1.3c", "A poll is answered without an event when its wait is over.")
async def _(target: Target) -> None:
    user = await target.new_user()
    position = (await poll(target, user))["position"]
    page = await poll(target, user, position, wait=1)
    expect((page["events"], page["position"]) == ([], position), f"no events, and position {position}", page)


@SERVER.check("1.3d", "A poll for longer than 50 seconds is refused with status 422.")
async def _(target: Target) -> None:
    status = await status_of(target, "/realtime/events", await target.new_user(), query={"wait": "51"})
    expect(status == 422, "status 422", status)


@SERVER.check("2.1a", "The credentials may be the headers of the REST API, on each transport.")
async def _(target: Target) -> None:
    user = await target.new_user()
    for opened in OPENERS.values():
        async with opened(target, user) as peer:
            await peer.next("ready")
    await poll(target, user)


@SERVER.check("2.1b", "The credentials may be a user's token in the Authorization header, on each transport.")
async def _(target: Target) -> None:
    user = await target.new_user()
    headers = {"Authorization": f"Bearer {user.token(600)}"}
    for opened in OPENERS.values():
        async with opened(target, headers=headers) as peer:
            await peer.next("ready")
    async with request(target, "/realtime/events", query={"wait": "0"}, headers=headers) as response:
        expect(response.status == 200, "a page of events", f"status {response.status}")


@SERVER.check("2.2a", "The credentials may be in the query of a WebSocket and of an event stream.")
async def _(target: Target) -> None:
    user = await target.new_user()
    for query in (user.fields, {"token": user.token(600)}):
        for opened in OPENERS.values():
            async with opened(target, query=query) as peer:
                await peer.next("ready")


@SERVER.check("2.2b", "A header takes precedence over the query.")
async def _(target: Target) -> None:
    user = await target.new_user()
    for opened in OPENERS.values():
        async with opened(target, user, query={"user_hmac": "bm90IHRoZSBzaWduYXR1cmU="}) as peer:
            await peer.next("ready")


@SERVER.check("2.3a", "The credentials may be in the first message of a WebSocket.")
async def _(target: Target) -> None:
    user = await target.new_user()
    for fields in (user.fields, {"token": user.token(600)}):
        async with websocket(target) as peer:
            await peer.send({"type": "auth", **fields})
            await peer.next("ready")


@SERVER.check("2.3b", "The first message may have the position to resume from.")
async def _(target: Target) -> None:
    user = await target.new_user()
    _, position = await target.listing(user)
    await target.send(user)
    async with websocket(target) as peer:
        await peer.send({"type": "auth", **user.fields, "since": position})
        ready, event = await peer.next("ready"), await peer.next("event")
        expected = (position, moved(position, 1))
        expect((ready["position"], event["position"]) == expected, f"{expected}", (ready, event))


@SERVER.check("2.3c", "A client that sends no credentials is closed with code 4502, whatever else it sends.")
async def _(target: Target) -> None:
    async with websocket(target) as peer:

        async def continue_to_ping() -> None:
            while True:
                await peer.send({"type": "ping"})
                await asyncio.sleep(1)

        pinging = asyncio.create_task(continue_to_ping())
        try:
            _, goodbye = await peer.until_goodbye()
        finally:
            pinging.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await pinging
        expect(goodbye.get("code") == 4502, "code 4502", goodbye)


@SERVER.check("2.4a", "A misspelt parameter is refused with code 4510, or with status 422.")
async def _(target: Target) -> None:
    user = await target.new_user()
    query = {"sinse": "k3f9.42"}
    async with websocket(target, user, query=query) as peer:
        goodbye = await refusal(peer)
        expect(goodbye.get("code") == 4510, "code 4510", goodbye)
    status = await status_of(target, "/realtime/sse", user, query=query)
    expect(status == 422, "status 422", status)


@SERVER.check("2.4b", "Other unknown parameters are ignored.")
async def _(target: Target) -> None:
    user = await target.new_user()
    for opened in OPENERS.values():
        async with opened(target, user, query={"_": "1732957200", "nocache": "x"}) as peer:
            await peer.next("ready")


@SERVER.check("2.5a", "A page of an origin that may not connect is refused with code 4503, or with status 403.")
async def _(target: Target) -> None:
    user = await target.new_user()
    headers = {"Origin": FOREIGN_ORIGIN}
    async with websocket(target, user, headers=headers) as peer:
        last = await peer.next()
        while last["type"] == "error":
            last = await peer.next()
        if last["type"] == "ready":
            raise Skipped("this server allows every origin: run it with some allowed ones")
        expect(last.get("code") == 4503, "a goodbye with code 4503", last)
    for path in ("/realtime/sse", "/realtime/events"):
        query = {"wait": "0"} if path.endswith("events") else {}
        status = await status_of(target, path, user, headers=headers, query=query)
        expect(status == 403, f"status 403 of {path}", status)


@SERVER.check("3.1a", "The first message is `ready`, with a position, an id, the counts and the heartbeat.")
async def _(target: Target) -> None:
    user = await target.new_user()
    ids = set()
    for opened in OPENERS.values():
        async with opened(target, user) as peer:
            ready = await peer.next("ready")
            _expect_ready(ready)
            ids.add(ready["connection_id"])
    expect(len(ids) == len(OPENERS), "another connection_id for each connection", ids)


def _expect_ready(ready: Mapping[str, Any]) -> None:
    offset(str(ready.get("position")))
    expect(bool(ready.get("connection_id")), "a connection_id", ready)
    heartbeat = ready.get("heartbeat_seconds")
    expect(isinstance(heartbeat, int | float) and heartbeat > 0, "heartbeat_seconds above 0", heartbeat)
    counts = counts_in(dict(ready))
    numbers = [counts["unread_count"], counts["unseen_count"], *counts["unarchived"].values()]
    expect(all(isinstance(number, int) for number in numbers), "four counts", counts)


@SERVER.check("3.1b", "Without a position of the client, the stream starts now: no event before `ready` is sent.")
async def _(target: Target) -> None:
    user = await target.new_user()
    for opened in OPENERS.values():
        await target.send(user)
        async with opened(target, user) as peer:
            ready = await peer.next("ready")
            sent = await target.send(user)
            event = await peer.next("event")
            expect(event["data"].get("id") == sent, f"the event of {sent}", event)
            expect(event["position"] == moved(ready["position"], 1), "the next position", event["position"])


@SERVER.check("3.2a", "A WebSocket is accepted before it is refused: an error, a goodbye with 4501, and that code.")
async def _(target: Target) -> None:
    wrong = User("conformance", target.api_key, "not the secret")
    for fields in (wrong.fields, {"token": wrong.token(600)}, {**wrong.fields, "api_key": "not-a-key"}):
        async with websocket(target, query=fields) as peer:
            goodbye = await refusal(peer)
            expect(goodbye.get("code") == 4501, "code 4501", goodbye)
        async with websocket(target) as peer:
            await peer.send({"type": "auth", **fields})
            goodbye = await refusal(peer)
            expect(goodbye.get("code") == 4501, "code 4501", goodbye)


@SERVER.check("3.3a", "An event stream with missing or wrong credentials is refused with status 401.")
async def _(target: Target) -> None:
    wrong = User("conformance", target.api_key, "not the secret")
    for user in (None, wrong):
        status = await status_of(target, "/realtime/sse", user)
        expect(status == 401, "status 401", status)


@SERVER.check("3.3b", "An event stream of a user with too many connections is refused with status 204, without a body.")
async def _(target: Target) -> None:
    user = await target.new_user()
    async with contextlib.AsyncExitStack() as opened:
        for _number in range(MOST_CONNECTIONS):
            response = await opened.enter_async_context(request(target, "/realtime/sse", user))
            if response.status != 200:
                expect(response.status == 204, "status 204", response.status)
                expect(await response.read() == b"", "no body", await response.read())
                return
            await response.content.readline()
    raise Skipped(f"this server accepts {MOST_CONNECTIONS} connections of a user")


@SERVER.check("3.4a", "A poll with missing or wrong credentials is refused with status 401.")
async def _(target: Target) -> None:
    wrong = User("conformance", target.api_key, "not the secret")
    for query in ({}, {"since": "k3f9.42"}):
        status = await status_of(target, "/realtime/events", wrong, query={"wait": "1", **query})
        expect(status == 401, "status 401", status)
