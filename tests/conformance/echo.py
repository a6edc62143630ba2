"""The gateway, except that its WebSockets say what they hear: `python -m tests.conformance.echo serve`.

Nothing below a whole message is touched: the handshake, the frames and the close are those of an open inbox.
"""

import sys
from collections.abc import Sequence

from websockets.frames import Frame

from gateway.cli import main
from gateway.live.websocket import WebSocketConnection
from gateway.server import worker_process

MODULE = "tests.conformance.echo"

ENVIRONMENT = {
    "INBOX_AUTHENTICATION_SECONDS": "3600",  # the peer never says who it is
    "INBOX_MAX_MESSAGE_BYTES": str(32 * 1024 * 1024),
    "INBOX_MAX_MESSAGES_PER_MINUTE": "100000000",
    "INBOX_ACCESS_LOG": "false",
}
"""What the suite needs of the settings: messages of 16 MB, and thousands of them."""


def echo(connection: WebSocketConnection, frames: Sequence[Frame], now: float) -> None:
    """Answer a message with itself."""
    data = b"".join([frame.data for frame in frames])
    connection.transport.write(Frame(frames[0].opcode, data).serialize(mask=False))


if __name__ == "__main__":
    WebSocketConnection.message_received = echo  # type: ignore[assignment, method-assign] # which is the purpose
    worker_process.WORKER_COMMAND[:] = [sys.executable, "-m", MODULE, "worker"]  # the workers too
    main()
