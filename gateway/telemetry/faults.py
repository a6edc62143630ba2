"""How an exception that nobody expected is logged: its type and places, without its text.

The text of an exception may contain what was being processed, such as a key, a token or a notification: that of a
KeyError is the key, that of a decoder a part of its input. Type and place are enough to find the fault.
"""

import traceback
from typing import Any

from gateway.telemetry.logs import log

PLACES = 8
"""How many places are logged, the innermost first."""


def log_fault(event: str, problem: BaseException, **fields: Any) -> None:
    """Log an exception that is a fault of the gateway, by type and place."""
    log.error(event, **fields, **described(problem))


def described(problem: BaseException) -> dict[str, Any]:
    """Return the type of an exception and where it was raised. Of a group, describe the first."""
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    frames = traceback.extract_tb(problem.__traceback__)[: -PLACES - 1 : -1]
    names = [type(problem).__name__]
    cause: BaseException | None = problem
    while cause is not None and len(names) < PLACES:
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
        if cause is not None:
            names.append(type(cause).__name__)
    return {
        "problem": " from ".join(names),
        "where": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
