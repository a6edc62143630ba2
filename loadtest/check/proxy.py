"""A TCP proxy over several targets, whose connections can be cut, delayed and left half open."""

import asyncio
import contextlib
from collections.abc import Sequence

from loadtest.servers.starting import free_port

CHUNK_BYTES = 65536

ENDED = (OSError, RuntimeError)
"""uvloop raises RuntimeError for a write on a socket that was aborted meanwhile."""


class Proxy:
    """A proxy on its own port. Each connection goes to the next target that accepts it."""

    def __init__(self, targets: Sequence[int]):
        self.port = free_port()
        self.targets = list(targets)
        self.refusing = False
        self.delay_seconds = 0.0
        self._silent = False
        self._connections: set[ProxiedConnection] = set()
        self._turn = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Call `stop` afterwards."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=4096)

    async def stop(self) -> None:
        """Stop listening and reset every connection."""
        assert self._server is not None
        self._server.close()
        self.cut()
        while self._connections:
            await asyncio.sleep(0.01)

    def cut(self) -> None:
        """Reset every connection."""
        for connection in self._connections:
            connection.abort()

    def stop_forwarding(self) -> None:
        """Stop forwarding on open and new connections, without closing them."""
        self._silent = True

    def resume_forwarding(self) -> None:
        """Forward again, and reset the connections that have lost data meanwhile."""
        self._silent = False
        for connection in self._connections:
            if connection.lost_data:
                connection.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = ProxiedConnection(writer)
        self._connections.add(connection)
        try:
            if self.refusing:
                return
            opened = await self._open()
            if opened is not None:
                connection.writers.append(opened[1])
                await self._forward(connection, (reader, writer), opened)
        except OSError:
            pass
        finally:
            connection.abort()
            self._connections.discard(connection)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        self._turn += 1
        for number in range(len(self.targets)):
            port = self.targets[(self._turn + number) % len(self.targets)]
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port)
        return None

    async def _forward(
        self,
        connection: "ProxiedConnection",
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pump(connection, client[0], server[1]), name="proxy-to-server")
            tasks.create_task(self._pump(connection, server[0], client[1]), name="proxy-to-client")

    async def _pump(
        self, connection: "ProxiedConnection", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(*ENDED):
            while data := await reader.read(CHUNK_BYTES):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                if self._silent or connection.lost_data:
                    connection.lost_data = True
                    continue
                writer.write(data)
                await writer.drain()
        if not connection.lost_data:
            # One side has closed its half. The other side receives the data from before, then the end.
            with contextlib.suppress(*ENDED):
                writer.close()


class ProxiedConnection:
    """One connection through the proxy."""

    def __init__(self, writer: asyncio.StreamWriter):
        self.writers = [writer]
        self.lost_data = False

    def abort(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
