"""Checks of sections 6 to 8: messages of the client, heartbeats, and how a connection ends."""

import asyncio
import contextlib
import time

from conformance.checks import Skipped, expect
from conformance.opening import refusal
from conformance.peers import OPENERS, Ended, Peer, WebSocketPeer, stream, websocket
from conformance.suites import SERVER
from conformance.target import Target, User

MOST_BYTES = 16 * 1024 * 1024
"""A server that reads larger messages is taken to have no limit."""

MOST_MESSAGES = 20_000
"""After so many messages in a minute, a server is taken to have no limit."""

SLOWEST_HEARTBEAT_SECONDS = 60.0

LATE = 1.2
"""A heartbeat may come so much later than announced: the network and the machine delay it."""


@SERVER.check("6.1a", "A ping is answered with a pong.")
async def _(target: Target) -> None:
    async with websocket(target, await target.new_user()) as peer:
        await peer.next("ready")
        await peer.send({"type": "ping"})
        await peer.next("pong")


@SERVER.check("6.2a", "A token is renewed on the open connection, which then lasts as long as the new one.")
async def _(target: Target) -> None:
    user = await target.new_user()
    async with websocket(target, query={"token": user.token(4)}) as peer:
        await peer.next("ready")
        before = int(time.time()) + 600
        await peer.send({"type": "auth", "token": user.token(600)})
        renewed = await peer.next("renewed")
        expect(before <= renewed["expires_at"] <= before + 5, f"expires_at {before}", renewed)
        arriving = asyncio.create_task(peer.next("event"))  # responds to pings meanwhile
        await asyncio.wait([arriving], timeout=4.5)  # until the old token has expired
        await target.send(user)
        await arriving


@SERVER.check("6.2b", "A renewal with a token that is not valid is answered with an error, and the connection goes on.")
async def _(target: Target) -> None:
    user = await target.new_user()
    async with websocket(target, query={"token": user.token(600)}) as peer:
        await peer.next("ready")
        await peer.send({"type": "auth", "token": User(user.id, user.api_key, "not the secret").token(600)})
        await peer.next("error")
        await target.send(user)
        await peer.next("event")


@SERVER.check("6.3a", "An invalid message is answered with the error `invalid_message`, and the connection continues.")
async def _(target: Target) -> None:
    async with websocket(target, await target.new_user()) as peer:
        await peer.next("ready")
        for text in ("", "{", "[]", "null", '{"type":"other"}', '{"type":"ping","note":1}', '{"ping":1}'):
            await peer.send(text)
            error = await peer.next("error")
            expect(error.get("code") == "invalid_message", f"invalid_message for {text!r}", error)
            expect(bool(error.get("message")), "a message that says why", error)
        await peer.send({"type": "ping"})
        await peer.next("pong")


@SERVER.check("6.4a", "A message of 4 KiB is read, and one that is too large ends the connection with code 1009.")
async def _(target: Target) -> None:
    async with websocket(target, await target.new_user()) as peer:
        await peer.next("ready")
        await peer.send('{"type":"ping"}'.ljust(4096))
        await peer.next("pong")
        size = 4096
        while (size := 2 * size) <= MOST_BYTES:
            await peer.send('{"type":"ping"}'.ljust(size))
            try:
                message = await peer._receive()
            except Ended as end:
                expect(end.code == 1009, "close code 1009", end)
                return
            expect(message["type"] in ("pong", "goodbye"), "a pong or the end", message)
        raise Skipped(f"this server reads messages of {MOST_BYTES} bytes")


@SERVER.check("6.4b", "A client that sends too many messages is closed with code 4505.")
async def _(target: Target) -> None:
    async with websocket(target, await target.new_user()) as peer:
        await peer.next("ready")

        async def flood() -> None:
            with contextlib.suppress(ConnectionError):
                for _number in range(MOST_MESSAGES):
                    await peer.send({"type": "ping"})

        flooding = asyncio.create_task(flood())
        for _number in range(MOST_MESSAGES):
            if (message := await peer.next())["type"] == "goodbye":
                await flooding
                expect(message.get("code") == 4505, "code 4505", message)
                return
        raise Skipped(f"this server accepts {MOST_MESSAGES} messages in a minute")


