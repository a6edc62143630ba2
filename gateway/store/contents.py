"""The immutable content of items, and where that of many recipients lies once.

An item with a content of its own has `{"id":"…","title":…` in its user's slot. One of a broadcast has a reference
there, `{"id":"…"` and a NUL in place of the rest, which JSON never has. Every function works in the user's slot as if
it were the content, so lists, log entries and published messages carry the NUL; before anybody sees it, the worker
puts the rest in its place, which it reads from the content's own slot and keeps.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from gateway.domain.notification import UNCATEGORIZED
from gateway.domain.principal import ProjectId
from gateway.store import keys
from gateway.store.redis.client import Call, FunctionClient

CACHE_BYTES = 32 * 1024 * 1024
"""How much content a worker keeps, for its open inboxes and its jobs together: thousands of usual broadcasts, or 8 of
the largest there are."""

CONTENTS_PER_READ = 16
"""How many contents a page of events reads in one go, before it looks whether it is full."""

_NUL = b"\0"
_HEAD_BYTES = len('{"id":"00000000-0000-0000-0000-000000000000"')

_encode = msgspec.json.encode


class NotificationFields(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a notification as inboxes show them, in the order in which they are encoded."""

    title: str
    content: str | None = None
    action_url: str | None = None
    category: str = ""
    topic: str | None = None
    custom_attributes: dict[str, Any] | None = None

    @property
    def stored_category(self) -> str:
        """The category's name in the store: "" without one, however that is spelt."""
        return "" if self.category == UNCATEGORIZED else self.category


@dataclass(frozen=True, slots=True)
class Content:
    """The immutable part of an item, encoded once for all recipients: a JSON object without its closing brace."""

    id: UUID
    category: str
    topic: str
    encoded: bytes

    @classmethod
    def encode(cls, notification_id: UUID, fields: NotificationFields) -> "Content":
        """Encode the fields of a notification, after its id."""
        encoded = b'{"id":"%b",%b' % (str(notification_id).encode(), _encode(fields)[1:-1])
        return cls(notification_id, fields.stored_category, fields.topic or "", encoded)

    def as_reference(self) -> "Content":
        """Give what recipients get in place of a content that `ContentStore.put` has stored."""
        return Content(self.id, self.category, self.topic, self.encoded[:_HEAD_BYTES] + _NUL)


_LOST = Content.encode(UUID(int=0), NotificationFields(title="")).encoded[_HEAD_BYTES:]
"""What is shown in place of a content that is gone."""

_Flight = asyncio.Future[dict[bytes, bytes | None]]


