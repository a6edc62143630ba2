"""Filling a project with users, events and channel tokens.

Users are imported by the API. Events and tokens are written by the functions of Redis that the gateway itself calls,
without requests. Whatever the size of a project, it has equally many events of a rare type, all of one user, so that
pages of equal length are compared.
"""

import asyncio
import copy
import time
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from gateway.channels.registry import TOKEN_KINDS
from gateway.channels.token_kind import TokenKind
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import User
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.settings import Settings
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.library import LIBRARY
from gateway.store.project_event_log import EventRetention, ProjectEventLog, packed
from gateway.store.project_events import EVENTS_PER_CALL
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from loadtest.targets.gateway import GatewayTarget

PROJECT = ProjectId("1")
"""The project that the settings of the gateway create."""

RARE_TYPE = ProjectEventType.JWT_ISSUED
RARE = 20
"""The events of the rare type: a page."""

KEPT = EventRetention(events=1_000_000, seconds=30 * 24 * 3600)
"""More events than are written, so that none is removed."""

OFFERED_KINDS = tuple(kind for kind in TOKEN_KINDS if kind.offered)

_REGISTRATIONS = 32
"""Tokens that are registered at once."""

_DIGITS = 8


def named_users(count: int) -> list[dict[str, str]]:
    """Return users to import, each with names and an address of its own."""
    return [
        {
            "external_id": f"user-{number}",
            "email": f"user-{number}@example.com",
            "first_name": f"Ada {number}",
            "last_name": "Lovelace",
        }
        for number in range(count)
    ]


def events_of(user_ids: Sequence[str], count: int) -> Iterator[ProjectEvent]:
    """Yield events, the first user's evenly among those of the others.

    The first user has all events of RARE_TYPE. The others have the rest in turn: one of ten of a notification that was
    suppressed, nine of one that was stored.
    """
    the_one, *others = map(UserId, user_ids)
    step = max(2, count // RARE)
    for number in range(count):
        reference, user_id = str(UUID(int=number)), others[number % len(others)]
        if number % step == 0 and number < RARE * step:
            yield ProjectEvent(RARE_TYPE, the_one, {"token_id": reference, "scope": "user"})
        elif number % 10 == 1:
            yield ProjectEvent(
                ProjectEventType.SUPPRESSED, user_id, {"notification_id": reference, "rule": "preference"}
            )
        else:
            yield ProjectEvent(ProjectEventType.STORED, user_id, {"notification_id": reference})


def numbered_token(kind: TokenKind, number: int) -> dict[str, Any]:
    """Return the example of a kind with a number at the end of what identifies it, so that its length is the same."""
    values: dict[str, Any] = copy.deepcopy(dict(kind.example))
    *outer, name = kind.identities[0][-1].split(".")
    part = values
    for each in outer:
        part = part[each]
    part[name] = f"{part[name][:-_DIGITS]}{number:0{_DIGITS}d}"
    return values


class ProjectWriter:
    """Writes events and tokens into the Redis of a gateway. Close it at the end."""

    def __init__(self, target: GatewayTarget):
        settings = Settings(redis_url=target.redis_url, redis_timeout_seconds=30)
        self._client = FunctionClient(Topology(settings), LIBRARY)
        self._log = ProjectEventLog(self._client, KEPT)
        self._tokens = ChannelTokenStore(self._client)

    async def append(self, events: Iterator[ProjectEvent]) -> None:
        """Append events, as many at once as the gateway appends."""
        waiting = [packed(event) for event in events]
        for first in range(0, len(waiting), EVENTS_PER_CALL):
            await self._log.append([(PROJECT, waiting[first : first + EVENTS_PER_CALL])])

    async def register(self, kind: TokenKind, user_ids: Sequence[str], each: int) -> None:
        """Register a number of tokens of a kind for each of some users."""
        now_ms = int(time.time() * 1000)
        tokens = ((user_id, place * each + number) for place, user_id in enumerate(user_ids) for number in range(each))

        async def one_after_another() -> None:
            for user_id, number in tokens:
                user = User(PROJECT, UserId(user_id), None, None)
                await self._tokens.register(user, kind, numbered_token(kind, number), now_ms + number)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(_REGISTRATIONS):
                tasks.create_task(one_after_another())

    async def close(self) -> None:
        """Close the connections."""
        self._client.close()
        await asyncio.sleep(0)
