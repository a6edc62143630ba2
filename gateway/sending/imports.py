"""What an import's operation and its job share: how rows are stored in portions, and how a row is read."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from gateway.sending.command import UserFields

PORTION_ROWS = 100
"""Rows of one step: a few milliseconds of work. Stored imports count on it, because rows are numbered by portion."""

RowReader: TypeAlias = Callable[[Any, str], UserFields]
"""Checks a row, which messages call by a path such as `import.users[3]`. Raises InvalidRowError."""


def portions_of(rows: Sequence[Any]) -> list[bytes]:
    """Return the rows as JSON arrays of PORTION_ROWS each; the last one may be shorter."""
    return [msgspec.json.encode(rows[first : first + PORTION_ROWS]) for first in range(0, len(rows), PORTION_ROWS)]
