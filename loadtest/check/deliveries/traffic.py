"""The notifications whose deliveries are checked, and the check of all of them after a fault."""

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.domain.delivery import DeliveryState
from loadtest.check.deliveries.attempts import DeliveryKey, mark_of
from loadtest.check.deliveries.projects import LATE_SECONDS, WAYS, CheckedProject, Way, live_tokens
from loadtest.check.deliveries.providers import FaultyProviders
from loadtest.check.deliveries.states import DeliveryStates
from loadtest.check.deliveries.verdict import Expected, Fate, has_ended, judge
from loadtest.check.observer import ReportViolation
from loadtest.check.rest import FinalResponse, RefusedError, Rest
from loadtest.check.violations import ViolationKind
from loadtest.check.writers import Gate
from loadtest.servers.gateway import Gateway

PAUSE_SECONDS = 0.06
"""The mean pause between two notifications."""

READ_SHARE = 0.5
"""How many of the notifications with a delayed mail are read at once."""

READ_MARGIN_SECONDS = 1.0
"""A mail is certainly cancelled if its item was read so much earlier than the mail is due."""

POLL_SECONDS = 0.2

States = Mapping[str, DeliveryState]
"""The states of the deliveries of one notification, by destination."""


@dataclass
class Sent:
    """A notification that was accepted."""

    id: str
    project: CheckedProject
    user: str
    way: Way
    mark: str
    fate: Fate
    begun: float
    """The monotonic time, in seconds, before the request."""

    def expected(self) -> list[Expected]:
        """Return its deliveries, one for each destination."""
        dead = self.project.dead_token(self.user)
        return [
            Expected(
                DeliveryKey(self.mark, self.way.provider.name, destination),
                self.fate,
                self.way.provider.repeats_unknown,
                is_dead=destination == dead,
            )
            for destination in self.project.destinations(self.way, self.user)
        ]


class DeliveryTraffic:
    """Sends notifications of both projects while `run` is running. `check` judges them."""

    def __init__(self, seed: int, projects: list[CheckedProject], providers: FaultyProviders):
        self.projects = projects
        self._providers = providers
        self._choice = random.Random(f"{seed} deliveries")
        self._numbers = itertools.count()
        self._sent: list[Sent] = []

    async def run(self, rest: Rest, gate: Gate, report: ReportViolation) -> None:
        """Send until cancelled, while the gate is open."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await asyncio.sleep(self._choice.expovariate(1 / PAUSE_SECONDS))
                await gate.opened.wait()
                project, way = self._choice.choice(self.projects), self._choice.choice(WAYS)
                user, mark = self._choice.choice(project.names), mark_of(project.name, next(self._numbers))
                tasks.create_task(self._write(rest, gate, report, project, way, user, mark), name=mark)

    async def check(
        self,
        gateway: Gateway,
        redis_url: str,
        seconds: float,
        report: ReportViolation,
        *,
        may_repeat: bool,
        may_lose: bool,
        may_vanish: bool,
    ) -> None:
        """Wait until every delivery has a final state, at most some seconds, and report what is wrong. Forget them."""
        states = await self._final_states(redis_url, time.monotonic() + seconds)
        attempts = self._providers.journal.attempts
        for one in self._sent:
            for expected in one.expected():
                state = states[one.id].get(expected.key.destination)
                arrived = attempts.get(expected.key, ())
                for kind, detail in judge(expected, arrived, state, may_repeat=may_repeat, may_vanish=may_vanish):
                    if kind is not ViolationKind.UNFINISHED or not may_lose:
                        report(kind, str(expected.key), detail)
        for stray in self._providers.journal.strays:
            report(ViolationKind.WRONG_LANE, "providers", stray)
        await self._check_tokens(gateway, report)
        self._sent.clear()
        self._providers.journal.clear()

    async def _final_states(self, redis_url: str, deadline: float) -> dict[str, States]:
        """Return the states of all deliveries once they are final, or at the deadline, by notification."""
        reader, states = DeliveryStates(redis_url), dict[str, States]()
        while True:
            for one in self._sent:
                if not _is_final(one, states.get(one.id, {})):
                    states[one.id] = await reader.read(one.project, one.user, one.id, one.expected())
            if time.monotonic() > deadline or all(_is_final(one, states[one.id]) for one in self._sent):
                break
            await asyncio.sleep(POLL_SECONDS)
        await reader.close()
        return states

    def late(self, seconds: float, parked: tuple[str, str]) -> list[str]:
        """Return the notifications that no provider has received within some seconds, except those of a parked lane."""
        late = []
        for one in self._sent:
            if one.way.delay or (one.project.name, one.way.provider.name) == parked:
                continue
            for key in [expected.key for expected in one.expected() if not expected.is_dead]:
                attempts = self._providers.journal.attempts.get(key)
                if (attempts[0].at if attempts else time.monotonic()) - one.begun > seconds:
                    late.append(str(key))
        return late

    async def _check_tokens(self, gateway: Gateway, report: ReportViolation) -> None:
        """Report good tokens that were discarded, and dead ones that were not although something was sent to them."""
        for project in self.projects:
            for user in project.names:
                kept = await live_tokens(project, gateway, user)
                if project.good_token(user) not in kept:
                    report(ViolationKind.TOKEN_LOST, user, "its token is discarded, but works")
                dead = project.dead_token(user)
                tried = any(key.destination == dead for key in self._providers.journal.attempts)
                if dead in kept and tried:
                    report(ViolationKind.TOKEN_KEPT, user, "its dead token is not discarded")

    # -- one notification

    async def _write(
        self,
        rest: Rest,
        gate: Gate,
        report: ReportViolation,
        project: CheckedProject,
        way: Way,
        user: str,
        mark: str,
    ) -> None:
        """Send a notification. Read it at once if its mail is delayed, and chance says so."""
        begun = time.monotonic()
        try:
            final = await _counted(gate, mark, lambda: self._send(rest, project, way, user, mark))
            one = Sent(str(final.response.json()["notification"]["id"]), project, user, way, mark, Fate.ARRIVES, begun)
            if way.delay and self._choice.random() < READ_SHARE:
                await _counted(gate, f"{mark} read", lambda: self._read(rest, one))
                is_early = time.monotonic() - begun < LATE_SECONDS - READ_MARGIN_SECONDS
                one.fate = Fate.CANCELLED if is_early else Fate.EITHER
            self._sent.append(one)
        except RefusedError as refused:
            report(ViolationKind.REFUSED, mark, str(refused))

    def _send(self, rest: Rest, project: CheckedProject, way: Way, user: str, mark: str) -> Awaitable[FinalResponse]:
        headers = {**project.admin, "Idempotency-Key": mark}
        notification = {"title": mark, "category": way.category, "recipients": [{"external_id": user}]}
        content: Any = {"notification": notification}
        return rest.until_response("POST", "/notifications", (201,), headers=headers, json=content)

    def _read(self, rest: Rest, one: Sent) -> Awaitable[FinalResponse]:
        headers = one.project.user_headers(one.user)
        return rest.until_response("POST", f"/notifications/{one.id}/read", (204,), headers=headers)


def _is_final(one: Sent, states: States) -> bool:
    return all(has_ended(states.get(expected.key.destination)) for expected in one.expected())


async def _counted(gate: Gate, write: str, work: Callable[[], Awaitable[FinalResponse]]) -> FinalResponse:
    gate.in_progress.add(write)
    try:
        final = await work()
    finally:
        gate.in_progress.discard(write)
    gate.count(final)
    return final
