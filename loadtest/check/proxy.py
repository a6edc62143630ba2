"""A TCP proxy whose links can be cut, delayed and left half open, and which balances over several targets."""

import asyncio
import contextlib
from collections.abc import Sequence

from loadtest.servers.starting import free_port

CHUNK_BYTES = 65536

ENDED = (OSError, RuntimeError)
"""RuntimeError is uvloop's for a write on a socket that was aborted meanwhile."""


class Proxy:
    """Listens on a port of its own; each connection goes to the next target that takes it."""

    def __init__(self, targets: Sequence[int]):
        self.port = free_port()
        self.targets = list(targets)
        self.refusing = False
        self.delay_seconds = 0.0
        self._silent = False
        self._links: set[Link] = set()
        self._turn = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. `stop` afterwards."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=4096)

    async def stop(self) -> None:
        """End every link and the listening."""
        assert self._server is not None
        self._server.close()
        self.cut()
        while self._links:
            await asyncio.sleep(0.01)

    def cut(self) -> None:
        """Reset every link."""
        for link in self._links:
            link.abort()

    def fall_silent(self) -> None:
        """Let nothing through any more, and say nothing of it, on links that are there and on new ones."""
        self._silent = True

    def speak(self) -> None:
        """Work again. A link that swallowed something can't go on and is reset; others never notice."""
        self._silent = False
        for link in self._links:
            if link.swallowed:
                link.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(writer)
        self._links.add(link)
        try:
            if self.refusing:
                return
            opened = await self._open()
            if opened is not None:
                link.writers.append(opened[1])
                await self._pass_on(link, (reader, writer), opened)
        except OSError:
            pass
        finally:
            link.abort()
            self._links.discard(link)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        self._turn += 1
        for number in range(len(self.targets)):
            port = self.targets[(self._turn + number) % len(self.targets)]
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port)
        return None

    async def _pass_on(
        self,
        link: "Link",
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pump(link, client[0], server[1]), name="proxy-to-server")
            tasks.create_task(self._pump(link, server[0], client[1]), name="proxy-to-client")

    async def _pump(self, link: "Link", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(*ENDED):
            while data := await reader.read(CHUNK_BYTES):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                if self._silent or link.swallowed:
                    link.swallowed = True
                    continue
                writer.write(data)
                await writer.drain()
        if not link.swallowed:
            # Whoever closed its half has said all there is to say: the other end gets it, then the end.
            with contextlib.suppress(*ENDED):
                writer.close()


class Link:
    """One connection through the proxy."""

    def __init__(self, writer: asyncio.StreamWriter):
        self.writers = [writer]
        self.swallowed = False

    def abort(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
