"""Channel tokens as people see them: what tells them apart, and not what a provider accepts as proof."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from gateway.api.v2.channel_tokens import described
from gateway.channels.registry import TOKEN_KINDS
from gateway.domain.principal import User
from gateway.store.channel_tokens import ChannelTokenStore

TOKENS_OF_KIND = 200
"""How many tokens of a kind a user has at most: 100 live ones, and 100 that were discarded."""

_NAMES = frozenset(("id", "created_at", "updated_at", "discarded_at"))

_PLAIN = frozenset(("app_id", "installation_id", "channel_id", "scope"))
"""The fields that are no secrets."""

_SHOWN_CHARACTERS = 4


def redacted(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a token: of addresses only the host, of most other values only the end."""
    return {name: _redacted(name, value) for name, value in fields.items()}


def _redacted(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return redacted(value)
    if name in _PLAIN or not isinstance(value, str):
        return value
    if "://" in value:
        address = urlsplit(value)
        return f"{address.scheme}://{address.hostname}/…"
    return "…" + value[-_SHOWN_CHARACTERS:]


async def redacted_tokens(store: ChannelTokenStore, user: User) -> Sequence[Mapping[str, Any]]:
    """Return the channel tokens of all kinds of a user, those of each kind newest first."""
    found: list[Mapping[str, Any]] = []
    for kind in TOKEN_KINDS:
        page = await store.page(user, kind, TOKENS_OF_KIND, None, None, live_only=False)
        for token in page.tokens:
            entry = described(token)
            times = {name: entry[name] for name in _NAMES}
            found.append({"kind": kind.path, "title": kind.title, **times, "fields": redacted(token.record.fields)})
    return found
