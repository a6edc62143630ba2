"""The summary of a user: what an administrator wants to know at a glance, in one request."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import Response

from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import AnyOperation, Operation
from gateway.api.core.responses import json_response
from gateway.api.core.schema import Hash, ResponseSpec, Time, Uuid
from gateway.api.v1.identity import find_user, user_not_found
from gateway.api.v2.redacted_tokens import redacted_tokens
from gateway.domain.guard import UserDeletedError
from gateway.domain.notification import Filter
from gateway.domain.preferences import Channel
from gateway.domain.principal import User
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.directory import Directory
from gateway.store.inbox import InboxStore
from gateway.store.item_pages import ItemPages
from gateway.store.outbox import OutboxStore
from gateway.store.profiles import ProfileStore


class InboxCounts(msgspec.Struct):
    """How many notifications the user has: `total` includes the archived ones, `unread` and `unseen` do not."""

    total: int
    unread: int
    unseen: int
    archived: int


class RedactedToken(msgspec.Struct):
    """A channel token of any kind. In `fields`, addresses are cut to their host and other values to their end."""

    kind: str
    title: str
    id: Uuid
    fields: Hash
    created_at: Time
    updated_at: Time | None
    discarded_at: Time | None


class SuppressedAddress(msgspec.Struct):
    """A channel on which an address of the user gets nothing more, and why: `bounced`, `complaint`, …"""

    channel: str
    reason: str


class UserSummaryAnswer(msgspec.Struct):
    """The counts of the inbox, the channel tokens, and the suppressed addresses of a user."""

    notifications: InboxCounts
    channel_tokens: list[RedactedToken]
    suppressed: list[SuppressedAddress]


SUMMARY = ResponseSpec(200, "The summary", UserSummaryAnswer)


@dataclass(frozen=True, slots=True)
class UserSummaryResource:
    """The operation on the summary of a user, with the stores that it uses."""

    directory: Directory
    inboxes: InboxStore
    pages: ItemPages
    tokens: ChannelTokenStore
    outbox: OutboxStore
    profiles: ProfileStore

    async def get(self, call: ProjectCall) -> Response:
        """Return what is to be known of a user at a glance: counts, channel tokens, and suppressed addresses.

        The path names the user by id, or as `external_id:…` or `email:…`. Channel tokens of all kinds are listed, with
        those that were discarded. Their values are redacted; `/v2/users/{user_id}/channels/…` has them in full.
        """
        user = await find_user(self.directory, call.project.id, call.text("user"))
        try:
            counts, tokens, suppressed = await asyncio.gather(
                self._counts(user), redacted_tokens(self.tokens, user), self._suppressed(user)
            )
        except UserDeletedError:
            raise user_not_found() from None
        return json_response({"notifications": counts, "channel_tokens": tokens, "suppressed": suppressed})

    async def _counts(self, user: User) -> InboxCounts:
        present, archived = await asyncio.gather(
            self.inboxes.list_page(user, Filter(archived=False), 1, 1),
            self.pages.count(user, Filter(archived=True)),
        )
        return InboxCounts(present.total + archived, present.unread, present.unseen, archived)

    async def _suppressed(self, user: User) -> Sequence[Mapping[str, Any]]:
        (profile,) = await self.profiles.read_many([user])
        addresses = [(Channel.EMAIL, user.email)] if user.email else []
        addresses += [(Channel.SMS, number) for number in profile["phone_numbers"] or ()]
        reasons = await self.outbox.suppressed(user, [address for _, address in addresses])
        found = [(channel.value, reason) for (channel, _), reason in zip(addresses, reasons, strict=True) if reason]
        return [{"channel": channel, "reason": reason} for channel, reason in dict.fromkeys(found)]


OPERATIONS: list[AnyOperation] = [
    Operation(
        "GET", "/v2/users/{user}/summary", PROJECT, UserSummaryResource.get, "Fetch the summary of a user", SUMMARY
    )
]
