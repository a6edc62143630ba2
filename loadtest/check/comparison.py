"""The comparison after a fault: of the items of a user's devices, the list of the store, and acknowledged writes."""

import asyncio
from dataclasses import dataclass, field

from loadtest.check.devices import DeviceClient
from loadtest.check.observer import History, ReportViolation
from loadtest.check.replica import Message
from loadtest.check.rest import RefusedError, Rest
from loadtest.check.topologies import HEALED_SECONDS
from loadtest.check.violations import ViolationKind
from loadtest.check.write_journal import WriteJournal


@dataclass
class CheckedUser:
    """A user with the records for the comparison."""

    name: str
    journal: WriteJournal
    history: History
    devices: list[DeviceClient] = field(default_factory=list)


async def compare(rest: Rest, user: CheckedUser, report: ReportViolation, *, may_lose: bool) -> None:
    """Report every difference, and reset the user's journal to the list of the store.

    If `may_lose` is true, the fault may have lost acknowledged writes, and they are not reported.
    """
    try:
        async with asyncio.timeout(HEALED_SECONDS):
            listed, position = await rest.listed(user.name)
    except (RefusedError, TimeoutError) as problem:
        report(ViolationKind.INBOX_DIFFERS, user.name, f"it cannot be listed: {problem!r}")
        return
    for device in user.devices:
        replica = device.observer.replica
        if device.observer.position == position and replica is not None and replica.items != listed:
            detail = f"{_difference(replica.items, listed)} at {position}"
            report(ViolationKind.INBOX_DIFFERS, f"{user.name}/{device.transport}", detail)
    if not may_lose:
        _compare_writes(user, {item["id"] for item in listed}, report)
    user.journal.forget(listed)


def _difference(known: list[Message], listed: list[Message]) -> str:
    """Describe the first items that differ."""
    mine = {item["id"]: item for item in known}
    theirs = {item["id"]: item for item in listed}
    others = [name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name)]
    return f"{others[:3]}, the first is {mine.get(others[0])}" if others else "the order"


def _compare_writes(user: CheckedUser, listed: set[str], report: ReportViolation) -> None:
    journal, history = user.journal, user.history
    # A device that received a reset has not received every event.
    was_reset = any(device.observer.resets for device in user.devices)
    for write in sorted(journal.expected - history.writes.keys()):
        notification_id = journal.sent.get(write)
        if (notification_id is None and was_reset) or notification_id in listed | journal.deleted:
            continue
        report(ViolationKind.WRITE_LOST, user.name, f"{write} was acknowledged, and no event carries it")
    for write in sorted(journal.once & history.writes.keys()):
        if len(history.writes[write]) > 1:
            where = ", ".join(map(str, history.writes[write]))
            report(ViolationKind.WRITE_DOUBLED, user.name, f"{write} is at {where}")
    for write, notification_id in journal.sent.items():
        if notification_id not in listed | journal.deleted:
            report(ViolationKind.WRITE_LOST, user.name, f"{write} was acknowledged, and {notification_id} is missing")
