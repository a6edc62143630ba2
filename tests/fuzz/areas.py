"""The fuzzed areas. Each generates inputs, and checks how a gateway handles one. The corpus stores some inputs."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hypothesis.strategies import SearchStrategy

from tests.fuzz import bodies, credentials, frames, positions, requests
from tests.fuzz.inputs import Input
from tests.fuzz.target import FuzzTarget

CORPUS = Path(__file__).parent / "corpus"
"""The inputs that every run tries: those that failed once, and some close to a limit."""


@dataclass(frozen=True)
class Area:
    """A part of the gateway that reads input."""

    name: str
    inputs: SearchStrategy[Input]
    check: Callable[[FuzzTarget, Input], None]

    def attempt(self, target: FuzzTarget, tried: Input) -> None:
        """Try an input. Raise AssertionError or OSError if the gateway handles it wrongly."""
        with target.stays_well():
            self.check(target, tried)

    @property
    def kept(self) -> list[Path]:
        """The files of the corpus for this area."""
        return sorted((CORPUS / self.name).glob("*.json"))

    def keep(self, tried: Input) -> Path:
        """Add an input to the corpus, and return its file."""
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
