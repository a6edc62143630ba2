"""An open inbox over WebSocket, for tests of the REST API that observe events."""

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.servers import Gateway, user_headers


@contextlib.asynccontextmanager
async def open_inbox(gateway: Gateway, external_id: str) -> AsyncIterator[ClientConnection]:
    """Connect as a user. Every message after that is an event."""
    subprotocols = [Subprotocol("inbox.v1")]
    address, headers = gateway.websocket_url, user_headers(external_id)
    async with connect(address, subprotocols=subprotocols, additional_headers=headers) as socket:
        assert (await message(socket))["type"] == "ready"
        yield socket


async def message(socket: ClientConnection) -> dict[str, Any]:
    """Return the next message."""
    found: dict[str, Any] = json.loads(await socket.recv())
    return found
