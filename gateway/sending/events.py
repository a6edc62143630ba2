"""The project events of sending: what was accepted, what is in an inbox, and what a rule keeps out.

Users have events of their own only if a step concerns few of them. A step with more has one event with their number, so
that a broadcast to 100,000 users has hundreds of events and not 100,000. A request to one user has only its outcome,
because each event costs the gateway 0.5 µs, packed at once and appended with others (measured).
"""

from collections.abc import Sequence

from gateway.domain.ids import ProjectId
from gateway.domain.principal import User
from gateway.domain.project_event import ContextValue, ProjectEvent, ProjectEventType
from gateway.sending.command import SendCommand
from gateway.sending.recipients import audience_name
from gateway.store.deliveries import Outcome
from gateway.store.project_event_log import user_event_packer
from gateway.store.project_events import ProjectEvents

OWN_EVENTS = 10
"""The most users of a step who have events of their own."""

_PREFERENCE = "preference"
"""The rule of users whose preferences or subscriptions exclude a notification."""

_accepted, _stored, _suppressed = ProjectEventType.ACCEPTED, ProjectEventType.STORED, ProjectEventType.SUPPRESSED
_CREATED, _MUTED = Outcome.CREATED, Outcome.MUTED
_pack_stored = user_event_packer(_stored, "notification_id")


class SendEvents:
    """Notes the events of sending. Never waits."""

    def __init__(self, events: ProjectEvents):
        self._events = events
        self._usage = events.usage

    def accepted(self, project_id: ProjectId) -> None:
        """Count a request that was accepted."""
        self._usage.accepted(project_id)

    def sent_to_many(
        self, project_id: ProjectId, notification_id: str, command: SendCommand, stored: int, suppressed: int
    ) -> None:
        """Note that a request with several recipients was accepted, and what became of it."""
        context: dict[str, ContextValue] = {
            "notification_id": notification_id,
            "recipients": len(command.recipients),
            "stored": stored,
            "suppressed": suppressed,
            "category": command.category or None,
            "topic": command.topic or None,
        }
        self._events.note(project_id, ProjectEvent(_accepted, None, context))

    def enqueued(self, project_id: ProjectId, broadcast_id: str, command: SendCommand) -> None:
        """Note that a broadcast was enqueued."""
        self._usage.broadcast(project_id)
        context: dict[str, ContextValue] = {
            "broadcast_id": broadcast_id,
            "status": "enqueued",
            "audience": audience_name(command.recipients),
            "recipients": len(command.recipients),
            "category": command.category or None,
            "topic": command.topic or None,
        }
        self._events.note(project_id, ProjectEvent(ProjectEventType.BROADCAST_CHANGED, None, context))

    def outcome(self, user: User, notification_id: str, outcome: Outcome, category: str = "", topic: str = "") -> None:
        """Note the outcome of a delivery to one user. A repeated delivery has none."""
        if outcome is _CREATED:
            self._usage.stored(user.project_id)
            self._events.note_packed(user.project_id, _pack_stored(user.id, notification_id))
        elif outcome is _MUTED:
            self.suppressed([user], notification_id, _PREFERENCE, category, topic)

    def outcomes(
        self,
        users: Sequence[User],
        notification_id: str,
        outcomes: Sequence[Outcome],
        category: str = "",
        topic: str = "",
        *,
        of_many: bool = False,
    ) -> None:
        """Note the outcomes of a delivery to some users of a project."""
        stored = [user for user, outcome in zip(users, outcomes, strict=True) if outcome is Outcome.CREATED]
        if stored:
            self._usage.stored(users[0].project_id, len(stored))
        self._note(_stored, stored, {"notification_id": notification_id}, of_many)
        self.muted(users, notification_id, outcomes, category, topic, of_many=of_many)

    def muted(
        self,
        users: Sequence[User],
        notification_id: str,
        outcomes: Sequence[Outcome],
        category: str = "",
        topic: str = "",
        *,
        of_many: bool = False,
    ) -> None:
        """Note only the users whom their preferences exclude."""
        muted = [user for user, outcome in zip(users, outcomes, strict=True) if outcome is Outcome.MUTED]
        self.suppressed(muted, notification_id, _PREFERENCE, category, topic, of_many=of_many)

    def suppressed(
        self,
        users: Sequence[User],
        notification_id: str,
        rule: str,
        category: str = "",
        topic: str = "",
        *,
        of_many: bool = False,
    ) -> None:
        """Note users from whom a rule keeps a notification. `of_many`: whether there may be other recipients.

        Of a notification that never became an item, category and topic are in this event alone.
        """
        context: dict[str, ContextValue] = {
            "notification_id": notification_id,
            "rule": rule,
            "category": category or None,
            "topic": topic or None,
        }
        self._note(_suppressed, users, context, of_many)

    def _note(
        self, kind: ProjectEventType, users: Sequence[User], context: dict[str, ContextValue], of_many: bool = False
    ) -> None:
        if of_many and users:
            context["of_many"] = True
        if kind is _suppressed and users:
            self._usage.suppressed(users[0].project_id, len(users))
        if len(users) > OWN_EVENTS:
            self._events.note(users[0].project_id, ProjectEvent(kind, None, {**context, "count": len(users)}))
        else:
            for user in users:
                self._events.note(user.project_id, ProjectEvent(kind, user.id, context))
