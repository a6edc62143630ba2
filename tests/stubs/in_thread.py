"""Runs a stub in a thread of its own, for tests that are not asynchronous and for stubs that many tests share."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import TypeVar

from tests.stubs.http_stub import HttpStub

S = TypeVar("S", bound=HttpStub)


@contextlib.contextmanager
def in_thread(stub: S) -> Iterator[S]:
    """Run a stub until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(stub.__aenter__(), loop).result(10)
        try:
            yield stub
        finally:
            asyncio.run_coroutine_threadsafe(stub.__aexit__(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
