"""Request ids, which connect a response with its line in the log."""

import re

HEADER = "X-Request-Id"

_ACCEPTED = re.compile(r"[A-Za-z0-9._:=+/-]{1,128}")
"""The ids accepted from a proxy: no white space, and nothing that needs quoting in a header or in the log."""


class RequestIds:
    """A generator of request ids. `prefix` must be unique among all processes, past and future ones too."""

    def __init__(self, prefix: str):
        self._prefix = prefix
        self._count = 0

    def next(self) -> str:
        """Return an id that no other request has."""
        self._count += 1
        return f"{self._prefix}-{self._count:x}"

    def accept(self, text: str) -> str:
        """Return the id that a trusted proxy sent, or a new one if that is not valid."""
        return text if _ACCEPTED.fullmatch(text) else self.next()
