"""Checks of sections 4 and 5: events, and resuming without gaps."""

import asyncio
import re
from contextlib import AsyncExitStack

from conformance.checks import Skipped, expect
from conformance.peers import OPENERS, Peer, poll, stream, websocket
from conformance.suites import SERVER
from conformance.target import Message, Target, User, counts_in, epoch, moved, offset

MANY = 30
"""So many notifications are sent at once."""


async def opened_peers(stack: AsyncExitStack, target: Target, user: User) -> list[Peer]:
    """Open a connection of each transport, and read `ready`."""
    peers: list[Peer] = [await stack.enter_async_context(opened(target, user)) for opened in OPENERS.values()]
    for peer in peers:
        await peer.next("ready")
    return peers


@SERVER.check("4.1a", "The event of a new notification has its position, its name, its id and the whole notification.")
async def _(target: Target) -> None:
    user = await target.new_user()
    async with AsyncExitStack() as stack:
        peers = await opened_peers(stack, target, user)
        sent = await target.send(user, title="One", content="Two", action_url="https://example.com/")
        for peer in peers:
            event = await peer.next("event")
            data = event["data"]
            expect((event["name"], data.get("id")) == ("notifications/new", sent), "notifications/new", event)
            shown = [data["notification"].get(name) for name in ("title", "content", "action_url")]
            expect(shown == ["One", "Two", "https://example.com/"], "the whole notification", data)


@SERVER.check("4.1b", "Each change has its name, the id of its notification, and the client that made it.")
async def _(target: Target) -> None:
    user = await target.new_user()
    async with websocket(target, user) as peer:
        await peer.next("ready")
        sent = await target.send(user)
        await peer.next("event")
        for action in ("seen", "read", "unread", "archive", "unarchive", "delete"):
            method, path = ("DELETE", "") if action == "delete" else ("POST", f"/{action}")
            path = "/archive" if action == "unarchive" else path
            method = "DELETE" if action == "unarchive" else method
            await target.change(user, method, f"/notifications/{sent}{path}", **{"X-MAGICBELL-CLIENT-ID": "kit"})
            event = await peer.next("event")
            found = (event["name"], event["data"].get("id"), event["data"].get("client_id"))
            expect(found == (f"notifications/{action}", sent, "kit"), f"notifications/{action} by kit", event)
            expect(event["data"]["notification"].get("id") == sent, "the whole notification", event)


@SERVER.check("4.2a", "Each event has the next offset, and all connections get the same ones in the same order.")
async def _(target: Target) -> None:
    user = await target.new_user()
    async with AsyncExitStack() as stack:
        peers = await opened_peers(stack, target, user)
        _, position = await target.listing(user)
        sending = asyncio.gather(*(target.send(user, title=str(number)) for number in range(MANY)))
        found = [await peer.events(MANY) for peer in peers]
        ids = await sending
    for events in found:
        _expect_next(position, events)
        expect({event["data"]["id"] for event in events} == set(ids), "each notification once", events)
        expect(events == found[0], "the same events on each transport", events)


def _expect_next(position: str, events: list[Message]) -> None:
    expected = [moved(position, number + 1) for number in range(len(events))]
    received = [event.get("position") for event in events]
    expect(received == expected, f"{expected[0]} and the next {len(expected) - 1}", received)


@SERVER.check("4.3a", "The counts of an event are those of the lists right after it.")
async def _(target: Target) -> None:
    user = await target.new_user()
    async with AsyncExitStack() as stack:
        peers = await opened_peers(stack, target, user)
        sent: list[str] = []
        for action in ("", "", "/read", "/archive", "/seen"):
            if action:
                await target.change(user, "POST", f"/notifications/{sent[0]}{action}")
            else:
                sent.append(await target.send(user))
            for peer in peers if action != "/seen" else ():
                counts = counts_in(await peer.next("event"))
                expect(counts == await target.counts(user), f"the counts of the lists after {action or 'new'}", counts)


@SERVER.check("4.3b", "The counts of `ready` are the current ones, of a client that resumes too.")
async def _(target: Target) -> None:
    user = await target.new_user()
    _, position = await target.listing(user)
    sent = [await target.send(user) for _ in range(3)]
    await target.change(user, "POST", f"/notifications/{sent[0]}/archive")
    expected = await target.counts(user)
    for opened in OPENERS.values():
        for query in ({}, {"since": position}):
            async with opened(target, user, query=query) as peer:
                counts = counts_in(await peer.next("ready"))
                expect(counts == expected, f"the counts of the lists, {expected}", counts)


@SERVER.check("4.3c", "The response to a change has the position of its event, and a list that of its last event.")
async def _(target: Target) -> None:
    user = await target.new_user()
    sent = await target.send(user)
    async with websocket(target, user) as peer:
        ready = await peer.next("ready")
        position = await target.change(user, "POST", f"/notifications/{sent}/read")
        event = await peer.next("event")
        _, listed = await target.listing(user)
    expect(position == event["position"] == listed, f"{event['position']} in X-Inbox-Position", (position, listed))
    expect(offset(event["position"]) == offset(ready["position"]) + 1, "one event", (ready, event))


