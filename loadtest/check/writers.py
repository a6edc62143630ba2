"""The writers: backends that send to users, and users who send commands. Writes are repeated until acknowledged."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from loadtest.check.observer import ReportViolation
from loadtest.check.rest import FinalResponse, RefusedError, Rest
from loadtest.check.violations import ViolationKind
from loadtest.check.write_journal import COMMANDS, JournalItem, WriteJournal
from loadtest.servers.gateway import user_headers

BACKENDS = 3
BACKEND_PAUSE_SECONDS = 0.05
COMMAND_PAUSE_SECONDS = 0.3
"""The mean of an exponential distribution, so that some writes of a user are close together and others far apart."""

CATEGORIES = ("orders", "billing", None)
TOPICS = ("a", "b", None)
MOST_ITEMS = 60
"""The number of items above which a user deletes items instead of changing single ones."""

Work = Callable[[str], Awaitable[FinalResponse]]

_BULK_SHARE = 0.06
_DELETE_SHARE = 0.1


@dataclass
class Gate:
    """A gate that lets writers write, and the writes in progress."""

    opened: asyncio.Event = field(default_factory=asyncio.Event)
    in_progress: set[str] = field(default_factory=set)
    acknowledged: int = 0
    repeated: int = 0

    async def until_idle(self, seconds: float) -> set[str]:
        """Close the gate, wait for the responses, and return the writes that still have none."""
        self.opened.clear()
        deadline = time.monotonic() + seconds
        while self.in_progress and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        return set(self.in_progress)

    def count(self, final: FinalResponse) -> None:
        """Count an acknowledged write."""
        self.acknowledged += 1
        self.repeated += final.requests - 1


class Writers:
    """All writers, which write while `run` is running."""

    def __init__(self, seed: int, rest: Rest, journals: dict[str, WriteJournal], report: ReportViolation):
        self.gate = Gate()
        self._seed = seed
        self._rest = rest
        self._journals = journals
        self._report = report

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(BACKENDS):
                tasks.create_task(self._backend(f"backend{number}"), name=f"backend{number}")
            for user in self._journals:
                tasks.create_task(self._owner(user), name=f"owner-{user}")

    async def greet(self) -> None:
        """Send a notification to each user, so that the users exist."""
        for user in self._journals:
            await self._send([user], f"hello.{user}", None, None)

    # -- backends

    async def _backend(self, name: str) -> None:
        choice = random.Random(f"{self._seed} {name}")
        users = list(self._journals)
        number = 0
        while True:
            await asyncio.sleep(choice.expovariate(1 / BACKEND_PAUSE_SECONDS))
            recipients = choice.sample(users, choice.choice((1, 1, 1, min(3, len(users)))))
            category, topic = choice.choice(CATEGORIES), choice.choice(TOPICS)
            await self.gate.opened.wait()
            number += 1
            await self._write(
                f"{name}.{number}",
                lambda write, r=recipients, c=category, t=topic: self._send(r, write, c, t),  # type: ignore[misc] # bound now
            )

    async def _send(self, users: list[str], write: str, category: str | None, topic: str | None) -> FinalResponse:
        started = time.monotonic()
        final = await self._rest.send(users, write, category, topic)
        notification_id = str(final.response.json()["notification"]["id"])
        for user in users:
            self._journals[user].sent_to(write, JournalItem(notification_id, category or ""), started)
        return final

    # -- users

    async def _owner(self, user: str) -> None:
        choice = random.Random(f"{self._seed} {user}")
        journal = self._journals[user]
        number = 0
        while True:
            await asyncio.sleep(choice.expovariate(1 / COMMAND_PAUSE_SECONDS))
            await self.gate.opened.wait()
            number += 1
            write = f"{user}.{number}"
            share = choice.random()
            if share < _BULK_SHARE:
                await self._write(write, lambda write: self._mark_all(user, journal, write, choice))
            elif journal.items:
                item = choice.choice(list(journal.items.values()))
                if share < _BULK_SHARE + _DELETE_SHARE or len(journal.items) > MOST_ITEMS:
                    await self._write(write, lambda write, i=item: self._delete(user, journal, write, i))  # type: ignore[misc] # bound now
                else:
                    command = choice.choice(COMMANDS)
                    await self._write(
                        write,
                        lambda write, i=item, c=command: self._command(user, journal, write, i, c),  # type: ignore[misc] # bound now
                    )

    async def _command(
        self, user: str, journal: WriteJournal, write: str, item: JournalItem, command: str
    ) -> FinalResponse:
        method, name = ("DELETE", "archive") if command == "unarchive" else ("POST", command)
        path = f"/notifications/{item.id}/{name}"
        final = await self._rest.until_response(method, path, (204,), headers=user_headers(user, write))
        journal.commanded(write, command, item, final.requests)
        return final

    async def _delete(self, user: str, journal: WriteJournal, write: str, item: JournalItem) -> FinalResponse:
        # A retry may find that the item is already deleted.
        path = f"/notifications/{item.id}"
        final = await self._rest.until_response("DELETE", path, (204, 404), headers=user_headers(user, write))
        if final.response.status_code == 404 and final.requests == 1:
            raise RefusedError(f"{item.id} does not exist")
        journal.removed(write, item, final.requests)
        return final

    async def _mark_all(self, user: str, journal: WriteJournal, write: str, choice: random.Random) -> FinalResponse:
        flag, category = choice.choice(("read", "seen")), choice.choice((None, "orders"))
        query = {"categories": category} if category else {}
        journal.marking_all()
        try:
            final = await self._rest.until_response(
                "POST", f"/notifications/{flag}", (204,), headers=user_headers(user, write), params=query
            )
        finally:
            journal.mark_all_ended = time.monotonic()
        journal.marked_all(write, flag, category, journal.mark_all_ended, final.requests)
        return final

    async def _write(self, write: str, work: Work) -> None:
        self.gate.in_progress.add(write)
        try:
            self.gate.count(await work(write))
        except RefusedError as refused:
            self._report(ViolationKind.REFUSED, write, str(refused))
        finally:
            self.gate.in_progress.discard(write)
