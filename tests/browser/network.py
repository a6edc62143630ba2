"""The network between browsers and the gateway, which tests cut, silence and restore."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from loadtest.check.proxy import Proxy


class Network:
    """A TCP proxy in front of a gateway. Browsers reach the gateway through its port."""

    def __init__(self, proxy: Proxy, loop: asyncio.AbstractEventLoop):
        self._proxy = proxy
        self._loop = loop

    @property
    def port(self) -> int:
        """The port at which browsers reach the gateway."""
        return self._proxy.port

    def cut(self) -> None:
        """Reset every connection, and accept no new ones until `restore`."""
        self._proxy.refusing = True
        self.reset()

    def reset(self) -> None:
        """Reset every connection."""
        self._loop.call_soon_threadsafe(self._proxy.cut)

    def silence(self) -> None:
        """Forward nothing until `restore`, without closing a connection."""
        self._loop.call_soon_threadsafe(self._proxy.stop_forwarding)

    def delay(self, seconds: float) -> None:
        """Forward each piece of data later from now on, until `restore`."""
        self._proxy.delay_seconds = seconds

    def restore(self) -> None:
        """Work without faults from now on."""
        self._proxy.refusing = False
        self._proxy.delay_seconds = 0.0
        self._loop.call_soon_threadsafe(self._proxy.resume_forwarding)


@contextlib.contextmanager
def running_network(gateway_port: int) -> Iterator[Network]:
    """Run a proxy in front of a gateway for a block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="network", daemon=True)
    thread.start()
    proxy = Proxy([gateway_port])
    try:
        asyncio.run_coroutine_threadsafe(proxy.start(), loop).result(10)
        try:
            yield Network(proxy, loop)
        finally:
            asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
