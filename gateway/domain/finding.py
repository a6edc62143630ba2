"""The results of checks, which `doctor` prints and a start logs."""

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How serious a finding is, the least first. The value is what is printed."""

    FINE = "ok"
    ADVICE = "advice"
    """The gateway works. Before it is used in production, this should be changed."""
    WARNING = "WARNING"
    """The gateway works, but may fail later, or is open to more people than it should be."""
    PROBLEM = "PROBLEM"
    """The gateway does not work, or will lose acknowledged data."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check: what was found, and what to do about it."""

    topic: str
    text: str
    severity: Severity = Severity.FINE
    advice: str = ""

    @property
    def sentence(self) -> str:
        """Return the text and the advice in one line."""
        return f"{self.text}: {self.advice}" if self.advice else self.text


def advice(topic: str, text: str, do: str) -> Finding:
    """Return a finding that matters in production only."""
    return Finding(topic, text, Severity.ADVICE, do)


def warning(topic: str, text: str, do: str = "") -> Finding:
    """Return a finding about something that works now and may fail later."""
    return Finding(topic, text, Severity.WARNING, do)


def problem(topic: str, text: str, do: str = "") -> Finding:
    """Return a finding about something that does not work, or loses data."""
    return Finding(topic, text, Severity.PROBLEM, do)
