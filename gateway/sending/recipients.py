"""The recipients of a command: named users, who become deliveries, and the audience of all others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.domain.condition import Condition, Everyone
from gateway.domain.condition_reader import read_condition
from gateway.domain.ids import ProjectId, UserId
from gateway.sending.command import Recipient
from gateway.sending.errors import RecipientConflictError
from gateway.store.audience import AudienceStore
from gateway.store.deliveries import Delivery
from gateway.store.directory import Directory
from gateway.store.errors import IdentityConflictError


def conflict_message(root: str, index: int) -> str:
    """Return the error message for the recipient at `index` of a command. `root` names its body, "" if nothing does."""
    path = f"{root}.recipients[{index}]" if root else f"recipients[{index}]"
    return f"Param '{path}' has the external_id of one user and the email of another"


async def resolve_named(
    directory: Directory, project_id: ProjectId, recipients: Sequence[Recipient], *, is_accepted: bool = False
) -> list[Delivery]:
    """Return a delivery for each user that recipients name. Unknown users are created.

    A user who is named twice gets one delivery with all attributes. With `is_accepted`, a limit of users does not
    matter any more. Raises RecipientConflictError, and ApiError 403 for unknown users if the project is full.
    """
    try:
        identities = [recipient.identity for recipient in recipients]
        resolved = await directory.resolve_many(project_id, identities, is_accepted=is_accepted)
    except IdentityConflictError as conflict:
        raise RecipientConflictError(conflict.indexes) from None
    deliveries: dict[UserId, Delivery] = {}
    for (user, fresh), recipient in zip(resolved, recipients, strict=True):
        deliveries[user.id] = Delivery(user, recipient.attributes, fresh).after(deliveries.get(user.id))
    return list(deliveries.values())


async def find_named(
    users: AudienceStore, project_id: ProjectId, recipients: Sequence[Recipient]
) -> tuple[set[UserId], int]:
    """Return the known users whom recipients name, and how many users the other names are for. Creates none.

    A recipient who has the external id of one user and the email of another is left out.
    """
    named = [_names(recipient) for recipient in recipients if recipient.is_named]
    names = list(dict.fromkeys(name for each in named for name in each))
    ids = dict(zip(names, await users.find_ids(project_id, names), strict=True))
    known: set[UserId] = set()
    new: dict[str, object] = {}  # by name, one object for each user
    for each in named:
        found = {user_id for name in each if (user_id := ids[name]) is not None}
        if not found:
            user = next((new[name] for name in each if name in new), object())
            new.update(dict.fromkeys(each, user))
        elif len(found) == 1:
            known |= found
    return known, len(set(map(id, new.values())))


def _names(recipient: Recipient) -> list[str]:
    """Return the names of a recipient as the directory has them."""
    external_id, email = recipient.identity.external_id, recipient.identity.email
    return [name for name, text in ((f"x:{external_id}", external_id), (f"e:{email}", email)) if text]


def audience_name(recipients: Sequence[Recipient]) -> str:
    """Return whom recipients are: `everyone`, `condition`, `subscribers` or `users`. The first that applies counts."""
    conditions = [each.matches for each in recipients if each.matches is not None]
    if "*" in conditions:
        return "everyone"
    if conditions:
        return "condition"
    return "subscribers" if any(each.topic for each in recipients) else "users"


@dataclass(frozen=True, slots=True)
class Audience:
    """The recipients of a command besides the users that it names.

    They are the users who match one of the conditions and, with `subscribers`, the subscribers of the command's topic.
    """

    conditions: Sequence[Condition]
    subscribers: bool

    @classmethod
    def of(cls, recipients: Sequence[Recipient]) -> "Audience":
        """Return the audience of a command's recipients. Raises ConditionError."""
        conditions = [read_condition(recipient.matches) for recipient in recipients if recipient.matches is not None]
        everyone = [condition for condition in conditions if isinstance(condition, Everyone)]
        # "Everyone" makes any other condition, and the topic, redundant.
        return cls(everyone[:1] or conditions, not everyone and any(each.topic is not None for each in recipients))

    @property
    def is_everyone(self) -> bool:
        """Return whether the audience is every user."""
        return any(isinstance(condition, Everyone) for condition in self.conditions)

    def matches(self, attributes: Mapping[str, Any]) -> bool:
        """Return whether a user with these attributes matches one of the conditions."""
        return any(condition.matches(attributes) for condition in self.conditions)
