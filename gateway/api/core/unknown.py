"""Names that no operation reads: misspelt fields and query parameters, or those of another version.

The v1 contract lets clients send more than is read. So v1 only names these, in a header and once in the log, unless the
project is strict; our own operations refuse them.
"""

import difflib
import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import NamedTuple
from urllib.parse import quote

from gateway.telemetry.logs import log

HEADER = "X-Inbox-Warnings"

MAX_NAMED = 10
"""How many names one answer's header and line in the log have."""

MAX_NAME_LENGTH = 40
"""Longer names are nobody's spelling mistakes; comparing them takes time, and they may be secrets."""

MAX_LOGGED = 1000
"""How many different names a worker logs, and remembers to have logged."""

_PLAIN_PATH = re.compile(r"[A-Za-z0-9_.\[\]-]{1,120}")


class UnknownName(NamedTuple):
    """A name with the path to it, such as `notification.recipients[0].emial`, and the known one that is meant."""

    path: str
    nearest: str

    @property
    def message(self) -> str:
        """What an `errors` array says."""
        return f"Param '{self.path}' is not known" + (f"; did you mean '{self.nearest}'?" if self.nearest else "")

    @property
    def warning(self) -> str:
        """What a header says, in ASCII whatever the name is."""
        path = quote(self.path[:200], safe="[]")
        return f"'{path}' is not known" + (f", did you mean '{self.nearest}'?" if self.nearest else "")


@lru_cache(maxsize=1024)
def nearest_name(name: str, known: frozenset[str]) -> str:
    """Return the known name that is most like this one, "" when none is much like it."""
    found = difflib.get_close_matches(name.lower(), known, n=1) if len(name) <= MAX_NAME_LENGTH else []
    return found[0] if found else ""


def unknown_parameters(names: Iterable[str], known: frozenset[str]) -> list[UnknownName]:
    """Return the query parameters that are not known, each once, if there are not too many."""
    unknown = (name for name in dict.fromkeys(names) if name and name not in known)
    return [UnknownName(name, nearest_name(name, known)) for name in islice(unknown, 2 * MAX_NAMED)]


def header_value(names: Iterable[UnknownName]) -> str:
    """Return the header that names them."""
    return "; ".join(name.warning for name in list(names)[:MAX_NAMED])


class UnknownNameLog:
    """Logs each name once for each project and operation, as long as there are not too many."""

    def __init__(self) -> None:
        self._logged: set[tuple[str, str, str]] = set()

    def note(self, project_id: str, operation: str, names: Iterable[UnknownName]) -> None:
        """Log the names that were not logged before. What looks like no name is not repeated: it may be a secret."""
        fresh = []
        for name in list(names)[:MAX_NAMED]:
            path = re.sub(r"\[\d+\]", "[]", name.path)
            last = path.rpartition(".")[2]
            shown = path if _PLAIN_PATH.fullmatch(path) and len(last) <= MAX_NAME_LENGTH else "…"
            key = (project_id, operation, shown)
            if key not in self._logged and len(self._logged) < MAX_LOGGED:
                self._logged.add(key)
                fresh.append({"name": shown, "nearest": name.nearest} if name.nearest else {"name": shown})
        if fresh:
            log.warning("unknown_names", project=project_id, operation=operation, names=fresh)
