"""Which events sending has: of their own for few users, and one with their number for many."""

from collections.abc import Sequence
from uuid import uuid4

import pytest

from gateway.domain.principal import User
from gateway.domain.project_event import ProjectEventType
from gateway.sending.command import Recipient, SendCommand
from gateway.sending.events import OWN_EVENTS, SendEvents
from gateway.store.deliveries import Outcome
from gateway.store.project_event_log import EventRetention, ProjectEventLog
from gateway.store.project_events import ProjectEvents
from tests.store.conftest import InspectedClient, new_user

ID = str(uuid4())
C, M, D = Outcome.CREATED, Outcome.MUTED, Outcome.DUPLICATE


class Noted:
    """The events of a project."""

    def __init__(self, client: InspectedClient):
        self._log = ProjectEventLog(client, EventRetention(100, 100))
        self._events = ProjectEvents(self._log)
        self.sending = SendEvents(self._events)
        self.user = new_user()

    async def all(self) -> list[tuple[str, bool, str]]:
        """Return the type of each event, whether it is about one user, and its context."""
        await self._events.flush()
        found = (await self._log.read(self.user.project_id, ProjectEventType, 50)).events
        return [(each.type.label, each.user_id is not None, each.context.decode()) for each in found[::-1] if each.type]


@pytest.fixture
def noted(client: InspectedClient) -> Noted:
    return Noted(client)


async def test_the_outcome_for_one_user_is_an_event_unless_it_is_a_repetition(noted: Noted) -> None:
    for outcome in (C, M, D):
        noted.sending.outcome(noted.user, ID, outcome)
    assert await noted.all() == [
        ("notification.stored", True, f'{{"notification_id":"{ID}"}}'),
        ("notification.suppressed", True, f'{{"notification_id":"{ID}","rule":"preference"}}'),
    ]


@pytest.mark.parametrize(("stored", "muted"), [(2, 1), (OWN_EVENTS, 0), (OWN_EVENTS + 1, OWN_EVENTS + 2)])
async def test_many_users_have_one_event_with_their_number(noted: Noted, stored: int, muted: int) -> None:
    users: Sequence[User] = [noted.user] * (stored + muted)
    noted.sending.outcomes(users, "n", [C] * stored + [M] * muted)
    found = await noted.all()
    assert len(found) == (stored if stored <= OWN_EVENTS else 1) + (muted if muted <= OWN_EVENTS else 1)
    if stored > OWN_EVENTS:
        assert found == [
            ("notification.stored", False, f'{{"notification_id":"n","count":{stored}}}'),
            ("notification.suppressed", False, f'{{"notification_id":"n","rule":"preference","count":{muted}}}'),
        ]


async def test_requests_to_several_users_and_broadcasts_are_events(noted: Noted) -> None:
    command = SendCommand(title="t", category="c", recipients=[Recipient(matches={"a": 1})] * 3)
    noted.sending.sent_to_many(noted.user.project_id, "n", command, 2, 1)
    noted.sending.enqueued(noted.user.project_id, "b", command)
    counts, about = '"stored":2,"suppressed":1', '"audience":"condition","recipients":3,"category":"c"'
    assert await noted.all() == [
        ("notification.accepted", False, f'{{"notification_id":"n","recipients":3,{counts},"category":"c"}}'),
        ("broadcast.changed", False, f'{{"broadcast_id":"b","status":"enqueued",{about}}}'),
    ]