async def expect_heartbeats(peer: Peer, what: str) -> None:
    """Wait for two heartbeats, each of which must come in time."""
    seconds = await heartbeat_of(peer)
    expected = f"{what} every {seconds} s"
    reading = asyncio.create_task(peer._receive())
    try:
        for count in (1, 2):
            started = time.monotonic()
            while len(peer.heartbeats) < count and not reading.done():
                waited = time.monotonic() - started
                expect(waited < LATE * seconds + 2, expected, f"none in {waited:.1f} s")
                await asyncio.sleep(0.02)
        expect(not reading.done(), expected, "a message or the end")
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await reading


async def heartbeat_of(peer: Peer) -> float:
    """Read `ready`, and return its heartbeat. Raise Skipped if it takes too long to check."""
    seconds = float((await peer.next("ready"))["heartbeat_seconds"])
    if seconds > SLOWEST_HEARTBEAT_SECONDS:
        raise Skipped(f"a heartbeat of {seconds:.0f} s takes too long: run the server with a shorter one")
    return seconds


@SERVER.check("7.1a", "WebSocket pings arrive at least every heartbeat.")
async def _(target: Target) -> None:
    async with websocket(target, await target.new_user()) as peer:
        await expect_heartbeats(peer, "a ping")


async def closed_for_silence(peer: WebSocketPeer) -> tuple[float, float, dict[str, object]]:
    """Be silent, and return the heartbeat, after which time the server said goodbye, and the goodbye."""
    peer.silent = True
    seconds = await heartbeat_of(peer)
    started = time.monotonic()
    try:
        async with asyncio.timeout(2.5 * seconds * LATE + seconds + 5):
            goodbye = await peer._receive()
    except TimeoutError:
        expect(False, f"a goodbye after {2.5 * seconds} s of silence", f"none in {time.monotonic() - started:.1f} s")
        raise
    return seconds, time.monotonic() - started, goodbye


@SERVER.check("7.1b", "A client that is silent for 2.5 heartbeats is closed with code 4002, and not sooner.")
async def _(target: Target) -> None:
    async with websocket(target, await target.new_user()) as peer:
        seconds, took, goodbye = await closed_for_silence(peer)
        expect(goodbye.get("code") == 4002, "code 4002", goodbye)
        expect(took > 2.4 * seconds, f"no end before {2.5 * seconds} s", f"an end after {took:.1f} s")


@SERVER.check("7.2a", "An event stream has a comment at least every heartbeat.")
async def _(target: Target) -> None:
    async with stream(target, await target.new_user()) as peer:
        await expect_heartbeats(peer, "a comment")


@SERVER.check("8.1a", "The last message is a goodbye with its code, its reason and the time to reconnect.")
async def _(target: Target) -> None:
    user = await target.new_user()
    for opened in OPENERS.values():
        async with opened(target, query={"token": user.token(3)}) as peer:
            await peer.next("ready")
            goodbye = await peer.next("goodbye")
            expect(goodbye.keys() >= {"code", "reason", "retry_after_ms"}, "code, reason and retry_after_ms", goodbye)
            expect(isinstance(goodbye["reason"], str) and goodbye["reason"] != "", "a reason", goodbye)
            code = await peer.end()
            expect(code in (None, goodbye["code"]), f"a close frame with {goodbye['code']}", code)
            expect(code is not None or peer.transport != "websocket", "a close frame", "none")


@SERVER.check("8.2a", "After a code from 4000 to 4499, retry_after_ms is a number.")
async def _(target: Target) -> None:
    async with websocket(target, await target.new_user()) as peer:
        _, _, goodbye = await closed_for_silence(peer)
        expect(isinstance(goodbye.get("retry_after_ms"), int), "a number as retry_after_ms", goodbye)


@SERVER.check("8.2b", "After a code from 4500 to 4999, retry_after_ms is null.")
async def _(target: Target) -> None:
    async with websocket(target, query=User("conformance", target.api_key, "not the secret").fields) as peer:
        goodbye = await refusal(peer)
        expect(4500 <= goodbye["code"] <= 4999, "a code from 4500 to 4999", goodbye)
        expect(goodbye.get("retry_after_ms", 0) is None, "null as retry_after_ms", goodbye)


@SERVER.check("8.3a", "A connection whose token expires ends with code 4504.")
async def _(target: Target) -> None:
    user = await target.new_user()
    for opened in OPENERS.values():
        async with opened(target, query={"token": user.token(3)}) as peer:
            await peer.next("ready")
            goodbye = await peer.next()
            expect((goodbye["type"], goodbye.get("code")) == ("goodbye", 4504), "a goodbye with code 4504", goodbye)
