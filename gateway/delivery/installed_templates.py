"""The templates that users have installed, for projects that use templates."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

from gateway.channels.template_renderer import installed_names
from gateway.domain.delivery import Taken
from gateway.domain.guard import UserDeletedError
from gateway.domain.ids import UserId
from gateway.domain.preferences import Channel
from gateway.domain.principal import User
from gateway.store.installations import InstallationStore

InstalledTexts = Mapping[tuple[UserId, str], str]
"""The texts by user and category, "" for none."""


class InstalledTemplates:
    """Reads what users have installed. Methods raise StoreUnavailableError."""

    def __init__(self, installations: InstallationStore):
        self._installations = installations

    async def of_taken(self, taken: Sequence[Taken], channel: Channel | None) -> InstalledTexts:
        """Return the texts for the entries of some users on a channel. Users without one are left out."""
        if channel is None:
            return {}
        wanted = [
            (User(each.lane.project_id, each.user_id, None, None), category)
            for each in taken
            for category in {entry.category for entry in each.entries}
        ]
        found = await asyncio.gather(*(self._read(user, channel, category) for user, category in wanted))
        return {
            (user.id, category): text for (user, category), text in zip(wanted, found, strict=True) if text is not None
        }

    async def _read(self, user: User, channel: Channel, category: str) -> str | None:
        with contextlib.suppress(UserDeletedError):
            for name in installed_names(channel, category):
                if (found := await self._installations.read(user, name)) is not None:
                    return str(found.plain["text"])
        return None
