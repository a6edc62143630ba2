"""The export of a user: everything that is stored about one person, as one JSON document that is sent in parts."""

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from starlette.responses import Response, StreamingResponse

from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import AnyOperation, Operation
from gateway.api.core.responses import encode
from gateway.api.core.schema import Hash, ResponseSpec, Time, Uuid
from gateway.api.v1.identity import find_user
from gateway.api.v2.project_events import shown as shown_event
from gateway.api.v2.redacted_tokens import redacted_tokens
from gateway.api.v2.user_summary import RedactedToken
from gateway.domain.notification import Filter
from gateway.domain.preferences import Channel, slug_of
from gateway.domain.principal import User
from gateway.domain.project_event import EventPlace, ProjectEventType
from gateway.domain.times import rfc3339
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.directory import Directory
from gateway.store.installations import InstallationStore
from gateway.store.item_pages import ItemCursor, ItemPages
from gateway.store.preferences import PreferenceStore
from gateway.store.project_event_log import ProjectEventLog
from gateway.store.subscriptions import MAX_TOPICS, SubscriptionStore, decode_subscriptions
from gateway.store.tokens import TokenStore
from gateway.store.user_pages import UserPages

_PAGE_ITEMS = 50
_PAGE_TOKENS = 100
_PAGE_EVENTS = 200


class UserExport(msgspec.Struct):
    """What is stored about a user.

    `preferences` has the channels of each category that the user has switched, and `subscriptions` the topics.
    `channel_tokens` and `installations` are redacted, and of `tokens` (JWTs) only the descriptions are stored.
    `notifications` is the inbox with its archive, newest first, in the form of `GET /notifications`. `events` are those
    of the project's log that concern the user, newest first.
    """

    exported_at: Time
    user: Hash
    preferences: Hash
    subscriptions: list[Hash]
    channel_tokens: list[RedactedToken]
    tokens: list[Hash]
    installations: Hash
    notifications: list[Hash]
    events: list[Hash]


EXPORT = ResponseSpec(200, "The document", UserExport)


class _Id(msgspec.Struct):
    id: Uuid


_decode_id = msgspec.json.Decoder(_Id).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class UserExportResource:
    """The operation that exports a user, with the stores that it reads."""

    directory: Directory
    users: UserPages
    preferences: PreferenceStore
    subscriptions: SubscriptionStore
    channel_tokens: ChannelTokenStore
    tokens: TokenStore
    installations: InstallationStore
    items: ItemPages
    log: ProjectEventLog

    async def get(self, call: ProjectCall) -> Response:
        """Return everything that is stored about a user as one JSON document, to answer a request for access to it.

        The path names the user by id, or as `external_id:…` or `email:…`. The document is sent in parts, and read from
        the store as the client takes it. If it cannot be completed, the connection is closed before its end. Secrets
        and the values of channel tokens are redacted.
        """
        user = await find_user(self.directory, call.project.id, call.text("user"))
        headers = {"content-disposition": f'attachment; filename="user-{user.id}.json"'}
        return StreamingResponse(self.document(user), headers=headers, media_type="application/json")

    async def document(self, user: User) -> AsyncIterator[bytes]:
        """Yield the document in parts. Raises StoreUnavailableError."""
        yield b'{"exported_at":' + encode(rfc3339(int(time.time())))
        yield b',"user":' + encode(await self._user(user))
        yield b',"preferences":' + encode(await self._preferences(user))
        yield b',"subscriptions":' + encode(await self._subscriptions(user))
        yield b',"channel_tokens":' + encode(await redacted_tokens(self.channel_tokens, user))
        async for part in _array("tokens", self._tokens(user)):
            yield part
        installed = await self.installations.read_all(user)
        yield b',"installations":' + encode({name: each.shown for name, each in installed.items()})
        for name, parts in (("notifications", self._notifications(user)), ("events", self._events(user))):
            async for part in _array(name, parts):
                yield part
        yield b"}"

    async def _user(self, user: User) -> Mapping[str, Any]:
        (summary,) = await self.users.summaries([user])
        times = {name: getattr(summary, name) for name in ("created_at", "last_seen_at", "last_notified_at")}
        return {
            "id": user.id,
            "external_id": user.external_id,
            "email": user.email,
            **summary.attributes,
            **{name: rfc3339(unix) if unix is not None else None for name, unix in times.items()},
        }

    async def _preferences(self, user: User) -> Mapping[str, Mapping[str, bool]]:
        return {
            slug_of(category): {channel.value: preference.allows(channel) for channel in Channel}
            for category, preference in (await self.preferences.read(user)).items()
        }

    async def _subscriptions(self, user: User) -> list[Mapping[str, Any]]:
        return [
            {
                "topic": topic.decode(errors="replace"),
                "categories": [
                    {"slug": slug_of(category), "status": each.status.value, "reason": each.reason or None}
                    for category, each in decode_subscriptions(packed).items()
                ],
            }
            for topic, packed in (await self.subscriptions.list_page(user, 1, MAX_TOPICS)).topics
        ]

    async def _tokens(self, user: User) -> AsyncIterator[list[bytes]]:
        after = None
        while True:
            page = await self.tokens.page(user, _PAGE_TOKENS, after, None, int(time.time()))
            yield [encode(each._asdict()) for each in page.tokens]
            if not page.has_older:
                return
            after = page.tokens[-1].id

    async def _notifications(self, user: User) -> AsyncIterator[list[bytes]]:
        after: ItemCursor | None = None
        while (page := await self.items.page(user, Filter(), _PAGE_ITEMS, after)) is not None:
            yield list(page.items)
            if page.older is None:
                return
            after = ItemCursor(UUID(_decode_id(page.items[-1]).id), page.older)

    async def _events(self, user: User) -> AsyncIterator[list[bytes]]:
        place: EventPlace | None = None
        while True:
            page = await self.log.read(
                user.project_id, ProjectEventType, _PAGE_EVENTS, user_id=user.id, older_than=place
            )
            yield [encode(shown_event(each)) for each in page.events]
            if not page.more:
                return
            place = page.scanned or page.events[-1].place


async def _array(name: str, portions: AsyncIterator[list[bytes]]) -> AsyncIterator[bytes]:
    """Yield a field of the document whose value is an array, given portions of the encoded entries."""
    separator = b""
    yield b',"%b":[' % name.encode()
    async for entries in portions:
        if entries:
            yield separator + b",".join(entries)
            separator = b","
    yield b"]"


OPERATIONS: list[AnyOperation] = [
    Operation(
        "GET",
        "/v2/users/{user}/export",
        PROJECT,
        UserExportResource.get,
        "Export a user",
        EXPORT,
        streams=True,
        audited=True,
    )
]
