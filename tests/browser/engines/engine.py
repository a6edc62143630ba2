"""What a test does with a browser of another engine: open a page, run scripts, click and press keys."""

from collections.abc import Sequence
from typing import Any, Protocol

ENTER, ESCAPE = "\ue007", "\ue00c"
"""Keys, as WebDriver names them."""


class Engine(Protocol):
    """A browser with one page."""

    def open(self, url: str) -> None:
        """Open a page, and wait until it is loaded."""

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript, by JSON."""

    def act(self, actions: Sequence[dict[str, Any]]) -> None:
        """Perform actions of WebDriver, which reach the page as those of a person do."""

    def screenshot(self) -> bytes:
        """Return what the page shows, as PNG."""


def click(engine: Engine, x: float, y: float) -> None:
    """Click at a point of the page."""
    steps = [
        {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 0},
        {"type": "pointerDown", "button": 0},
        {"type": "pointerUp", "button": 0},
    ]
    engine.act([{"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": steps}])


def press(engine: Engine, key: str) -> None:
    """Press a key and release it."""
    steps = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
    engine.act([{"type": "key", "id": "keyboard", "actions": steps}])
