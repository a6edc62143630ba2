"""Connections of a token on every node, which must end when the token is discarded, whatever else fails."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from loadtest.servers.gateway import ADMIN, Gateway

MOST_SECONDS = 3.0
"""The promise is one second, which tests check. During this check, the machine is busy with the other load."""

TOKEN_REVOKED = 4508
READY_SECONDS = 30.0
CONNECTIONS = 10
"""Connections on each node."""


@dataclass
class TokenConnections:
    """Open connections of one token."""

    token_id: str
    sockets: Sequence[ClientConnection]

    async def all_end(self, since: float) -> None:
        """Wait until each connection is closed. Raise AssertionError for another close code, or a late close."""
        codes = await asyncio.gather(*(_close_code(socket) for socket in self.sockets))
        took = time.monotonic() - since
        assert set(codes) == {TOKEN_REVOKED}, f"closed with {codes}"
        assert took <= MOST_SECONDS, f"the last of {len(codes)} connections ended after {took:.2f} s"


@asynccontextmanager
async def connected_with_a_token(gateways: Sequence[Gateway], user: str) -> AsyncIterator[TokenConnections]:
    """Issue a token for a block, and open connections with it at every gateway."""
    async with httpx.AsyncClient(base_url=gateways[0].url, timeout=10) as http, AsyncExitStack() as stack:
        body = {"external_id": user, "expiry": 600}
        issued = (await http.post("/v2/jwt/user", headers=ADMIN, json=body)).raise_for_status().json()
        bearer = {"Authorization": f"Bearer {issued['token']}"}
        sockets = []
        for gateway in gateways:
            for _ in range(CONNECTIONS):
                sockets.append(await _open(gateway, bearer))
                stack.push_async_callback(sockets[-1].close)
        yield TokenConnections(issued["token_id"], sockets)


async def discard(gateway: Gateway, token_id: str) -> float:
    """Discard a token. Return the monotonic time, in seconds, of the acknowledgement."""
    async with httpx.AsyncClient(base_url=gateway.url, timeout=10) as http:
        (await http.delete(f"/v2/jwt/user/{token_id}", headers=ADMIN)).raise_for_status()
    return time.monotonic()


async def _open(gateway: Gateway, headers: dict[str, str]) -> ClientConnection:
    """Open a connection.

    Repeat that while it is refused, as by a worker that has lost its subscription for a moment.
    """
    async with asyncio.timeout(READY_SECONDS):
        while True:
            socket = await connect(gateway.websocket_url, additional_headers=headers, compression=None, proxy=None)
            if json.loads(await socket.recv())["type"] == "ready":
                return socket
            await socket.close()
            await asyncio.sleep(0.1)


async def _close_code(socket: ClientConnection) -> int:
    try:
        async with asyncio.timeout(10):
            while True:
                await socket.recv()
    except (ConnectionClosed, TimeoutError):
        return socket.close_code or 0
