"""The users of traces: those who exist, and those who were deleted."""

from typing import NamedTuple
from uuid import UUID

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import User, normalize_email
from gateway.sending.trace_events import TraceEvents
from gateway.store.directory import Directory


class Traced(NamedTuple):
    """A user, and when it was deleted in unix milliseconds, None for one who exists."""

    user: User
    deleted_ms: int | None = None


async def find_traced(directory: Directory, events: TraceEvents, project_id: ProjectId, name: str) -> Traced | None:
    """Return the user of an id, `external_id:…` or `email:…`, None if there is none.

    A user who was deleted is found by id, as long as the events of the project tell it.
    """
    kind, separator, rest = name.partition(":")
    if separator and kind in ("email", "external_id"):
        found = await directory.find(project_id, f"e:{normalize_email(rest)}" if kind == "email" else f"x:{rest}")
    else:
        found = await directory.find(project_id, f"u:{name}")
    if found is not None:
        return Traced(found)
    try:
        user_id = UserId(str(UUID(name)))
    except ValueError:
        return None
    deleted_ms = await events.user_deleted_ms(project_id, user_id)
    return None if deleted_ms is None else Traced(User(project_id, user_id, None, None), deleted_ms)
