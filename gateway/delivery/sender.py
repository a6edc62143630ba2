"""Sending: hands messages to the adapter of their provider, and returns an outcome for each, whatever happens."""

import asyncio
import re
import time
from collections.abc import Sequence

from gateway.channels.message import Message
from gateway.channels.outcome import MAX_REASON, Delivered, Handed, Outcome, Refused, Retry, Unknown
from gateway.channels.provider import Links, Provider
from gateway.domain.outbound_errors import NoAnswerError, NotSentError, OutboundRefusedError
from gateway.telemetry.faults import log_fault
from gateway.telemetry.logs import log
from gateway.telemetry.metrics import DELIVERY_REQUEST_SECONDS

GRACE_SECONDS = 2.0
"""How much longer than the time limit of one attempt an adapter may take, for what it does besides the request."""


_ID = re.compile(rf"[!-~]{{1,{MAX_REASON}}}")
"""An id of a provider, such as that of a mail."""


def outcome_of(problem: BaseException) -> Outcome | None:
    """Return the outcome of an attempt that raised an exception, None for an exception that is a fault of ours."""
    match problem:
        case NotSentError():
            return Retry(_reason(problem))
        case NoAnswerError() | TimeoutError():
            return Unknown(_reason(problem) or "No response in time")
        case OutboundRefusedError():
            return Refused(_reason(problem))
    return None


class Sender:
    """Sends through the adapter of one provider."""

    def __init__(self, provider: Provider, links: Links):
        self.provider = provider
        self.links = links
        self.longest_seconds = provider.seconds + GRACE_SECONDS
        """How long an attempt takes at most."""
        self._seconds = DELIVERY_REQUEST_SECONDS.labels(provider.name)

    async def send(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Send at most `provider.batch` messages of one configuration, and return their outcomes in order."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(self.longest_seconds):
                outcomes = await self.provider.deliver(messages, self.links)
        except Exception as problem:
            return [self._failed(problem)] * len(messages)
        finally:
            self._seconds.observe(time.monotonic() - started)
        if len(outcomes) != len(messages):
            log.error("delivery_outcomes_missing", provider=self.provider.name, expected=len(messages))
            outcomes = [*outcomes, *[Unknown("The adapter returned no outcome")] * len(messages)][: len(messages)]
        return [*map(_with_usable_id, outcomes)]

    async def ask(self, message: Message, receipt: str) -> Outcome | None:
        """Return what became of a message that was handed over, None if the provider did not tell."""
        if self.provider.receipt is None:
            return Unknown("The provider tells no results")
        try:
            async with asyncio.timeout(self.longest_seconds):
                return await self.provider.receipt(message, receipt, self.links)
        except Exception as problem:
            if outcome_of(problem) is None:
                self._report(problem)
            return None

    def _failed(self, problem: Exception) -> Outcome:
        outcome = outcome_of(problem)
        if outcome is None:
            self._report(problem)
            return Unknown(f"The gateway failed: {type(problem).__name__}")
        return outcome

    def _report(self, problem: Exception) -> None:
        log_fault("adapter_failed", problem, provider=self.provider.name)


def _with_usable_id(outcome: Outcome) -> Outcome:
    """Return an outcome without an id that is none: a provider, or who answers in its place, can send any text."""
    match outcome:
        case Delivered(provider_id) if provider_id and not _ID.fullmatch(provider_id):
            return Delivered()
        case Handed(receipt) if not _ID.fullmatch(receipt):
            return Unknown("The provider returned no id")
    return outcome


def _reason(problem: BaseException) -> str:
    return str(problem)[:MAX_REASON]
