"""What an import's operation and its job share: how rows are stored in portions, and how a row is read."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from gateway.sending.command import UserFields

PORTION_ROWS = 100
"""Rows of a portion, which is one step of the job: a few milliseconds of work. The number cannot change while there are
stored imports, because the number of a row follows from that of its portion."""

RowReader: TypeAlias = Callable[[Any, str], UserFields]
"""Return the user that a row describes. The path, such as `import.users[3]`, names the row in messages. Raises
InvalidRowError."""


def portions_of(rows: Sequence[Any]) -> list[bytes]:
    """Return the rows as JSON arrays of PORTION_ROWS each; the last one may be shorter."""
    return [msgspec.json.encode(rows[first : first + PORTION_ROWS]) for first in range(0, len(rows), PORTION_ROWS)]
