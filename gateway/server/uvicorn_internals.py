"""The parts of uvicorn that are not documented. No other module uses them.

The gateway has its own HTTP protocol (`gateway.server.http`), which runs uvicorn's cycle of one request and its
response. This module relies on:

- `RequestResponseCycle`: the parameters of its constructor, its attributes `body`, `more_body`, `message_event`,
  `disconnected`, `keep_alive`, `waiting_for_100_continue`, `response_started` and `response_complete`, and `run_asgi`;
- `FlowControl`: that the cycle calls `resume_reading`, and waits in `drain` while `write_paused`;
- `ServerState`: `connections`, each of which has `shutdown()`, `tasks`, `total_requests` and `default_headers`;
- `Config`: `load`, `loaded`, `loaded_app`, `asgi_version`, `root_path`, `http_protocol_class` and `backlog`;
- `Server`: `startup`, `on_tick` and `shutdown`, which are overridden, `servers`, `server_state` and `lifespan.state`.

`tests/server/test_uvicorn_internals.py` checks each of them against the installed version.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

import uvicorn
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from gateway.api.core.scope import BODY_IS_LATE, HEADERS, IS_ENDLESS, LOCAL_PORT, PEER, REQUEST_ID
from gateway.server.coalesced_writes import CoalescedWrites
from gateway.server.request import Fields, Head

__all__ = ["Config", "CycleFactory", "HoldableFlowControl", "ListeningServer", "RequestCycle", "ServerState"]

_access_logger = logging.getLogger("uvicorn.access")
_logger = logging.getLogger("uvicorn.error")


class HoldableFlowControl(FlowControl):
    """uvicorn's flow control, with reading paused while bytes of the connection are held back.

    The cycle calls `resume_reading` whenever the application reads its body, even while bytes are held back.
    """

    held = False

    def hold(self) -> None:
        """Stop reading until `release`."""
        self.held = True
        self.pause_reading()

    def release(self) -> None:
        """Resume reading."""
        self.held = False
        self.resume_reading()

    def resume_reading(self) -> None:
        """Resume reading, unless bytes are held back."""
        if not self.held:
            super().resume_reading()


class RequestCycle(RequestResponseCycle):
    """uvicorn's cycle of one request and its response, with the operations that the HTTP protocol needs."""

    @property
    def headers(self) -> Fields:
        """The headers of the request."""
        return self.scope["headers"]  # type: ignore[return-value] # the list that `CycleFactory.start` put there

    @property
    def is_head(self) -> bool:
        """Whether the request is a HEAD, whose response has no body."""
        return self.scope["method"] == "HEAD"

    @property
    def body_is_full(self) -> bool:
        """Whether so much of the body waits for the application that no more should be read from the socket."""
        return len(self.body) > HIGH_WATER_LIMIT

    @property
    def is_endless(self) -> bool:
        """Whether the response has begun as a stream that ends only when the client leaves."""
        return IS_ENDLESS in self.scope

    def add_body(self, content: Sequence[bytes], *, finished: bool) -> None:
        """Pass parts of the request's body to the application. `finished`: whether these are the last ones."""
        for part in content:
            self.body += part
        self.more_body = not finished
        self.message_event.set()

    def fail_late_body(self) -> None:
        """Wake the application, which finds BODY_IS_LATE in the scope."""
        self.scope[BODY_IS_LATE] = True  # type: ignore[literal-required] # ASGI allows servers' own keys
        self.message_event.set()

    def disconnect(self) -> None:
        """Send nothing more, and let the application read a disconnect."""
        self.disconnected = True
        self.message_event.set()

    def connection_lost(self) -> None:
        """Disconnect, unless the response is complete."""
        self.disconnected = not self.response_complete
        self.message_event.set()


class CycleFactory:
    """Starts the cycles of one connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        output: CoalescedWrites,
        flow: FlowControl,
        peer: Callable[[], str],
        local_port: Callable[[], int],
    ):
        """Create the factory. `peer` returns the address of the peer, and `local_port` the port of the listener."""
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._output = output
        self._flow = flow
        self._peer = peer
        self._local_port = local_port

    def start(
        self,
        head: Head,
        path: str,
        request_id: str,
        on_response: Callable[[], None],
        *,
        app: Any = None,
        expects_continue: bool,
        keep_alive: bool,
    ) -> RequestCycle:
        """Start the task that responds to a request, and return its cycle.

        `app`, if given, responds instead of the server's application. `expects_continue`: whether the client sends the
        body only after a 100 (Continue). `on_response` is called when the response is complete.
        """
        cycle = RequestCycle(
            scope=self._scope(head, path, request_id),  # type: ignore[arg-type] # ASGI allows servers' own keys
            transport=self._output,  # type: ignore[arg-type] # it has all of a transport that the cycle uses
            flow=self._flow,
            logger=_logger,
            access_logger=_access_logger,
            access_log=False,
            default_headers=[*self._server_state.default_headers, (b"x-request-id", request_id.encode())],
            message_event=asyncio.Event(),
            expect_100_continue=expects_continue,
            keep_alive=keep_alive,
            on_response=on_response,
        )
        cycle.more_body = head.body_bytes != 0
        if not cycle.more_body:
            cycle.message_event.set()
        self._run(cycle.run_asgi(app or self._config.loaded_app))
        return cycle

    def _run(self, cycle: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(cycle)
        task.add_done_callback(self._server_state.tasks.discard)
        self._server_state.tasks.add(task)

    def _scope(self, head: Head, path: str, request_id: str) -> dict[str, Any]:
        root_path = self._config.root_path
        return {
            "type": "http",
            "asgi": {"version": self._config.asgi_version, "spec_version": "2.3"},
            "http_version": head.version,
            "server": None,
            "client": None,  # reading the peer's address takes 10 µs, and few requests need it: see PEER
            "scheme": "http",
            "method": head.method,
            "root_path": root_path,
            "path": root_path + path,
            "raw_path": root_path.encode() + head.raw_path,
            "query_string": head.query,
            "headers": head.fields,
            "state": self._app_state.copy(),
            PEER: self._peer,
            LOCAL_PORT: self._local_port,
            REQUEST_ID: request_id,
            HEADERS: head.by_name,
        }


class ListeningServer(uvicorn.Server):
    """uvicorn's server, which can accept connections from further sockets."""

    @property
    def has_connections(self) -> bool:
        """Whether HTTP connections are open."""
        return bool(self.server_state.connections)

    def stop_accepting(self) -> None:
        """Close the listeners that `startup` opened."""
        for server in self.servers:
            server.close()

    async def listen(self, sock: socket.socket) -> asyncio.AbstractServer:
        """Accept connections from a socket, as uvicorn does in its `startup`."""
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        protocol = partial(make, config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
        return await asyncio.get_running_loop().create_server(protocol, sock=sock, backlog=self.config.backlog)
