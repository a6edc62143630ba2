"""The limits on new users whose names are not proven.

In a project with HMAC disabled any client can name any user, and each unknown name creates one.
"""

from typing import NamedTuple


class NewUserLimits(NamedTuple):
    """How many unproven users may be created in an hour, and as many in a burst; 0 is no limit.

    `per_address` is the limit for one client network (`gateway.domain.address.client_network`).
    """

    per_project: int
    per_address: int

    @property
    def limited(self) -> bool:
        """Return whether there is any limit."""
        return bool(self.per_project or self.per_address)
