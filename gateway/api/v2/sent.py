"""What a project has sent: a list of all notifications, what became of one, and its recipients."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from starlette.responses import Response

from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import AnyOperation, Operation
from gateway.api.core.paging import PAGING, PLACED_PAGING, Cursor, Links, links, read_page
from gateway.api.core.problems import not_found
from gateway.api.core.query import Flag, Formed, Number
from gateway.api.core.responses import json_response
from gateway.api.core.schema import Hash, ResponseSpec, Time, Uuid
from gateway.api.v2.project_events import named_user
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.notification import State, stored_categories
from gateway.domain.project_event import event_id, place_of
from gateway.domain.times import rfc3339
from gateway.sending.plans import BroadcastPlan, decode_broadcast
from gateway.sending.recipients import audience_name
from gateway.sending.sent_list import SentEntry, SentFilter, SentList, SentPage
from gateway.sending.sent_report import SentReader, percent
from gateway.store.directory import Directory
from gateway.store.jobs import JobKind, JobStore
from gateway.store.project_events import FLUSH_SECONDS
from gateway.store.redis.problems import decoding

_JUST_SENT_MS = 2_000
_LATEST = 1 << 33

FILTERS = (
    Formed("category", "Only notifications of this category.", "at most 255 characters", r"[\s\S]{1,255}"),
    Formed(
        "user",
        "Only notifications that named this user: an id, `external_id:…` or `email:…`. It finds no broadcasts, and no "
        "requests to more than ten users.",
        "the id of a user, or `external_id:` or `email:` and a name",
        r"[\s\S]{1,300}",
    ),
    Flag("broadcast", "`true`: only broadcasts; `false`: only others."),
    Number("since", "Only those that were sent at or after this time, in unix seconds.", 0, 0, _LATEST),
    Number("until", "Only those that were sent before this time, in unix seconds.", _LATEST, 0, _LATEST),
)


class SentUser(msgspec.Struct):
    """A user, by its names. Both are null for a user who was deleted."""

    id: Uuid
    external_id: str | None
    email: str | None


class SentSummary(msgspec.Struct):
    """A notification that was sent.

    `title` is null if no recipient has it any more. `audience` is `user` for one recipient, `users` for several, and
    for a broadcast `everyone`, `condition`, `subscribers`, `users`, or `broadcast` if that is not known; `user` is the
    recipient where it is one. `recipients` are those that were named, or those that the broadcast has reached;
    `suppressed` those whom a rule or a preference kept it from. `read_percent` and `seen_percent` are exact where
    `sampled` is the number of recipients, otherwise estimates from as many; null if none has it. `status` is that of a
    broadcast.
    """

    id: Uuid
    sent_at: Time
    title: str | None
    category: str | None
    topic: str | None
    audience: str
    user: SentUser | None
    is_broadcast: bool
    status: str | None
    recipients: int
    stored: int
    suppressed: int
    sampled: int
    seen_percent: float | None
    read_percent: float | None


class SentSummaryList(msgspec.Struct):
    """A page of what was sent, newest first."""

    data: list[SentSummary]
    links: Links


class SentDetail(msgspec.Struct):
    """A notification with its content, and how many recipients have it in their inbox, have seen, read and archived it.

    The counts are exact for up to 300 recipients. Of more, they are estimates from `examined` random recipients, and
    wrong by more than `margin` recipients for one sample in 20. `notification` is null if no recipient has it any more.
    Of a broadcast, `progress_percent` is how much of the audience has been processed, and `failures` of how many
    recipients without success.
    """

    id: Uuid
    sent_at: Time | None
    audience: str
    is_broadcast: bool
    status: str | None
    progress_percent: float | None
    failures: int
    recipients: int
    in_inbox: int
    seen: int
    read: int
    archived: int
    examined: int
    is_exact: bool
    margin: int
    delivered_percent: float | None
    read_percent: float | None
    notification: Hash | None


class SentRecipient(msgspec.Struct):
    """A recipient, and the state of the notification in its inbox.

    `state` is `read`, `seen`, `unseen`, or `gone` if it is not in the inbox: it was kept out, deleted, or too old.
    """

    user: SentUser
    state: str
    seen_at: Time | None
    read_at: Time | None
    archived_at: Time | None


class SentRecipientList(msgspec.Struct):
    """A page of recipients, in the order of delivery."""

    total: int
    data: list[SentRecipient]
    links: Links


LISTED = ResponseSpec(200, "A page", SentSummaryList)
FOUND = ResponseSpec(200, "The notification", SentDetail)
RECIPIENTS = ResponseSpec(200, "A page", SentRecipientList)


@dataclass(frozen=True, slots=True)
class SentResource:
    """The operations on what was sent, with what they read."""

    sent: SentList
    reader: SentReader
    jobs: JobStore
    directory: Directory

    async def list_page(self, call: ProjectCall) -> Response:
        """Return a page of the notifications that the project has sent, newest first: one entry for each request.

        A notification is in the list within 100 ms, and as long as the log of the project's events keeps what tells of
        it (`INBOX_PROJECT_EVENTS`). `links` have the cursors of other pages. A page may be short, or even empty,
        although `links.next` is not null, because a page examines a bounded number of events and continues there.
        """
        query = call.query()
        page = read_page(query)
        user_id = await named_user(self.directory, call.project.id, query["user"])
        if query["user"] and user_id is None:
            found = SentPage([], None, None)
        else:
            after, before = (place_of(text)[0] if text else None for text in (page.after, page.before))
            found = await self.sent.page(call.project.id, page.size, _filter(query, user_id), after, before)
        newer, older = (event_id(place, 0) if place else None for place in (found.newer, found.older))
        path = call.forwarded.prefix + call.request.path
        fields = call.request.query_params.multi_items()
        data = await self._shown(call.project.id, found.entries)
        return json_response({"data": data, "links": links(path, fields, page.size, newer, older)})

    async def get(self, call: ProjectCall) -> Response:
        """Return a notification that the project has sent: its content, and what became of it.

        Users who have deleted it, and inboxes that were trimmed, do not count as `in_inbox`. Why one user has or has
        not got it is the answer of `GET /v2/users/{user}/notifications/{id}/trace`.
        """
        notification_id = call.uuid("notification_id", "Notification")
        project_id = call.project.id
        record = await self.jobs.read(JobKind.BROADCAST, project_id, str(notification_id))
        report, holders = await self.reader.report(project_id, notification_id)
        if not report.recipients and record is None and _is_new(notification_id):
            await asyncio.sleep(2 * FLUSH_SECONDS)  # its events may be on their way to the log
            report, holders = await self.reader.report(project_id, notification_id)
        if not report.recipients and record is None:
            raise not_found("Notification", "It was not sent in this project, or too long ago.")
        content = await self.reader.content(project_id, notification_id, holders)
        with decoding("a notification"):
            item = msgspec.json.decode(content) if content is not None else None
        sent_at = (item or {}).get("sent_at") or _sent_at(notification_id) or (record and record.created_ms // 1000)
        with decoding("a broadcast"):
            plan = decode_broadcast(record.payload) if record is not None else None
        named = "user" if report.recipients == 1 else "users"
        return json_response(
            {
                "id": str(notification_id),
                "sent_at": rfc3339(sent_at) if sent_at else None,
                "audience": audience_name(plan.recipients) if plan is not None else named,
                "is_broadcast": record is not None,
                "status": record and record.status,
                "progress_percent": await self._progress(project_id, str(notification_id), plan),
                "failures": record.counts["failures"] if record is not None else 0,
                **report._asdict(),
                "delivered_percent": percent(report.in_inbox, report.recipients),
                "read_percent": percent(report.read, report.in_inbox),
                "notification": item and {name: item[name] for name in _CONTENT if name in item},
            }
        )

    async def _progress(self, project_id: ProjectId, broadcast_id: str, plan: BroadcastPlan | None) -> float | None:
        if plan is None:
            return None
        (found,) = await self.jobs.statuses(JobKind.BROADCAST, project_id, [broadcast_id])
        if found is None or found.status == "processed":
            return 100.0
        return percent(min(found.place, plan.user_count), plan.user_count) or 0.0

    async def list_recipients(self, call: ProjectCall) -> Response:
        """Return a page of the recipients of a notification, each with what became of it.

        Of a broadcast they are the users whom it has reached so far, in the order in which they were.
        """
        notification_id = call.uuid("notification_id", "Notification")
        page = read_page(call.query())
        first = 0
        if page.after:
            first = (Cursor.parse(page.after).place or 0) + 1
        elif page.before:
            first = max(0, (Cursor.parse(page.before).place or 0) - page.size)
        total, found = await self.reader.page(call.project.id, notification_id, first, page.size)
        users = await self._users(call.project.id, [user_id for user_id, _ in found])
        older = f"{found[-1][0]}.{first + len(found) - 1}" if found and first + len(found) < total else None
        newer = f"{found[0][0]}.{first}" if found and first else None
        path = call.forwarded.prefix + call.request.path
        fields = call.request.query_params.multi_items()
        data = [_recipient(users[user_id], state) for user_id, state in found]
        return json_response({"total": total, "data": data, "links": links(path, fields, page.size, newer, older)})

    async def _shown(self, project_id: ProjectId, entries: Sequence[SentEntry]) -> list[Mapping[str, Any]]:
        users = await self._users(project_id, [each.user_id for each in entries if each.user_id is not None])
        return [
            {
                "id": each.id,
                "sent_at": rfc3339(each.place.ms // 1000),
                "title": each.title,
                "category": each.category or None,
                "topic": each.topic or None,
                "audience": each.audience,
                "user": users[each.user_id] if each.user_id is not None and each.audience == "user" else None,
                "is_broadcast": each.is_broadcast,
                "status": each.status,
                "recipients": each.recipients,
                "stored": each.stored,
                "suppressed": each.suppressed,
                "sampled": each.sampled,
                "seen_percent": percent(each.seen, each.sampled),
                "read_percent": percent(each.read, each.sampled),
            }
            for each in entries
        ]

    async def _users(self, project_id: ProjectId, user_ids: Sequence[UserId]) -> dict[UserId, Mapping[str, Any]]:
        ids = list(dict.fromkeys(user_ids))
        found = await asyncio.gather(*(self.directory.by_id(project_id, user_id) for user_id in ids))
        return {
            user_id: {
                "id": user_id,
                "external_id": user.external_id if user else None,
                "email": user.email if user else None,
            }
            for user_id, user in zip(ids, found, strict=True)
        }


_CONTENT = ("title", "content", "action_url", "category", "topic", "custom_attributes")


def _filter(query: Mapping[str, Any], user_id: UserId | None) -> SentFilter:
    category, since, until = query["category"], query["since"], query["until"]
    return SentFilter(
        category=stored_categories([category])[0] if category else None,
        user_id=user_id,
        is_broadcast=query["broadcast"],
        since_ms=since * 1000 if since else None,
        until_ms=until * 1000 if until != _LATEST else None,
    )


def _sent_at(notification_id: UUID) -> int | None:
    """Return the time in an id of version 7 (RFC 9562), in unix seconds."""
    return (notification_id.int >> 80) // 1000 if notification_id.version == 7 else None


def _is_new(notification_id: UUID) -> bool:
    return abs(time.time() * 1000 - (notification_id.int >> 80)) < _JUST_SENT_MS


def _recipient(user: Mapping[str, Any], state: State | None) -> Mapping[str, Any]:
    times = state or State()
    word = "gone" if state is None else "read" if times.read_at else "seen" if times.seen_at else "unseen"
    return {
        "user": user,
        "state": word,
        "seen_at": rfc3339(times.seen_at) if times.seen_at else None,
        "read_at": rfc3339(times.read_at) if times.read_at else None,
        "archived_at": rfc3339(times.archived_at) if times.archived_at else None,
    }


_R = SentResource

OPERATIONS: list[AnyOperation] = [
    Operation("GET", "/v2/sent", PROJECT, _R.list_page, "List what was sent", LISTED, query=FILTERS + PAGING),
    Operation("GET", "/v2/sent/{notification_id}", PROJECT, _R.get, "Fetch what was sent", FOUND),
    Operation(
        "GET",
        "/v2/sent/{notification_id}/recipients",
        PROJECT,
        _R.list_recipients,
        "List the recipients of a notification",
        RECIPIENTS,
        query=PLACED_PAGING,
    ),
]
