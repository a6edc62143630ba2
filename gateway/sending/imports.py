"""The parts of an import that its operation and its job share: the portions of rows, and the type of a row reader."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from gateway.sending.command import UserFields

PORTION_ROWS = 100
"""The rows of a portion. A portion is one step of the job, some milliseconds of work. The number must not change
while there are stored imports, because the number of a row is computed from that of its portion."""

RowReader: TypeAlias = Callable[[Any, str], UserFields]
"""Returns the user that a row describes. The second argument is the path of the row in messages, such as
`import.users[3]`. Raises InvalidRowError."""


def portions_of(rows: Sequence[Any]) -> list[bytes]:
    """Return the rows as JSON arrays of PORTION_ROWS each; the last one may be shorter."""
    return [msgspec.json.encode(rows[first : first + PORTION_ROWS]) for first in range(0, len(rows), PORTION_ROWS)]
