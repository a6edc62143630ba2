"""Names that no parameter reads, and the most similar names that one does read."""

import difflib
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

MAX_NAMED = 10
"""The most names in the header of a response and in a line of the log."""

MAX_NAME_LENGTH = 40
"""Longer names are not spelling mistakes. Comparing them takes time, and they may be secrets."""


class UnknownName(NamedTuple):
    """An unknown name with its path, such as `notification.recipients[0].emial`, and the most similar known one."""

    path: str
    nearest: str

    @property
    def message(self) -> str:
        """The message in an `errors` array."""
        return f"Param '{self.path}' is not known" + (f"; did you mean '{self.nearest}'?" if self.nearest else "")

    @property
    def warning(self) -> str:
        """The warning in a header. It is ASCII: other characters of the name are percent-encoded."""
        path = quote(self.path[:200], safe="[]")
        return f"'{path}' is not known" + (f", did you mean '{self.nearest}'?" if self.nearest else "")


def nearest_name(name: str, known: frozenset[str]) -> str:
    """Return the most similar known name, "" if none is similar."""
    # A longer name is not cached: clients could fill the memory with such names, each as large as a body.
    return _nearest_name(name.lower(), known) if len(name) <= MAX_NAME_LENGTH else ""


@lru_cache(maxsize=1024)
def _nearest_name(name: str, known: frozenset[str]) -> str:
    found = difflib.get_close_matches(name, known, n=1)
    return found[0] if found else ""