@SERVER.check("5.1a", "A client that resumes gets `ready` with its own position, and then all events after it.")
async def _(target: Target) -> None:
    user = await target.new_user()
    for opened in OPENERS.values():
        _, position = await target.listing(user)
        sent = [await target.send(user) for _ in range(3)]
        async with opened(target, user, query={"since": position}) as peer:
            ready = await peer.next("ready")
            expect(ready["position"] == position, f"position {position}", ready["position"])
            sent.append(await target.send(user))  # while the missed ones are sent
            events = await peer.events(4)
            _expect_next(position, events)
            ids = [event["data"]["id"] for event in events]
            expect(ids == sent, f"the events of {sent}", ids)


@SERVER.check("5.1b", "A client that resumes from the last event gets nothing but what happens from then on.")
async def _(target: Target) -> None:
    user = await target.new_user()
    for opened in OPENERS.values():
        _, position = await target.listing(user)
        async with opened(target, user, query={"since": position}) as peer:
            expect((await peer.next("ready"))["position"] == position, f"position {position}", "another one")
            await target.send(user)
            event = await peer.next()
            expect(event.get("position") == moved(position, 1), "the event of now", event)


async def resumed(target: Target, query: dict[str, str], headers: dict[str, str]) -> None:
    """Expect that both transports resume one event before the last, wherever the position is."""
    user = await target.new_user()
    _, position = await target.listing(user)
    await target.send(user)
    places = {"right": position, "wrong": moved(position, 1)}
    query = {name: places[value] for name, value in query.items()}
    headers = {name: places[value] for name, value in headers.items()}
    for opened in OPENERS.values():
        async with opened(target, user, query=query, headers=headers) as peer:
            ready = await peer.next("ready")
            expect(ready["position"] == position, f"position {position}", ready["position"])
            await peer.next("event")


@SERVER.check("5.2a", "The position may be `since` in the query.")
async def _(target: Target) -> None:
    await resumed(target, {"since": "right"}, {})


@SERVER.check("5.2b", "The position may be in the Last-Event-ID header, which takes precedence over the query.")
async def _(target: Target) -> None:
    await resumed(target, {"since": "wrong", "lastEventId": "wrong"}, {"Last-Event-ID": "right"})


@SERVER.check("5.2c", "The position may be lastEventId in the query, however spelt, which takes precedence over since.")
async def _(target: Target) -> None:
    for name in ("lastEventId", "last_event_id", "Last-Event-ID"):
        await resumed(target, {"since": "wrong", name: "right"}, {})


async def expect_reset(target: Target, user: User, since: str) -> None:
    """Expect `ready` and `reset` at the current position on both transports, and the reason in a poll."""
    _, position = await target.listing(user)
    expected = await target.counts(user)
    for opened in OPENERS.values():
        async with opened(target, user, query={"since": since}) as peer:
            ready, reset = await peer.next("ready"), await peer.next("reset")
            found = (ready["position"], reset["position"])
            expect(found == (position, position), f"`ready` and `reset` at {position}", found)
            expect(bool(re.fullmatch(r"[a-z_]+", str(reset.get("reason")))), "a word as the reason", reset)
            expect(counts_in(reset) == expected, f"the counts {expected}", counts_in(reset))
    page = await poll(target, user, since)
    expect(bool(page["reset"]) and page["position"] == position, f"a reset at {position}", page)


@SERVER.check("5.3a", "A position of another epoch is answered by a reset.")
async def _(target: Target) -> None:
    user = await target.new_user()
    _, position = await target.listing(user)
    await expect_reset(target, user, f"another{offset(position)}.{offset(position)}")


@SERVER.check("5.3b", "A position beyond the end of the log is answered by a reset.")
async def _(target: Target) -> None:
    user = await target.new_user()
    _, position = await target.listing(user)
    await expect_reset(target, user, moved(position, 1000))


@SERVER.check("5.3c", "A text that is no position is answered by a reset.")
async def _(target: Target) -> None:
    user = await target.new_user()
    for text in ("garbage", "0", "é.1"):
        await expect_reset(target, user, text)


@SERVER.check("5.3d", "A position before the beginning of a trimmed log is answered by a reset.")
async def _(target: Target) -> None:
    if target.retained_events is None:
        raise Skipped("how many events the server keeps is not known: --retained-events NUMBER, at most 1000")
    user = await target.new_user()
    _, position = await target.listing(user)
    for _number in range(2 * target.retained_events + 50):
        await target.send(user)
    await expect_reset(target, user, position)


@SERVER.check("5.4a", "A client that changes transports resumes with its position.")
async def _(target: Target) -> None:
    user = await target.new_user()
    async with websocket(target, user) as peer:
        position = (await peer.next("ready"))["position"]
    await target.send(user)
    async with stream(target, user, query={"since": position}) as peer:
        await peer.next("ready")
        position = (await peer.next("event"))["position"]
    sent = await target.send(user)
    page = await poll(target, user, position)
    expect([event["data"]["id"] for event in page["events"]] == [sent], f"the event of {sent}", page)
    await target.send(user)
    async with websocket(target, user, query={"since": page["position"]}) as peer:
        ready = await peer.next("ready")
        expect(ready["position"] == page["position"], f"position {page['position']}", ready["position"])
        await peer.next("event")


@SERVER.check("5.4b", "The position of a list is one to resume from.")
async def _(target: Target) -> None:
    user = await target.new_user()
    await target.send(user)
    _, position = await target.listing(user)
    expect(epoch(position) != "", "X-Inbox-Position in the response of a list", position)
    sent = await target.send(user)
    for opened in OPENERS.values():
        async with opened(target, user, query={"since": position}) as peer:
            await peer.next("ready")
            event = await peer.next("event")
            expect(event["data"]["id"] == sent, f"the event of {sent}", event)
