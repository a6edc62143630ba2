"""Providers that fail on command, and record every attempt."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from loadtest.check.deliveries.attempts import AttemptJournal, DeliveryKey, result_of
from loadtest.providers.replies import (
    ACCESS_TOKEN,
    TWILIO_RECEIPT,
    ProviderKind,
    access_token,
    failing,
    kind_of,
    sms_receipt,
    throttled,
)
from loadtest.providers.server import CUT, NOTHING, ProviderRequest, ProviderServer, Reply, half_of, response

DEAD = "dead"
"""The beginning of destinations that are dead."""

SLOW_SECONDS = 2.0

Misbehave = Callable[[ProviderKind, random.Random], Reply]
"""Returns the reply of a provider that fails."""


def throttle(kind: ProviderKind, choice: random.Random) -> Reply:
    """Reply with 429 and Retry-After."""
    return Reply(throttled(1))


def fail(kind: ProviderKind, choice: random.Random) -> Reply:
    """Reply with a 5xx."""
    return Reply(failing(choice.choice((500, 502, 503, 504))))


def hang(kind: ProviderKind, choice: random.Random) -> Reply:
    """Never reply."""
    return NOTHING


def cut(kind: ProviderKind, choice: random.Random) -> Reply:
    """Abort the connection without a response."""
    return CUT


def die_in_the_middle(kind: ProviderKind, choice: random.Random) -> Reply:
    """End the connection in the middle of the response."""
    return half_of(kind.accepted())


def slow(kind: ProviderKind, choice: random.Random) -> Reply:
    """Accept, after a while."""
    return Reply(kind.accepted(), after=choice.uniform(0.5, 1) * SLOW_SECONDS)


class FaultyProviders:
    """All providers of the check, on one server."""

    def __init__(self, seed: int):
        self.journal = AttemptJournal()
        self.server = ProviderServer(self._answer)
        self.misbehaviours: Sequence[Misbehave] = ()
        """The ways of failing at present. Each delivery fails once at most, so that its schedule soon succeeds."""
        self.misconfigured: set[tuple[str, str]] = set()
        """Projects and providers that refuse the credentials."""
        self._choice = random.Random(f"{seed} providers")
        self._failures: Counter[DeliveryKey] = Counter()

    def _answer(self, request: ProviderRequest) -> Reply:
        if ACCESS_TOKEN.fullmatch(request.path):
            return Reply(access_token())
        if TWILIO_RECEIPT.fullmatch(request.path):
            return Reply(sms_receipt())
        kind = kind_of(request)
        if kind is None:
            self.journal.strays.append(f"{request.method} {request.path}")
            return Reply(response(404))
        key = self.journal.key_of(kind, request)
        if key is None:
            return Reply(response(400))
        reply, attempt = self._reply(kind, key), self.journal.record(key, request)

        def note() -> None:
            attempt.result = result_of(reply, kind)

        return replace(reply, on_written=note)

    def _reply(self, kind: ProviderKind, key: DeliveryKey) -> Reply:
        if (key.mark.split("-")[1], kind.name) in self.misconfigured:
            return Reply(kind.misconfigured)
        if key.destination.startswith(DEAD):
            return Reply(kind.dead)
        if self.misbehaviours and not self._failures[key]:
            self._failures[key] += 1
            return self._choice.choice(self.misbehaviours)(kind, self._choice)
        return Reply(kind.accepted())
