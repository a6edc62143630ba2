"""Names of requests, by which an answer is found in the log."""

import re

HEADER = "X-Request-Id"

_ACCEPTED = re.compile(r"[A-Za-z0-9._:=+/-]{1,128}")
"""What a proxy may call a request: no white space and nothing that needs quoting, in a header or in the log."""


class RequestIds:
    """Names requests. `prefix` tells this process from all others, before and after it."""

    def __init__(self, prefix: str):
        self._prefix = prefix
        self._count = 0

    def next(self) -> str:
        """Return a name that no other request has."""
        self._count += 1
        return f"{self._prefix}-{self._count:x}"

    def accept(self, text: str) -> str:
        """Return the name that a trusted proxy gave, or a new one where that is none."""
        return text if _ACCEPTED.fullmatch(text) else self.next()
