"""The project events of channel tokens, for the operations of v1 and v2."""

from uuid import UUID

from gateway.channels.token_kind import TokenKind
from gateway.domain.ids import UserId
from gateway.domain.principal import User
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.store.channel_tokens import Registration
from gateway.store.project_events import ProjectEvents


async def write_registration(events: ProjectEvents, user: User, kind: TokenKind, done: Registration) -> None:
    """Write that a user has registered a token, and which tokens ended thereby."""
    for ended in done.ended:
        await write_discarded(events, user, ended.kind, ended.token_id, ended.reason.value, ended.user_id)
    context = {"kind": kind.path, "token_id": str(done.token.id)}
    await events.write(user.project_id, ProjectEvent(ProjectEventType.TOKEN_REGISTERED, user.id, context))


async def write_discarded(
    events: ProjectEvents, user: User, kind: TokenKind, token_id: UUID, reason: str, of_user: UserId | None = None
) -> None:
    """Write that a token ended: one of this user, or of another user of the same project."""
    context = {"kind": kind.path, "token_id": str(token_id), "reason": reason}
    event = ProjectEvent(ProjectEventType.TOKEN_DISCARDED, of_user or user.id, context)
    await events.write(user.project_id, event)