class ContentStore:
    """Contents that many items share, with a cache in front. Methods raise StoreUnavailableError.

    A content never changes, so the cache is never wrong; only its size is bounded.
    """

    def __init__(self, client: FunctionClient, cache_bytes: int = CACHE_BYTES):
        self._client = client
        self._cache_bytes = cache_bytes
        self._cached: OrderedDict[bytes, bytes] = OrderedDict()
        self._cached_bytes = 0
        self._flights: dict[bytes, _Flight] = {}

    async def put(self, project_id: ProjectId, content: Content) -> None:
        """Store a content for those who get `content.as_reference()`; before they do. May be repeated."""
        # The list first: what is stored can always be found again by who deletes the project.
        await self._client.call("list_content", keys.contents(project_id), content.id.bytes)
        await self._client.call("put_content", keys.content(project_id, str(content.id)), content.encoded[_HEAD_BYTES:])
        self.remember(content)

    def remember(self, content: Content) -> None:
        """Keep a stored content in the cache, because references to it are about to be published to this worker."""
        self._keep(str(content.id).encode(), content.encoded[_HEAD_BYTES:])

    async def delete_all(self, project_id: ProjectId) -> None:
        """Delete every content of a project that is deleted itself."""
        listed = keys.contents(project_id)
        while ids := await self._client.call("listed_contents", listed):
            await self._client.call_many(
                [("delete_content", keys.content(project_id, str(UUID(bytes=each))), ()) for each in ids]
            )
            await self._client.call("unlist_contents", listed, *ids)

    def expand_cached(self, message: bytes) -> bytes | None:
        """Put the content into a message that has a NUL; None when it is not at hand. Never waits."""
        parts = message.split(_NUL)
        for index in range(len(parts) - 1):
            rest = self._find(_id_before(parts[index]))
            if rest is None:
                return None
            parts[index] += rest
        return b"".join(parts)

    async def expand(self, project_id: ProjectId, messages: Sequence[bytes]) -> list[bytes]:
        """Put their contents into those of some messages that have a NUL; what is missing is read in one go."""
        contents = await self._read(project_id, _ids(messages))
        return [_expanded(message, contents) for message in messages]

    async def expand_page(self, project_id: ProjectId, messages: Sequence[bytes], max_bytes: int) -> list[bytes]:
        """As `expand`, but only so many from the first on that the last of them reaches `max_bytes`."""
        contents: dict[bytes, bytes | None] = {}
        page: list[bytes] = []
        size = 0
        for index, message in enumerate(messages):
            if size >= max_bytes:
                break
            if any(each not in contents for each in _ids([message])):
                unread = [each for each in _ids(messages[index:]) if each not in contents]
                contents |= await self._read(project_id, unread[:CONTENTS_PER_READ])
            page.append(_expanded(message, contents))
            size += len(page[-1])
        return page

    # -- inside

    def _find(self, content_id: bytes) -> bytes | None:
        rest = self._cached.get(content_id)
        if rest is not None:
            self._cached.move_to_end(content_id)
        return rest

    def _keep(self, content_id: bytes, rest: bytes) -> None:
        if content_id in self._cached or len(rest) > self._cache_bytes:
            return
        self._cached[content_id] = rest
        self._cached_bytes += len(rest)
        while self._cached_bytes > self._cache_bytes:
            self._cached_bytes -= len(self._cached.popitem(last=False)[1])

    async def _read(self, project_id: ProjectId, content_ids: Sequence[bytes]) -> dict[bytes, bytes | None]:
        """Give the rests of some contents, None for those that are gone. Who needs the same waits for one read."""
        found: dict[bytes, bytes | None] = {}
        while missing := [each for each in content_ids if each not in found]:
            unread: list[bytes] = []
            flights: list[_Flight] = []
            for each in missing:
                rest = self._find(each)
                if rest is not None:
                    found[each] = rest
                elif each in self._flights:
                    flights.append(self._flights[each])
                else:
                    unread.append(each)
            if unread:
                found |= await self._fly(project_id, unread)
            for flight in flights:
                found |= await asyncio.shield(flight)
        return found

    async def _fly(self, project_id: ProjectId, content_ids: Sequence[bytes]) -> dict[bytes, bytes | None]:
        flight: _Flight = asyncio.get_running_loop().create_future()
        self._flights |= dict.fromkeys(content_ids, flight)
        try:
            calls: list[Call] = [
                ("read_content", keys.content(project_id, each.decode("latin-1")), ()) for each in content_ids
            ]
            answers = dict(zip(content_ids, await self._client.call_many(calls), strict=True))
        except Exception as problem:
            flight.set_exception(problem)
            flight.exception()  # it may be that nobody waits
            raise
        finally:
            for each in content_ids:
                del self._flights[each]
            if not flight.done():
                flight.set_result({})  # cancelled: who waits reads for itself
        for each, rest in answers.items():
            if rest is not None:
                self._keep(each, rest)
        return answers


def _id_before(part: bytes) -> bytes:
    """Give the id that a NUL stands behind: its 36 bytes and a quote."""
    return part[-37:-1]


def _ids(messages: Iterable[bytes]) -> list[bytes]:
    """Give the ids of the contents that messages lack, each once, in order."""
    return list(dict.fromkeys(_id_before(part) for message in messages for part in message.split(_NUL)[:-1]))


def _expanded(message: bytes, contents: Mapping[bytes, bytes | None]) -> bytes:
    *heads, tail = message.split(_NUL)
    return b"".join([part for head in heads for part in (head, contents[_id_before(head)] or _LOST)] + [tail])
