"""What pages log as errors and warnings."""

import re

FAILED_REQUEST = r"^Failed to load resource|net::ERR_|WebSocket connection to .* failed"
"""What browsers log about requests that were refused, and about a network or a server that ends."""


class Messages(list[str]):
    """Messages of pages, none of which may be left at the end of a test.

    A browser may log a message after the page shows its cause. So a test does not clear the list: it declares what it
    provokes, and such messages are left out whenever they arrive.
    """

    def __init__(self) -> None:
        super().__init__()
        self._expected: list[re.Pattern[str]] = []

    def expect(self, pattern: str = FAILED_REQUEST) -> None:
        """Leave out messages in which a pattern is found, those that have arrived and those that will."""
        self._expected.append(re.compile(pattern))
        self[:] = [message for message in self if not self._is_expected(message)]

    def append(self, message: str) -> None:
        """Append a message unless it is expected."""
        if not self._is_expected(message):
            super().append(message)

    def _is_expected(self, message: str) -> bool:
        return any(pattern.search(message) for pattern in self._expected)
