"""Unusual users, who must not affect others: one with a thousand connections, one with a hundred thousand items."""

import contextlib
import random

from loadtest.check import extremes
from loadtest.check.rest import Rest
from loadtest.check.topologies import SingleTopology

READY_SECONDS = 60.0
"""The time for a thousand connections to be open again. This process has to open them too."""

HUGE_CONNECTIONS = 10


async def hot_user(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """A user with a thousand connections receives the same on each, even after all were cut and have reconnected."""
    user = f"hot-{choice.random()}"
    async with contextlib.aclosing(Rest(topology.front.port)) as rest:
        await rest.send([user], f"{user}.hello", None, None)
        async with extremes.following(rest, topology.front.port, user, extremes.CONNECTIONS) as followers:
            for cut in (True, False):
                await extremes.send_for(rest, user, seconds / 2)
                if cut:
                    topology.front.cut()
                await followers.until_up_to_date(READY_SECONDS)


async def huge_inbox(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """An inbox of 100,000 items is marked, and then deleted, while all other users continue."""
    user = f"huge-{choice.random()}"
    async with contextlib.aclosing(Rest(topology.front.port)) as rest:
        await rest.send([user], f"{user}.hello", None, None)
        await extremes.fill(topology.redis.url, await rest.principal(user))
        async with extremes.following(rest, topology.front.port, user, HUGE_CONNECTIONS) as followers:
            unread = extremes.ITEMS + 1 - -(-extremes.ITEMS // len(extremes.CATEGORIES))
            await extremes.mark_all(rest, user, "read", categories=extremes.CATEGORIES[0])
            await followers.until_up_to_date(READY_SECONDS, unread_count=unread, unseen_count=unread)
            unread += await extremes.send_for(rest, user, seconds / 2)
            await extremes.mark_all(rest, user, "seen")
            await followers.until_up_to_date(READY_SECONDS, unread_count=unread, unseen_count=0)
            await extremes.send_for(rest, user, seconds / 2)
            await extremes.mark_all(rest, user, "read")
            await followers.until_up_to_date(READY_SECONDS, unread_count=0, unseen_count=0)
        await extremes.delete_user(rest, user)
