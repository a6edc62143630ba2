"""The immutable content of items, and how the content of a broadcast is stored once for all recipients.

An item with its own content has `{"id":"…","title":…` in its user's slot. An item of a broadcast has a reference
instead: `{"id":"…"` and a NUL, which JSON never contains, in place of the rest. The Lua functions treat a reference
like a content, so lists, log entries and published messages contain the NUL. Before a client receives any of them, the
worker process replaces the NUL with the rest of the content, which it reads from the content's own slot and caches.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from gateway.domain.ids import ProjectId
from gateway.domain.notification import UNCATEGORIZED, ItemId, read_item_id
from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import (
    Arguments,
    no_arguments,
    nothing,
    optional_bytes,
    reading_function,
    untouched,
    writing_function,
)

CACHE_BYTES = 32 * 1024 * 1024
"""How much content a worker process caches for its open inboxes and its jobs: thousands of usual broadcasts, or 8 of
the largest ones."""

CONTROL_CONTENT = "content"
"""The word of the control message that announces a content, followed by the project and the content's id."""

CONTENTS_PER_READ = 16
"""How many contents a page of events reads in one round trip, until its size is known."""

_NUL = b"\0"
_HEAD_BYTES = len('{"id":"00000000-0000-0000-0000-000000000000"')
_ID_PLACE = slice(len('{"id":"'), _HEAD_BYTES - 1)

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
        """Return the category's name in the store: "" for no category and for `uncategorized`."""
        return "" if self.category == UNCATEGORIZED else self.category


class Content(msgspec.Struct, frozen=True):
    """The immutable part of an item, encoded once for all recipients: a JSON object without its closing brace."""

    id: ItemId
    category: str
    topic: str
    encoded: bytes

    @classmethod
    def encode(cls, notification_id: str, fields: NotificationFields) -> "Content":
        """Return the encoded content: the id of the notification, which is a UUID in its usual form, then its fields.

        Raises ValueError for any other text.
        """
        encoded = b'{"id":"%b",%b' % (notification_id.encode(), _encode(fields)[1:-1])
        return cls(read_item_id(notification_id), fields.stored_category, fields.topic or "", encoded)

    @property
    def id_text(self) -> str:
        """Return the id as text."""
        return self.encoded[_ID_PLACE].decode()

    def as_reference(self) -> "Content":
        """Return the reference to this content, for recipients of a content that `ContentStore.put` has stored."""
        return Content(self.id, self.category, self.topic, self.encoded[:_HEAD_BYTES] + _NUL)


_LOST = Content.encode(str(UUID(int=0)), NotificationFields(title="")).encoded[_HEAD_BYTES:]
"""The replacement for the NUL of a reference to a content that is no longer stored."""


# ---- functions


def _put(rest: bytes) -> Arguments:
    return (rest,)


def _list(content_id: bytes) -> Arguments:
    return (content_id,)


def _unlist(content_ids: Sequence[bytes]) -> Arguments:
    return tuple(content_ids)


PUT_CONTENT = writing_function("put_content", "content", _put, nothing)
READ_CONTENT = reading_function("read_content", "content", no_arguments, optional_bytes)
DELETE_CONTENT = writing_function("delete_content", "content", no_arguments, nothing, frees_memory=True)
LIST_CONTENT = writing_function("list_content", "contents", _list, nothing)
LISTED_CONTENTS = reading_function("listed_contents", "contents", no_arguments, untouched)
UNLIST_CONTENTS = writing_function("unlist_contents", "contents", _unlist, nothing, frees_memory=True)


# ---- the store

_Read = asyncio.Future[dict[bytes, bytes | None]]


