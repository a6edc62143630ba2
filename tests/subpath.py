"""A reverse proxy that serves a gateway below a path.

It strips the path, as `proxy_pass http://gateway/;` of nginx does.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Mapping

PREFIX = "/inbox"


@contextlib.contextmanager
def running_subpath_proxy(target_port: int, headers: Mapping[str, str] = {}, keep_path: bool = False) -> Iterator[int]:
    """Run a proxy for a block, and yield its port. It adds `headers` to each request, and may keep the path."""
    loop = asyncio.new_event_loop()
    proxy = _Proxy(target_port, headers, keep_path)
    thread = threading.Thread(target=loop.run_forever, name="subpath-proxy", daemon=True)
    thread.start()
    starting = asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=1 << 20)
    server = asyncio.run_coroutine_threadsafe(starting, loop).result(10)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        try:
            asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result(10)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
        loop.close()


class _Proxy:
    def __init__(self, target_port: int, headers: Mapping[str, str], keep_path: bool):
        self._target_port = target_port
        self._headers = headers
        self._keep_path = keep_path
        self._tasks: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports close in the next iteration of the loop

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward a request and its response. Each request has its own connection to the gateway."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        writers = [writer]
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                head = self._rewritten(await reader.readuntil(b"\r\n\r\n"))
                if head is None:
                    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    return
                back, forth = await asyncio.open_connection("127.0.0.1", self._target_port)
                writers.append(forth)
                forth.write(head)
                async with asyncio.TaskGroup() as both:
                    both.create_task(_copy(reader, forth))
                    both.create_task(_copy(back, writer))
        finally:
            for each in writers:
                each.close()

    def _rewritten(self, head: bytes) -> bytes | None:
        """Return the head of the request to the gateway, None if its path is not below the prefix."""
        request, *lines = head.decode("latin-1").split("\r\n")[:-2]
        method, path, version = request.split(" ")
        rest = path.removeprefix(PREFIX)
        if rest == path or not rest.startswith(("/", "?")):
            return None
        upgrades = any(line.lower().startswith("upgrade:") for line in lines)
        kept = [line for line in lines if upgrades or not line.lower().startswith("connection:")]
        added = [f"{name}: {value}" for name, value in self._headers.items()] + (
            [] if upgrades else ["Connection: close"]
        )
        return "\r\n".join([f"{method} {path if self._keep_path else rest} {version}", *kept, *added, "", ""]).encode(
            "latin-1"
        )


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()
