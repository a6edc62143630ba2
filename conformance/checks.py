"""Checks: one for each rule, numbered by the section of the specification that states the rule."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

SPECIFICATION = "docs/reference/live-protocol.md"

_NUMBER = re.compile(r"(?P<section>[1-9][0-9]?\.[1-9][0-9]?)(?P<letter>[a-z])")

S = TypeVar("S")
"""What a check is given: the server under test, or the peer of the client under test."""


class Violation(Exception):  # noqa: N818 - a finding, not an error of the kit
    """What is under test broke a rule."""

    def __init__(self, expected: str, received: object):
        super().__init__(f"expected {expected}, received {received}")
        self.expected = expected
        self.received = str(received)


class Skipped(Exception):  # noqa: N818 - an outcome, not an error
    """A check does not apply, or lacks what it needs. The text says why."""


def expect(holds: bool, expected: str, received: object) -> None:
    """Raise Violation unless a condition holds."""
    if not holds:
        raise Violation(expected, received)


@dataclass(frozen=True, slots=True)
class Check(Generic[S]):
    """A rule and the function that checks it. `number` is a section and a letter, such as `4.2b`."""

    number: str
    sentence: str
    run: Callable[[S], Awaitable[str | None]]

    @property
    def section(self) -> str:
        """The number of the section that states the rule."""
        return _NUMBER.fullmatch(self.number)["section"]  # type: ignore[index] # `Suite.check` has matched it

    @property
    def order(self) -> tuple[int, int, str]:
        """The place in the specification."""
        chapter, _, paragraph = self.section.partition(".")
        return int(chapter), int(paragraph), self.number


class Suite(Generic[S]):
    """The checks of one side."""

    def __init__(self) -> None:
        self._checks: dict[str, Check[S]] = {}

    def check(
        self, number: str, sentence: str
    ) -> Callable[[Callable[[S], Awaitable[str | None]]], Callable[[S], Awaitable[str | None]]]:
        """Register the decorated function as a check. Raise ValueError for a number that is taken or malformed."""
        if number in self._checks or not _NUMBER.fullmatch(number):
            raise ValueError(f"{number} is taken or no number of a check")

        def register(run: Callable[[S], Awaitable[str | None]]) -> Callable[[S], Awaitable[str | None]]:
            self._checks[number] = Check(number, sentence, run)
            return run

        return register

    def select(self, only: Sequence[str] = ()) -> list[Check[S]]:
        """Return the checks whose numbers begin with one of these, or all. Raise ValueError for one that none has."""
        ordered = sorted(self._checks.values(), key=lambda check: check.order)
        for each in only:
            if not any(_is_within(check, each) for check in ordered):
                raise ValueError(f"there is no check {each}: see --list")
        return [check for check in ordered if not only or any(_is_within(check, each) for each in only)]


def _is_within(check: Check[Any], number: str) -> bool:
    """Return whether a number is that of a check, of its section, or of its chapter."""
    return number in (check.number, check.section, check.section.partition(".")[0])


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a check: `outcome` is `pass`, `fail` or `skip`, `did` what a client did."""

    number: str
    section: str
    sentence: str
    outcome: str
    seconds: float
    expected: str = ""
    received: str = ""
    why: str = ""
    did: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields that have a value."""
        return {name: value for name, value in asdict(self).items() if value != ""}


async def result_of(check: Check[S], subject: S, seconds: float) -> Result:
    """Run a check for at most so many seconds."""
    started = time.monotonic()

    def result(outcome: str, **details: str) -> Result:
        took = round(time.monotonic() - started, 3)
        return Result(check.number, check.section, check.sentence, outcome, took, **details)

    try:
        async with asyncio.timeout(seconds):
            did = await check.run(subject)
    except Violation as found:
        return result("fail", expected=found.expected, received=found.received)
    except Skipped as why:
        return result("skip", why=str(why))
    except TimeoutError:
        return result("fail", expected=f"an end within {seconds:.0f} s", received="nothing")
    except (OSError, ValueError, KeyError, TypeError) as problem:
        # The peer ended the connection, or sent something of another form than every message has.
        return result("fail", expected="what the rule says", received=f"{type(problem).__name__}: {problem}")
    return result("pass", did=did or "")


def exit_code(results: Iterable[Result]) -> int:
    """Return 1 if a check failed, else 0."""
    return int(any(result.outcome == "fail" for result in results))