class ContentStore:
    """Contents that many items share, behind a cache. Methods raise StoreUnavailableError.

    A worker process shares one ContentStore between its open inboxes and its jobs. So the content of a broadcast that
    the process itself sends is already cached when its open inboxes need it. A content never changes, so the cache has
    no expiry, only a bound in bytes.
    """

    def __init__(self, client: FunctionClient, cache_bytes: int = CACHE_BYTES):
        self._client = client
        self._cache = _Cache(cache_bytes)
        self._reads: dict[bytes, _Read] = {}
        self._prefetches: set[asyncio.Task[Any]] = set()

    async def put(self, project_id: ProjectId, content: Content) -> None:
        """Store and cache a content, before any recipient gets `content.as_reference()`. May be repeated.

        It is announced to the other workers. So they cache it too, before they receive events that refer to it.
        """
        # The list is written first, because the deletion of the project finds contents only by the list.
        await self._client.call(LIST_CONTENT(keys.contents(project_id), content.id))
        key = keys.content(project_id, content.id_text)
        await self._client.call(PUT_CONTENT(key, content.encoded[_HEAD_BYTES:]))
        self.remember(content)
        message = f"{CONTROL_CONTENT} {project_id} {content.id_text}"
        await self._client.publish(keys.CONTROL, message.encode())

    def prefetch(self, project_id: ProjectId, content_id: str) -> None:
        """Read a content that was announced in the background, if it is not cached."""
        packed = content_id.encode()
        if packed in self._reads or self._cache.find(packed) is not None:
            return
        task = asyncio.create_task(self._read(project_id, [packed]), name="prefetch-content")
        self._prefetches.add(task)
        task.add_done_callback(self._prefetched)

    def _prefetched(self, task: asyncio.Task[Any]) -> None:
        self._prefetches.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as retrieved: the content is read again where it is needed

    def remember(self, content: Content) -> None:
        """Cache a stored content, because references to it are about to be published."""
        self._cache.add(content.encoded[_ID_PLACE], content.encoded[_HEAD_BYTES:])

    async def delete_all(self, project_id: ProjectId) -> None:
        """Delete every content of a project that is being deleted."""
        listed = keys.contents(project_id)
        while ids := await self._client.call(LISTED_CONTENTS(listed)):
            await self._client.call_many(
                [DELETE_CONTENT(keys.content(project_id, str(UUID(bytes=each)))) for each in ids]
            )
            await self._client.call(UNLIST_CONTENTS(listed, ids))

    def expand_cached(self, message: bytes) -> bytes | None:
        """Return a message with its contents in place of the NULs, or None if one of them is not cached."""
        parts = message.split(_NUL)
        for index in range(len(parts) - 1):
            rest = self._cache.find(_id_before(parts[index]))
            if rest is None:
                return None
            parts[index] += rest
        return b"".join(parts)

    async def expand(self, project_id: ProjectId, messages: Sequence[bytes]) -> Sequence[bytes]:
        """Return messages with their contents in place of the NULs. Contents not cached are read in one round trip."""
        if _NUL not in b"".join(messages):  # nearly always; one search is cheaper than one in each message
            return messages
        ids = _ids(messages)
        contents = await self._read(project_id, ids)
        return [_expanded(message, contents) for message in messages]

    async def whole(self, project_id: ProjectId, content_id: str) -> bytes | None:
        """Return a shared content as JSON, None if it is not stored."""
        found = await self._read(project_id, [content_id.encode()])
        rest = found[content_id.encode()]
        return b'{"id":"%b"%b}' % (content_id.encode(), rest) if rest is not None else None

    async def expand_page(self, project_id: ProjectId, messages: Sequence[bytes], max_bytes: int) -> list[bytes]:
        """Return the first messages as `expand` does, up to and including the one with which they reach `max_bytes`."""
        contents: dict[bytes, bytes | None] = {}
        page: list[bytes] = []
        size = 0
        for index, message in enumerate(messages):
            if size >= max_bytes:
                break
            if any(each not in contents for each in _ids([message])):
                missing = [each for each in _ids(messages[index:]) if each not in contents]
                contents |= await self._read(project_id, missing[:CONTENTS_PER_READ])
            page.append(_expanded(message, contents))
            size += len(page[-1])
        return page

    async def _read(self, project_id: ProjectId, content_ids: Sequence[bytes]) -> dict[bytes, bytes | None]:
        """Return the rest of each content (what follows its id) by content id, None for one that is not stored.

        Concurrent callers that need the same content share one read.
        """
        found: dict[bytes, bytes | None] = {}
        while missing := [each for each in content_ids if each not in found]:
            to_read: list[bytes] = []
            shared: list[_Read] = []
            for each in missing:
                if (rest := self._cache.find(each)) is not None:
                    found[each] = rest
                elif each in self._reads:
                    shared.append(self._reads[each])
                else:
                    to_read.append(each)
            if to_read:
                found |= await self._read_shared(project_id, to_read)
            for read in shared:
                found |= await asyncio.shield(read)
        return found

    async def _read_shared(self, project_id: ProjectId, content_ids: Sequence[bytes]) -> dict[bytes, bytes | None]:
        """Read contents, and complete the future on which other callers wait for them."""
        read: _Read = asyncio.get_running_loop().create_future()
        self._reads |= dict.fromkeys(content_ids, read)
        replies: dict[bytes, bytes | None] = {}
        try:
            calls = [READ_CONTENT(keys.content(project_id, each.decode("latin-1"))) for each in content_ids]
            replies = dict(zip(content_ids, await self._client.call_many(calls), strict=True))
        except Exception as problem:
            read.set_exception(problem)
            read.exception()  # marks it as retrieved, because there may be no other caller
            raise
        finally:
            for each in content_ids:
                del self._reads[each]
            if not read.done():
                read.set_result(
                    replies
                )  # nothing if this caller was cancelled: then each of the others reads for itself
        for each, rest in replies.items():
            if rest is not None:
                self._cache.add(each, rest)
        return replies


class _Cache:
    """The most recently used contents by id, up to a number of bytes."""

    def __init__(self, max_bytes: int):
        self._max_bytes = max_bytes
        self._contents: OrderedDict[bytes, bytes] = OrderedDict()
        self._bytes = 0

    def find(self, content_id: bytes) -> bytes | None:
        rest = self._contents.get(content_id)
        if rest is not None:
            self._contents.move_to_end(content_id)
        return rest

    def add(self, content_id: bytes, rest: bytes) -> None:
        if content_id in self._contents or len(rest) > self._max_bytes:
            return
        self._contents[content_id] = rest
        self._bytes += len(rest)
        while self._bytes > self._max_bytes:
            self._bytes -= len(self._contents.popitem(last=False)[1])


def _id_before(part: bytes) -> bytes:
    """Return the id that precedes a NUL: the 36 bytes in front of a quote."""
    return part[-37:-1]


def _ids(messages: Iterable[bytes]) -> list[bytes]:
    """Return the ids of the contents that messages refer to, each once, in order."""
    references = [message for message in messages if _NUL in message]  # few, so the search comes first
    return list(dict.fromkeys(_id_before(part) for message in references for part in message.split(_NUL)[:-1]))


def _expanded(message: bytes, contents: Mapping[bytes, bytes | None]) -> bytes:
    *heads, tail = message.split(_NUL)
    return b"".join([part for head in heads for part in (head, contents[_id_before(head)] or _LOST)] + [tail])
