"""The request that opened a live connection, until its access log line is written."""

import time
from typing import NamedTuple

from gateway.domain.principal import User
from gateway.live.handshake import Handshake
from gateway.telemetry.logs import log

CLIENT_CLOSED_REQUEST = 499
"""The status that is logged for a client that disconnected before the response, as nginx does."""


class Opening(NamedTuple):
    """The opening request of a connection. `began` is monotonic seconds; `client` is the client's address, or ""."""

    request_id: str
    client: str
    began: float

    @classmethod
    def of(cls, handshake: Handshake) -> "Opening":
        """Return the opening of a connection whose handshake was just read."""
        return cls(handshake.request_id, handshake.client, time.monotonic())

    def log(self, path: str, status: int, user: User | None, connection_id: str) -> None:
        """Write the access log line of the request, with the status of its response."""
        log.request(
            "GET",
            path,
            status,
            (time.monotonic() - self.began) * 1000,
            self.request_id,
            user.project_id if user else "",
            user.id if user else "",
            connection_id,
            self.client,
        )
