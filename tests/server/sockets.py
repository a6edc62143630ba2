"""Real sockets between a transport of the event loop and a blocking peer."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def connected(protocol: asyncio.Protocol | None = None) -> AsyncIterator[tuple[asyncio.Transport, socket.socket]]:
    """Connect until the block ends. The peer's calls time out after some seconds."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        peer = socket.create_connection(listening.getsockname())
        accepted, _ = listening.accept()
    peer.settimeout(10)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol or asyncio.Protocol(), accepted)
    try:
        yield transport, peer
    finally:
        transport.abort()
        peer.close()
        await asyncio.sleep(0)


async def received(peer: socket.socket, size: int = 65536) -> bytes:
    """Wait for data from the transport, b"" at its end."""
    return await asyncio.to_thread(peer.recv, size)
