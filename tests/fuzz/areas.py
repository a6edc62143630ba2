"""What is fuzzed: each area makes inputs, and checks what a gateway does with one. The corpus keeps some of them."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hypothesis.strategies import SearchStrategy

from tests.fuzz import bodies, credentials, frames, positions, requests
from tests.fuzz.inputs import Input
from tests.fuzz.target import Target

CORPUS = Path(__file__).parent / "corpus"
"""Inputs that are tried in every run: each that ever broke something, and those that come near what may."""


@dataclass(frozen=True)
class Area:
    """One way into the gateway."""

    name: str
    inputs: SearchStrategy[Input]
    check: Callable[[Target, Input], None]

    def attempt(self, target: Target, tried: Input) -> None:
        """Try an input. Raises AssertionError, or what a socket raises, when the gateway is not up to it."""
        with target.stays_well():
            self.check(target, tried)

    @property
    def kept(self) -> list[Path]:
        """The corpus."""
        return sorted((CORPUS / self.name).glob("*.json"))

    def keep(self, tried: Input) -> Path:
        """Put an input into the corpus."""
        text = json.dumps(tried, indent=1) + "\n"
        path = CORPUS / self.name / f"found-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


AREAS = (
    Area("frames", frames.inputs, frames.check),
    Area("positions", positions.inputs, positions.check),
    Area("credentials", credentials.inputs, credentials.check),
    Area("bodies", bodies.inputs, bodies.check),
    Area("requests", requests.inputs, requests.check),
)
