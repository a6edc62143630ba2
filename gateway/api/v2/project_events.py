"""The log of a project's events: what was sent, who received it and who did not, and who changed what."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import Operation
from gateway.api.core.paging import PAGING, Links, Page, links, read_page
from gateway.api.core.problems import not_found
from gateway.api.core.query import Formed, Option
from gateway.api.core.responses import json_response
from gateway.api.core.schema import Hash, ResponseSpec, Time, Uuid
from gateway.api.v1.identity import find_user
from gateway.domain.errors import ApiError
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.project_event import BY_LABEL, EventLevel, EventPlace, ProjectEventType, event_id, place_of
from gateway.domain.times import rfc3339_ms
from gateway.store.directory import Directory
from gateway.store.project_event_log import ProjectEventLog, StoredEvent

_SCANS = 5
"""How many calls may scan the log for one page. Each scans up to 40,000 events, so a rare filter takes some 25 ms."""

_MATCHED = 100
"""How many events one call reads of which only those are wanted that match."""

FILTERS = (
    Option("type", "Only events of this type.", tuple(BY_LABEL)),
    Option("level", "Only events of this level.", tuple(each.value for each in EventLevel)),
    Formed(
        "user",
        "Only events that concern this user: an id, `external_id:…` or `email:…`. The id of a deleted user finds the "
        "events of that user.",
        "the id of a user, or `external_id:` or `email:` and a name",
        r"[\s\S]{1,300}",
    ),
)


class ProjectEvent(msgspec.Struct):
    """An event of a project."""

    id: Uuid
    timestamp: Time
    type: str
    level: str
    code: int
    log: str
    context: Hash | UnsetType = UNSET


class ProjectEventList(msgspec.Struct):
    """A page of events, newest first."""

    data: list[ProjectEvent]
    links: Links


FOUND = ResponseSpec(200, "The event", ProjectEvent)
LISTED = ResponseSpec(200, "A page", ProjectEventList)


class Part(NamedTuple):
    """A page that was read, and the places at its ends if there is more beyond them."""

    events: Sequence[StoredEvent]
    newer: EventPlace | None
    older: EventPlace | None


@dataclass(frozen=True, slots=True)
class ProjectEventsResource:
    """The operations on the project's events, with the stores that they use."""

    log: ProjectEventLog
    directory: Directory

    async def list_page(self, call: ProjectCall) -> Response:
        """Return a page of the project's events, newest first. A new event is in the list within 100 ms.

        The log keeps the newest events of each type, and drops them when they are old. `code` is the number of the
        type; `log` explains it. The context names the notification, token, broadcast or other thing that the event is
        about, and `user_id` in it the user. A page may be short, or even empty, although `links.next` is not null: the
        search for events of a user stops after a while, and continues there.
        """
        query = call.query()
        page = read_page(query)
        user_id = await named_user(self.directory, call.project.id, query["user"])
        if query["user"] and user_id is None:
            part = Part((), None, None)
        else:
            part = await read_part(self.log, call.project.id, selected_types(query), user_id, page)
        newer, older = (event_id(place, 0) if place else None for place in (part.newer, part.older))
        path = call.forwarded.prefix + call.request.path
        fields = call.request.query_params.multi_items()
        return json_response(
            {"data": [shown(event) for event in part.events], "links": links(path, fields, page.size, newer, older)}
        )

    async def get(self, call: ProjectCall) -> Response:
        """Return an event of the project, without a wrapper."""
        place, code = place_of(str(call.uuid("event_id", "Event")))
        event = await self.log.find(call.project.id, place, code)
        if event is None or event.type is None or event_id(place, code) != call.text("event_id").lower():
            raise not_found("Event")
        return json_response(shown(event))


async def read_part(
    log: ProjectEventLog,
    project_id: ProjectId,
    types: Sequence[ProjectEventType],
    user_id: UserId | None,
    page: Page,
    matches: Callable[[StoredEvent], bool] | None = None,
) -> Part:
    """Read a page from one or several parts, because each read scans a bounded part of the log.

    With `matches`, the page has only the events for which it is true. Then it may be short although there are more.
    """
    after, before = (place_of(text)[0] if text else None for text in (page.after, page.before))
    found: list[StoredEvent] = []
    reached, more = before or after, False
    for _ in range(_SCANS):
        bounds = {"newer_than": reached} if before else {"older_than": reached}
        wanted = page.size - len(found)
        part = await log.read(project_id, types, _MATCHED if matches else wanted, user_id=user_id, **bounds)
        matching = [each for each in part.events if matches is None or matches(each)]
        found += matching[:wanted]
        more = part.more or len(matching) > wanted
        if len(matching) > wanted:
            reached = found[-1].place
        else:
            reached = part.scanned or (part.events[-1].place if part.events else reached)
        if not more or len(found) == page.size:
            break
    beyond = reached if more else None
    if before:
        return Part(found[::-1], beyond, found[0].place if found else before)
    return Part(found, (found[0].place if found else after) if after else None, beyond)


async def named_user(directory: Directory, project_id: ProjectId, name: str | None) -> UserId | None:
    """Return the id of the user whom the filter `user` names, None if it is absent or nobody has this name."""
    if name is None:
        return None
    try:
        return UserId(str(UUID(name)))
    except ValueError:
        pass
    try:
        return (await find_user(directory, project_id, name)).id
    except ApiError:
        return None


def selected_types(query: Mapping[str, Any]) -> list[ProjectEventType]:
    """Return the types that the filters `type` and `level` select."""
    level = query["level"] and EventLevel(query["level"])
    label = query["type"]
    return [each for each in ProjectEventType if (not label or each.label == label) and level in (None, each.level)]


def shown(event: StoredEvent) -> dict[str, Any]:
    """Return an event of a known type in the form of v2."""
    kind = event.type
    assert kind is not None, "only known types are read"
    context = msgspec.json.decode(event.context) if event.context else {}
    if event.user_id is not None:
        context["user_id"] = event.user_id
    shown = {
        "id": event_id(event.place, event.code),
        "timestamp": rfc3339_ms(event.place.ms),
        "type": kind.label,
        "level": kind.level.value,
        "code": kind.code,
        "log": kind.log,
    }
    return {**shown, "context": context} if context else shown


_R = ProjectEventsResource

OPERATIONS = [
    Operation("GET", "/v2/events", PROJECT, _R.list_page, "List the project's events", LISTED, query=FILTERS + PAGING),
    Operation("GET", "/v2/events/{event_id}", PROJECT, _R.get, "Get an event of the project", FOUND),
]
