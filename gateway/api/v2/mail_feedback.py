"""Mails that bounced, and complaints about mails: nothing more is sent to these addresses."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.channels.mail_feedback import Feedback
from gateway.domain.delivery import Route, address_key
from gateway.domain.guard import UserDeletedError
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import User
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.store.directory import Directory
from gateway.store.outbox import OutboxStore
from gateway.store.project_events import ProjectEvents


@dataclass(frozen=True, slots=True)
class MailFeedback:
    """Applies what a mail service reports, with the stores that this uses."""

    directory: Directory
    outbox: OutboxStore
    events: ProjectEvents

    async def apply(self, project_id: ProjectId, reports: Sequence[Feedback]) -> None:
        """Suppress each reported address that a user of the project has. Repeating it changes nothing."""
        for report in reports:
            user = await self._user(project_id, report)
            if user is None or user.email is None:
                continue
            try:
                await self.outbox.suppress(user, Route.EMAIL, address_key(user.email), report.reason)
            except UserDeletedError:
                continue
            context = {"channel": "email", "reason": report.reason}
            await self.events.write(project_id, ProjectEvent(ProjectEventType.ADDRESS_SUPPRESSED, user.id, context))

    async def _user(self, project_id: ProjectId, report: Feedback) -> User | None:
        """Return the user who has the address now: the one of the tags, or the one whom the directory has for it."""
        email = report.email.strip().lower()
        if report.user_id:
            user = await self.directory.by_id(project_id, UserId(report.user_id))
            if user is not None and _ascii(user.email or "") == _ascii(email):
                return user
        return await self.directory.find(project_id, f"e:{email}")


def _ascii(address: str) -> str:
    """Return an address with its domain in ASCII, as mail services report it."""
    local, _, domain = address.lower().rpartition("@")
    try:
        return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        return address
