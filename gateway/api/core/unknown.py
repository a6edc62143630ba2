"""Unknown names: fields and query parameters that an operation does not define, because of a misspelling or a version.

The v1 contract lets clients send more than is read. So v1 ignores such names, and lists them in a header and once in
the log. Strict projects, and operations that are not part of v1, refuse them.
"""

import re
from collections.abc import Iterable
from itertools import islice

from gateway.domain.unknown_names import MAX_NAME_LENGTH, MAX_NAMED, UnknownName, nearest_name
from gateway.telemetry.logs import log

HEADER = "X-Inbox-Warnings"

MAX_LOGGED = 1000
"""The most distinct names that a worker logs. It keeps them in memory, so that each is logged once."""

_PLAIN_PATH = re.compile(r"[A-Za-z0-9_.\[\]-]{1,120}")


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
