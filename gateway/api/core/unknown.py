"""Unknown names: fields and query parameters that an operation does not define, because of a misspelling or a version.

The v1 contract lets clients send more than is read. So v1 ignores such names, and lists them in a header and once in
the log. Strict projects, and operations that are not part of v1, refuse them.
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
"""The most names in the header of a response and in a line of the log."""

MAX_NAME_LENGTH = 40
"""Longer names are not spelling mistakes. Comparing them takes time, and they may be secrets."""

MAX_LOGGED = 1000
"""The most distinct names that a worker logs. It keeps them in memory, so that each is logged once."""

_PLAIN_PATH = re.compile(r"[A-Za-z0-9_.\[\]-]{1,120}")


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


@lru_cache(maxsize=1024)
def nearest_name(name: str, known: frozenset[str]) -> str:
    """Return the most similar known name, "" if none is similar."""
    found = difflib.get_close_matches(name.lower(), known, n=1) if len(name) <= MAX_NAME_LENGTH else []
    return found[0] if found else ""


def unknown_parameters(names: Iterable[str], known: frozenset[str]) -> list[UnknownName]:
    """Return the query parameters that are not known, each once: at most `2 * MAX_NAMED` of them."""
    unknown = (name for name in dict.fromkeys(names) if name and name not in known)
    return [UnknownName(name, nearest_name(name, known)) for name in islice(unknown, 2 * MAX_NAMED)]


def header_value(names: Iterable[UnknownName]) -> str:
    """Return the value of the header that lists names."""
    return "; ".join(name.warning for name in list(names)[:MAX_NAMED])


class UnknownNameLog:
    """Logs each unknown name once for each project and operation, up to MAX_LOGGED in all."""

    def __init__(self) -> None:
        self._logged: set[tuple[str, str, str]] = set()

    def note(self, project_id: str, operation: str, names: Iterable[UnknownName]) -> None:
        """Log the names that are new. Text that is not shaped like a name is omitted, since it may be a secret."""
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
