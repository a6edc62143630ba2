"""The audit log: appended, bounded, and read by project, actor and action."""

import pytest

from gateway.domain.ids import ProjectId
from gateway.store import audit_log as module
from gateway.store import keys
from gateway.store.audit_log import AuditEntry, AuditLog, AuditRetention
from tests.store.conftest import InspectedClient

PROJECT = ProjectId("7")


@pytest.fixture
async def empty(client: InspectedClient) -> InspectedClient:
    for key in await client.redis.keys(f"{keys.ADMINS}:audit*"):
        await client.redis.unlink(key)
    return client


def entry(actor: str, action: str = "post_users", project: str = "") -> AuditEntry:
    """Return an entry."""
    return AuditEntry(actor=actor, via="session", action=action, project_id=project, changed=["name"])


async def test_pages_are_read_newest_first_with_filters(
    empty: InspectedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = AuditLog(empty, AuditRetention(1000, 1000))
    for number in range(5):
        await log.append(entry("ada" if number % 2 else "grace", f"action_{number}", "7" if number > 2 else ""))
    first = await log.page(None, 2)
    assert [each.entry.action for each in first.entries] == ["action_4", "action_3"]
    second = await log.page(None, 3, first.next)
    assert [each.entry.action for each in second.entries] == ["action_2", "action_1", "action_0"]
    assert second.next == ""
    assert [each.entry.action for each in (await log.page(PROJECT, 10)).entries] == ["action_4", "action_3"]
    assert [each.entry.action for each in (await log.page(None, 10, actor="ada")).entries] == ["action_3", "action_1"]
    monkeypatch.setattr(module, "READ_AT_ONCE", 1)
    monkeypatch.setattr(module, "SCANNED", 2)
    part = await log.page(None, 10, action="action_1")
    assert (part.entries, bool(part.next)) == ([], True), "a page reads a bounded number of entries"
    rest = await log.page(None, 10, part.next, action="action_1")
    assert [each.entry.actor for each in rest.entries] == ["ada"]


async def test_the_log_is_bounded_by_count_and_age(empty: InspectedClient) -> None:
    log = AuditLog(empty, AuditRetention(100, 1000))
    for number in range(350):
        await log.append(entry(str(number), project="7"))
    assert 100 <= await empty.redis.xlen(keys.audit()) <= 200
    assert 0 < await empty.redis.ttl(keys.project_audit(PROJECT)) <= 1000
    for_ever = AuditLog(empty, AuditRetention(0, 0))
    await for_ever.append(entry("ada"))
    await empty.redis.xadd(keys.audit(), {"e": "no JSON"})
    assert (await for_ever.page(None, 1)).entries[0].entry.action == "unreadable"
