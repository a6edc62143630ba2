"""Checks of section 9: what a client does. They follow each other on the connections of one client."""

import asyncio
import time

from conformance.checks import Skipped, expect
from conformance.script import HEARTBEAT_SECONDS, Script
from conformance.suites import CLIENT
from conformance.target import moved

REFUSING_SECONDS = 4.0
MOST_ATTEMPTS = 12
"""A client that tries all its transports, and then waits longer each time, makes fewer attempts in this time."""

PAUSE_MS = 2000

QUIET_SECONDS = 4.0
"""A client that makes no attempt for so long is taken to have given up."""

SILENCE = 2.5 * HEARTBEAT_SECONDS


@CLIENT.check("9.1a", "A client whose connection is cut reconnects, and resumes from the last event that it got.")
async def _(script: Script) -> str:
    connection = await script.connection()
    for _number in range(3):
        position = await connection.event()
    count, cut = len(script.attempts), time.monotonic()
    connection.cut()
    took = await script.attempt(count) - cut
    await connection.over.wait()
    await script.resumed(position)
    return f"it resumed from {position} over {connection.transport} after {took:.1f} s"


@CLIENT.check(
    "9.2a", "After a reset a client fetches its list, and from then on resumes from the position of the reset."
)
async def _(script: Script) -> str:
    connection = await script.connection()
    await connection.event()
    count = len(script.listings)
    script.begin_anew()
    connection.cut()
    await connection.over.wait()
    connection = await script.connection()
    await script.listing(count)
    connection.cut()
    await connection.over.wait()
    await script.resumed(script.position)
    return f"it fetched its list and resumed from {script.position}"


@CLIENT.check("9.2b", "A client that loses its connection between `ready` and `reset` keeps its own position.")
async def _(script: Script) -> str:
    connection = await script.connection()
    if connection.transport == "stream":
        raise Skipped("an EventSource itself adopts the position of `ready`")
    position = await connection.event()
    script.begin_anew()
    script.breaks_before_reset = True
    connection.cut()
    await connection.over.wait()
    connection = await script.resumed(position)
    return f"it resumed from {position} again"


@CLIENT.check("9.3a", "A client ignores an event that it has got.")
async def _(script: Script) -> str:
    connection = await script.connection()
    for _number in range(2):
        position = await connection.event()
    await connection.send(script.events[-2])
    connection.cut()
    await connection.over.wait()
    await script.resumed(position)
    return f"it resumed from {position}"


@CLIENT.check("9.3b", "A client that gets an event that does not follow reconnects, and resumes from its position.")
async def _(script: Script) -> str:
    connection = await script.connection()
    position = await connection.event()
    script.new_event()
    await connection.event()
    await connection.closed()
    await script.resumed(position)
    return f"it ended the connection and resumed from {position}"


@CLIENT.check("9.4a", "After a goodbye with a time, a client reconnects, and not before that time is over.")
async def _(script: Script) -> str:
    connection = await script.connection()
    position = await connection.event()
    count, said = len(script.attempts), time.monotonic()
    await connection.goodbye(4001, "draining", PAUSE_MS)
    took = await script.attempt(count) - said
    expect(took > PAUSE_MS / 1000 - 0.1, f"no attempt before {PAUSE_MS} ms", f"one after {1000 * took:.0f} ms")
    await connection.over.wait()
    await script.resumed(position)
    return f"it came back after {took:.1f} s"


@CLIENT.check("9.5a", "A client responds to WebSocket pings.")
async def _(script: Script) -> str:
    connection = await script.connection()
    if connection.transport == "stream":
        raise Skipped("an event stream has no pings")
    before = connection.pongs
    async with asyncio.timeout(script.seconds):
        while connection.pongs < before + 2:
            await asyncio.sleep(0.05)
    return "it sent pongs"


@CLIENT.check("9.5b", "A client that receives nothing for 2.5 heartbeats reconnects, and not sooner.")
async def _(script: Script) -> str:
    connection = await script.connection()
    position = await connection.event()
    count, began = len(script.attempts), time.monotonic()
    connection.silent = True
    took = await script.attempt(count) - began
    expect(took > SILENCE - 0.2, f"no attempt before {SILENCE} s of silence", f"one after {took:.1f} s")
    await connection.closed()
    await script.resumed(position)
    return f"it came back after {took:.1f} s"


@CLIENT.check("9.6a", "A client ignores unknown messages and fields, and counts the position of an unknown event.")
async def _(script: Script) -> str:
    connection = await script.connection()
    await connection.send({"type": "news-of-2040", "what": [1, 2]})
    await connection.event(colour="blue")
    position = await connection.event(name="notifications/teleport")
    await asyncio.sleep(2 * HEARTBEAT_SECONDS)
    expect(not connection.over.is_set(), "that the client stays connected", "the end of the connection")
    connection.cut()
    await connection.over.wait()
    await script.resumed(position)
    expect(position == moved(script.position, 0), "the newest position", position)
    return f"it resumed from {position}"


@CLIENT.check("9.7a", "A client waits longer after each attempt that fails, and goes on trying.")
async def _(script: Script) -> str:
    connection = await script.connection()
    position = await connection.event()
    count = len(script.attempts)
    script.refusing = 503
    try:
        connection.cut()
        await asyncio.sleep(REFUSING_SECONDS)
        made = len(script.attempts) - count
    finally:
        script.refusing = None
    expect(made <= MOST_ATTEMPTS, f"at most {MOST_ATTEMPTS} attempts in {REFUSING_SECONDS:.0f} s", made)
    await script.resumed(position)
    return f"it made {made} attempts in {REFUSING_SECONDS:.0f} s, and then resumed"


@CLIENT.check("9.8a", "After a goodbye with null as the time, a client does not reconnect.")
async def _(script: Script) -> str:
    connection = await script.connection()
    count = len(script.attempts)
    script.refusing = 204  # ends an EventSource
    await connection.goodbye(4504, "token_expired", None)
    await asyncio.sleep(QUIET_SECONDS)
    made = len(script.attempts) - count
    allowed = int(connection.transport == "stream")
    expect(made <= allowed, f"no attempt in {QUIET_SECONDS:.0f} s", f"{made} attempts")
    return "it did not come back"
