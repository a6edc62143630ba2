"""The audit log: what people, scripts and commands changed, in a stream for all, and in one for each project.

It is only ever appended to. The oldest entries are removed by count and by age.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.domain.ids import ProjectId
from gateway.store import keys
from gateway.store.redis.client import FunctionClient

SCANNED = 2000
"""How many entries a page with filters reads at most. Then it ends, and its cursor continues."""

READ_AT_ONCE = 200


class AuditRetention(NamedTuple):
    """How many entries are kept, and for how many seconds. 0 is any number, and any age."""

    entries: int
    seconds: int


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change, or an attempt at one. It has no secrets."""

    actor: str
    """The email of an admin, or what else acted, such as "API secret" or "command line"."""
    via: str
    """How the actor proved it: session, token, api_secret, project_token, workspace_token, command_line."""
    action: str
    """The operation id of the OpenAPI document, or the name of a command."""
    summary: str = ""
    outcome: str = "done"
    """done, refused or failed."""
    admin_id: str = ""
    session_id: str = ""
    address: str = ""
    project_id: str = ""
    target: Mapping[str, str] = {}
    """The parameters of the path."""
    changed: Sequence[str] = ()
    """The names of the fields that were sent. Their values may be secrets."""
    detail: Mapping[str, Any] = {}
    """Further facts that the operation noted."""
    error: str = ""


class StoredEntry(NamedTuple):
    """An entry, with its id, which is also its place, and its time in unix ms."""

    id: str
    at_ms: int
    entry: AuditEntry


class AuditPage(NamedTuple):
    """Some entries, newest first, and the place after which older ones follow, "" if there are none."""

    entries: list[StoredEntry]
    next: str


class AuditLog:
    """The audit log. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient, retention: AuditRetention, unix: Callable[[], float] = time.time):
        self._client = client
        self._retention = retention
        self._unix = unix

    async def append(self, entry: AuditEntry) -> None:
        """Append an entry."""
        encoded = msgspec.json.encode(entry)
        await self._append(keys.audit(), encoded)
        if entry.project_id:
            await self._append(keys.project_audit(ProjectId(entry.project_id)), encoded)

    async def _append(self, key: str, encoded: bytes) -> None:
        count, seconds = self._retention
        bound = ("MAXLEN", "~", count) if count else ()
        commands: list[tuple[Any, ...]] = [("XADD", key, *bound, "*", "e", encoded)]
        if seconds:
            oldest_ms = int((self._unix() - seconds) * 1000)
            commands += [("XTRIM", key, "MINID", "~", max(0, oldest_ms)), ("EXPIRE", key, seconds)]
        await self._client.commands(*commands)

    async def page(
        self, project_id: ProjectId | None, limit: int, after: str = "", *, actor: str = "", action: str = ""
    ) -> AuditPage:
        """Return entries older than the one with the id `after`, newest first, all of an actor and an action."""
        key = keys.audit() if project_id is None else keys.project_audit(project_id)
        found: list[StoredEntry] = []
        place, scanned, is_filtered = after, 0, bool(actor or action)
        while scanned < SCANNED:
            wanted = READ_AT_ONCE if is_filtered else limit + 1
            raw = await self._client.command("XREVRANGE", key, f"({place}" if place else "+", "-", "COUNT", wanted)
            for each in raw:
                entry = _decoded(each)
                if (not actor or entry.entry.actor == actor) and (not action or entry.entry.action == action):
                    if len(found) == limit:
                        return AuditPage(found, found[-1].id)
                    found.append(entry)
                place = entry.id
            scanned += len(raw)
            if len(raw) < wanted:
                return AuditPage(found, "")
        return AuditPage(found, place)


def _decoded(raw: Sequence[Any]) -> StoredEntry:
    entry_id = raw[0].decode()
    try:
        entry = msgspec.json.decode(raw[1][1], type=AuditEntry)
    except msgspec.DecodeError:
        entry = AuditEntry(actor="", via="", action="unreadable")
    return StoredEntry(entry_id, int(entry_id.partition("-")[0]), entry)
