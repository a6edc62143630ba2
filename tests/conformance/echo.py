"""The gateway, except that its WebSockets echo messages: `python -m tests.conformance.echo serve`.

Only the handling of complete messages differs. Handshake, frames and close are those of the gateway.
"""

import sys
from collections.abc import Sequence

from websockets.frames import Frame

from gateway.cli import main
from gateway.live.websocket import WebSocketConnection
from gateway.server import worker_process

MODULE = "tests.conformance.echo"

ENVIRONMENT = {
    "INBOX_AUTHENTICATION_SECONDS": "3600",  # the suite sends no credentials
    "INBOX_MAX_MESSAGE_BYTES": str(32 * 1024 * 1024),
    "INBOX_MAX_MESSAGES_PER_MINUTE": "100000000",
    "INBOX_ACCESS_LOG": "false",
}
"""The settings that the suite needs: thousands of messages of up to 16 MB."""


def echo(connection: WebSocketConnection, frames: Sequence[Frame], now: float) -> None:
    """Send a message back."""
    data = b"".join([frame.data for frame in frames])
    connection.transport.write(Frame(frames[0].opcode, data).serialize(mask=False))


if __name__ == "__main__":
    WebSocketConnection.message_received = echo  # type: ignore[assignment, method-assign] # which is the purpose
    worker_process.WORKER_COMMAND[:] = [sys.executable, "-m", MODULE, "worker"]  # also for workers
    main()
